// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/edge.h"

#include <array>
#include <unordered_map>

#include "base/hash.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/aws/authenticate.h"
#include "platform/aws/decoded_body.h"
#include "platform/aws/dispatch.h"
#include "platform/aws/empty_lists.h"
#include "platform/aws/error_encoding.h"
#include "platform/aws/service_model.h"
#include "platform/aws/xml.h"

namespace clary::aws {

using http::Request;
using http::Response;
template <class T>
using Awaitable = http::asio::awaitable<T>;

namespace {

constexpr std::uint64_t kMaxFormBytes = 1 << 20;
constexpr std::size_t kMaxFormFields = 2000;
constexpr std::uint64_t kMaxOversizeDrain = 64ULL << 20;

// On the worker pool. A later field of the same name replaces an earlier one.
Form parse_form(std::string_view text) {
  Form form;
  for (const std::string_view pair : split(text, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = pair.find('=');
    auto name = percent_decoded(pair.substr(0, equals), true);
    auto value = percent_decoded(equals == std::string_view::npos ? "" : pair.substr(equals + 1), true);
    if (!name || !value) throw ServiceError(Code::kMalformedQueryString, "a field of the form is not decodable");
    if (form.size() >= kMaxFormFields)
      throw ServiceError(Code::kMalformedQueryString, "the form has more than 2000 fields");
    form.insert_or_assign(std::move(*name), std::move(*value));
  }
  return form;
}

/// Reads on to the end, so that a client that is still sending receives the answer and no reset.
/// Bounded: a client that never stops sending is cut off.
Awaitable<void> discard(http::BodySource& body) {
  std::string scratch(64 * 1024, '\0');
  for (std::uint64_t seen = 0; seen < kMaxOversizeDrain;) {
    const std::size_t n = co_await body.read_some(std::as_writable_bytes(std::span(scratch)));
    if (n == 0) break;
    seen += n;
  }
}

}  // namespace

// Shared by the Edge and by every request in progress: the Edge may be destroyed while a handler is suspended. Filled
// before the server listens and only read then, so that no lock is needed.
struct Edge::Core {
  Core(Credentials& c, Options o, http::asio::thread_pool& w) : credentials(c), options(std::move(o)), workers(w) {}

  Credentials& credentials;
  Options options;
  http::asio::thread_pool& workers;
  std::map<std::string, JsonService, std::less<>> json_services;  // by target prefix
  std::vector<QueryService> query_services;
  RawHandler s3;
  WholeBodyHandler runtime;
  std::vector<std::pair<std::string, http::Handler>> open;

  Awaitable<Response> handle(Request& request);
  Awaitable<Response> to_service(Request& request, const Signature& signature, Destination destination,
                                 const Caller& caller);
  Awaitable<Response> to_json(Request& request, const Signature& signature, const Caller& caller);
  Awaitable<Response> to_query(Request& request, const Signature& signature, const Caller& caller);
  Awaitable<Response> to_s3(Request& request, const Signature& signature, const Caller& caller);
  Awaitable<Response> to_runtime(Request& request, const Signature& signature, const Caller& caller);
  Awaitable<std::string> verified_body(Request& request, const Signature& signature, Wire wire, std::uint64_t max);

  const http::Handler* open_handler(const Request& request) const;
  Caller caller_of(const Request& request, const Signature& signature, Wire wire) const;
  std::string run_json(const JsonService& service, std::string_view name, const std::string& body,
                       const Caller& caller) const;
  std::string query_answer(const Form& form, std::string_view scope, const Caller& caller, std::string& xmlns) const;
};

namespace {

Wire wire_of(Destination destination) noexcept {
  switch (destination) {
    case Destination::kS3:
    case Destination::kUnknown:
    case Destination::kUnsupportedWire:
      return Wire::kS3;
    case Destination::kQuery:
      return Wire::kQuery;
    case Destination::kRuntime:
    case Destination::kSagemakerMetrics:
      return Wire::kRestJson;
    case Destination::kJson:
      break;
  }
  return Wire::kJson;
}

std::string_view json_version(const Request& request) noexcept {
  return request.headers.value_or("Content-Type", "").find("json-1.0") != std::string_view::npos ? "1.0" : "1.1";
}

/// S3's ids are 16 upper-case letters and digits, everybody else's are UUIDs.
std::string new_request_id(Wire wire) {
  if (wire != Wire::kS3) return random_uuid();
  std::string id = random_hex(8);
  for (char& c : id)
    if (c >= 'a') c = static_cast<char>(c - 32);
  return id;
}

}  // namespace

const http::Handler* Edge::Core::open_handler(const Request& request) const {
  for (const auto& [prefix, handler] : open)
    if (request.path().starts_with(prefix)) return &handler;
  return nullptr;
}

Caller Edge::Core::caller_of(const Request& request, const Signature& signature, Wire wire) const {
  Caller caller;
  // The access key and region are what the request claims; they are trusted after verify() only, which every path
  // below calls before a service sees them.
  caller.access_key = signature.access_key;
  caller.account = options.account;
  caller.region = signature.region.empty() || signature.region == "aws-global" ? options.default_region
                                                                               : std::string(signature.region);
  caller.request_id = new_request_id(wire);
  caller.host = request.headers.value_or("Host", request.connect_host);
  caller.tls = request.tls;
  return caller;
}

Awaitable<Response> Edge::Core::handle(Request& request) {
  // Unsigned pages (health, metrics): before anything is parsed.
  if (const http::Handler* handler = open_handler(request)) co_return co_await (*handler)(request);
  Signature signature;
  read_signature(request, signature);
  const RequestFacts facts = facts_of(request, signature, options.s3_suffixes);
  const DispatchRule& rule = dispatch(facts);
  const Wire wire = wire_of(rule.destination);
  const Caller caller = caller_of(request, signature, wire);
  const std::string path(request.path());  // to_s3() moves the target out of the request
  Response response;
  try {
    response = co_await to_service(request, signature, rule.destination, caller);
    // A service may set an id of its own.
    if (!response.headers.has(request_id_header(wire)))
      response.headers.add(request_id_header(wire), caller.request_id);
  } catch (const http::Disconnected&) {
    throw;
  } catch (const std::exception& e) {
    // One place turns exceptions into answers; the wire form follows from the rule that matched.
    response = encode_exception(e, {wire, caller.request_id, path, "", json_version(request)});
  }
  log::debug("{} {} {} {} {}", caller.request_id, request.method, path, rule.name, response.status);
  co_return response;
}

Awaitable<Response> Edge::Core::to_service(Request& request, const Signature& signature, Destination destination,
                                           const Caller& caller) {
  switch (destination) {
    case Destination::kJson:
      co_return co_await to_json(request, signature, caller);
    case Destination::kQuery:
      co_return co_await to_query(request, signature, caller);
    case Destination::kS3:
      co_return co_await to_s3(request, signature, caller);
    case Destination::kRuntime:
      co_return co_await to_runtime(request, signature, caller);
    case Destination::kUnsupportedWire:
      co_return http::text_response(404, "smithy RPC v2 is not spoken here; use AWS JSON or the query protocol\n");
    case Destination::kSagemakerMetrics:
      co_await verified_body(request, signature, Wire::kRestJson, options.max_json_bytes);
      throw ServiceError(Code::kNotImplementedException,
                         "The service sagemaker-metrics is not implemented by this server.");
    default:
      throw ServiceError(Code::kNotImplemented,
                         "The service \"" + std::string(signature.service) + "\" is not implemented by this server.");
  }
}

/// The whole body, after the signature over it was found good.
Awaitable<std::string> Edge::Core::verified_body(Request& request, const Signature& signature, Wire wire,
                                                 std::uint64_t max) {
  // The hash of the body is part of the signature of these services, and is computed here, not taken from a header.
  VerifyOptions verify_options{wire, PathRule::kOthers, kEmptySha256, "", options.dev, options.clock()};
  // A request without a signature is refused before its body is read, so that strangers cannot make the server buffer
  // bodies.
  if (signature.form == Signature::Form::kNone || signature.form == Signature::Form::kMalformed)
    verify(request, signature, credentials, verify_options);  // throws: no byte of an unsigned body is read
  std::string body = co_await http::read_body(request.body, max);
  std::string hash;
  // Development mode skips the hash: it would be the only cost of large bodies.
  if (!options.dev) {
    hash = body.empty() ? std::string(kEmptySha256) : to_hex(sha256(body));
    verify_options.payload_hash = hash;
  }
  verify(request, signature, credentials, verify_options);
  co_return body;
}

// Blocking database calls are allowed here. The order: is the operation known, is the body JSON, does it fit the
// model; only then the handler runs, which may rely on the model's constraints.
// Runs on the worker pool.
std::string Edge::Core::run_json(const JsonService& service, std::string_view name, const std::string& body,
                                 const Caller& caller) const {
  const model::Service* known = model::find_service(service.model);
  const model::Operation* shape = known != nullptr ? model::find_operation(*known, name) : nullptr;
  const auto operation = service.operations.find(name);
  if (operation == service.operations.end()) {
    if (const auto answer = kind_answer(service.model, name, body)) return *answer;
    if (shape == nullptr)
      throw ServiceError(Code::kUnknownOperationException,
                         "The operation " + std::string(name.substr(0, 128)) + " is not part of the " +
                             (known ? known->title : service.model.c_str()) + " API.");
    throw ServiceError(Code::kNotImplementedException, "Operation " + std::string(name) + " is part of the " +
                                                           known->title +
                                                           " API but is not implemented by this server.");
  }
  Json input = Json::object();
  try {
    if (!body.empty()) input = parse_json(body);
  } catch (const Error& e) {
    throw ServiceError(Code::kSerializationException, std::string("The request body is ") + e.what());
  }
  if (!input.is_object()) throw ServiceError(Code::kSerializationException, "The request body is not a JSON object");
  if (shape != nullptr) validate(*shape, input);
  const Json output = operation->second(input, caller);
  return output.is_null() ? std::string() : dump_json(output);
}

Awaitable<Response> Edge::Core::to_json(Request& request, const Signature& signature, const Caller& caller) {
  const std::string target(request.headers.value_or("X-Amz-Target", ""));
  const std::string version(json_version(request));
  // The body is read and verified before the target is looked at, so that an unsigned request learns nothing about
  // which operations exist.
  const std::string body = co_await verified_body(request, signature, Wire::kJson, options.max_json_bytes);
  const std::size_t dot = target.rfind('.');
  const auto service = json_services.find(std::string_view(target).substr(0, dot));
  if (dot == std::string::npos || service == json_services.end())
    throw ServiceError(Code::kNotImplementedException, "The service of the target \"" + target.substr(0, 256) +
                                                           "\" is not implemented by this server.");
  const std::string_view name = std::string_view(target).substr(dot + 1);
  // The references stay valid: this frame is suspended until the pool has run the lambda.
  std::string answer = co_await http::offload(workers, [&] { return run_json(service->second, name, body, caller); });
  if (answer.empty()) {
    Response empty;
    empty.headers.add("Content-Type", "application/x-amz-json-" + version);
    co_return empty;
  }
  co_return http::text_response(200, std::move(answer), "application/x-amz-json-" + version);
}

std::string Edge::Core::query_answer(const Form& form, std::string_view scope, const Caller& caller,
                                     std::string& xmlns) const {
  const auto field = [&](const char* name) {
    const auto hit = form.find(name);
    return hit == form.end() ? std::string() : hit->second;
  };
  // An Action decides the operation; which service is meant follows from the credential scope, or from the version for
  // unsigned look-ups.
  const std::string action = field("Action"), version = field("Version");
  if (action.empty()) throw ServiceError(Code::kMissingAction);
  const auto unknown = [&](const model::Service* known) {
    if (known != nullptr && model::find_operation(*known, action) != nullptr)
      return ServiceError(Code::kNotImplementedException, "Operation " + action + " is part of the " + known->title +
                                                              " API but is not implemented by this server.");
    return ServiceError(Code::kInvalidAction,
                        "Could not find operation " + action.substr(0, 128) + " for version " + version.substr(0, 32));
  };
  const auto wrapped = [&](const std::string& inner) {
    Xml xml;
    xml.open(action + "Response xmlns=\"" + xmlns + "\"").open(action + "Result").fragment(inner).close();
    xml.open("ResponseMetadata").element("RequestId", caller.request_id);
    return xml.finish();
  };
  for (const QueryService& service : query_services) {
    // With a scope the service's name must match; without one the version must.
    if (service.name != scope && (!scope.empty() || service.version != version)) continue;
    xmlns = service.xmlns;
    const auto operation = service.operations.find(action);
    if (operation == service.operations.end()) throw unknown(model::find_service(service.name));
    return wrapped(operation->second(form, caller));
  }
  // Services that also speak JSON (CloudWatch): the form becomes JSON by the model, so that there is one handler for
  // both.
  for (const auto& [prefix, service] : json_services) {
    if (!service.also_query || (scope != "monitoring" && version != "2010-08-01")) continue;
    xmlns = "http://monitoring.amazonaws.com/doc/2010-08-01/";
    const model::Service* known = model::find_service(service.model);
    const model::Operation* shape = known != nullptr ? model::find_operation(*known, action) : nullptr;
    const auto operation = service.operations.find(action);
    if (shape == nullptr || operation == service.operations.end()) throw unknown(known);
    Json input = json_from_form(*shape, form);
    validate(*shape, input);
    const Json output = operation->second(input, caller);
    return wrapped(output.is_null() ? std::string() : xml_from_json(*shape, output));
  }
  throw unknown(nullptr);
}

Awaitable<Response> Edge::Core::to_query(Request& request, const Signature& signature, const Caller& caller) {
  const std::string scope(signature.service);
  const std::string body = co_await verified_body(request, signature, Wire::kQuery, kMaxFormBytes);
  const std::string query(request.method == "GET" ? request.query() : std::string_view());
  std::string xmlns = "https://sts.amazonaws.com/doc/2011-06-15/";
  std::string answer;
  try {
    answer = co_await http::offload(
        workers, [&] { return query_answer(parse_form(query.empty() ? body : query), scope, caller, xmlns); });
  } catch (const std::exception& e) {
    // Here and not in handle(), because the error must carry the namespace of the service that was found.
    co_return encode_exception(e, {Wire::kQuery, caller.request_id, request.path(), xmlns, "1.1"});
  }
  co_return http::text_response(200, std::move(answer), "text/xml");
}

// S3 signs a hash of the body that the request itself states, so the signature can be checked before the body is read;
// decoded_body() then checks the body against that hash while the service reads it.
Awaitable<Response> Edge::Core::to_s3(Request& request, const Signature& signature, const Caller& caller) {
  const auto hash = request.headers.get("x-amz-content-sha256");
  const bool presigned = signature.form == Signature::Form::kPresigned;
  if (hash && hash->starts_with("STREAMING-AWS4-ECDSA"))
    throw ServiceError(Code::kNotImplemented, "SigV4a streaming signatures are not supported.");
  // Without the header the signature could not cover the body.
  if (!hash && signature.form == Signature::Form::kHeader && request.body.size() != 0)
    throw ServiceError(Code::kMissingSecurityHeader, "Your request was missing the header x-amz-content-sha256");
  // A presigned request cannot know its body: its payload is UNSIGNED-PAYLOAD by definition.
  const std::string_view payload = presigned ? kUnsignedPayload : hash.value_or(kEmptySha256);
  const std::string bucket = bucket_of_host(caller.host, options.s3_suffixes).value_or("");
  Verified verified = verify(request, signature, credentials,
                             {Wire::kS3, PathRule::kS3, payload, bucket, options.dev, options.clock()});
  std::optional<AwsChunkedForm> form;
  if (hash) form = aws_chunked_form(*hash);
  if (form && form->is_signed) {
    form->signing_key = std::move(verified.signing_key);
    form->timestamp = signature.timestamp;
    form->scope_text = signature.scope.text;
    form->seed_signature = signature.signature;
  }
  // Null if there is nothing to decode or check: the service then reads the connection's body directly.
  const std::unique_ptr<CheckedBody> decoded = decoded_body(request, std::move(form));
  if (!s3) throw ServiceError(Code::kNotImplemented, "The service s3 is not implemented by this server.");
  if (!decoded) co_return co_await s3(request, caller);
  Request inner{request.method,  // a copy: the connection needs it to answer HEAD
                std::move(request.target),
                std::move(request.headers),
                *decoded,
                request.tls,
                request.connect_host,
                request.peer};
  // Trailing checksums are added to the inner request's headers when the body has been read.
  decoded->report_trailers_to(inner.headers);
  co_return co_await s3(inner, caller);
}

Awaitable<Response> Edge::Core::to_runtime(Request& request, const Signature& signature, const Caller& caller) {
  std::string text;
  bool oversize = false;
  try {
    text = co_await verified_body(request, signature, Wire::kRestJson, options.max_runtime_bytes);
  } catch (const http::RequestError& e) {
    if (e.status() != 413) throw;
    oversize = true;
  }
  if (oversize) {  // outside the catch block, where co_await is not allowed
    co_await discard(request.body);
    throw ServiceError(Code::kValidationError, "Request " + caller.request_id + " has oversize body.");
  }
  if (!runtime)
    throw ServiceError(Code::kNotImplementedException,
                       "The service sagemaker-runtime is not implemented by this server.");
  co_return co_await runtime(request, std::move(text), caller);
}

Edge::Edge(Credentials& credentials, Options options, http::asio::thread_pool& workers)
    : core_(std::make_shared<Core>(credentials, std::move(options), workers)) {}
Edge::~Edge() = default;

void Edge::add(JsonService service) {
  std::string prefix = service.target_prefix;
  core_->json_services.insert_or_assign(std::move(prefix), std::move(service));
}
void Edge::add(QueryService service) { core_->query_services.push_back(std::move(service)); }
void Edge::set_s3(RawHandler handler) { core_->s3 = std::move(handler); }
void Edge::set_runtime(WholeBodyHandler handler) { core_->runtime = std::move(handler); }
void Edge::add_open(std::string prefix, http::Handler handler) {
  core_->open.emplace_back(std::move(prefix), std::move(handler));
}

http::Handler Edge::handler() {
  return [core = core_](Request& request) { return core->handle(request); };
}

}  // namespace clary::aws
