// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/error_encoding.h"

#include "base/hash.h"
#include "base/log.h"
#include "platform/aws/xml.h"

namespace clary::aws {

namespace {

// Entries of `extra` with this prefix become headers of the answer, not members of its body.
constexpr std::string_view kHeaderPrefix = "header:";

std::string text_of(const Json& value) { return value.is_string() ? value.get<std::string>() : dump_json(value); }

http::Response s3_error(const CodeRow& r, const std::string& message, const Json& extra, const ErrorContext& c) {
  Xml body("Error");
  body.element("Code", r.name).element("Message", message);
  for (const auto& [name, value] : extra.items())
    if (!name.starts_with(kHeaderPrefix)) body.element(name, text_of(value));
  if (!extra.contains("Resource")) body.element("Resource", c.resource);
  const std::string host_id = to_base64(c.request_id);
  body.element("RequestId", c.request_id).element("HostId", host_id);
  http::Response response = http::text_response(r.status, body.finish(), "application/xml");
  response.headers.add("x-amz-id-2", host_id);
  return response;
}

http::Response json_error(const CodeRow& r, const std::string& message, const Json& extra, const ErrorContext& c) {
  // Both spellings: SDKs of different languages read either.
  Json body = {{"__type", r.name}, {"message", message}, {"Message", message}};
  for (const auto& [name, value] : extra.items())
    if (!name.starts_with(kHeaderPrefix)) body[name] = value;
  const std::string type =
      c.wire == Wire::kJson ? "application/x-amz-json-" + std::string(c.json_version) : "application/json";
  if (c.wire == Wire::kRestJson) body.erase("__type");
  http::Response response = http::text_response(r.status, dump_json(body), type);
  response.headers.add("x-amzn-ErrorType", r.name);
  if (c.json_version == "1.0")  // clients in query-compatible mode look for the old code here
    response.headers.add("x-amzn-query-error", std::string(r.name) + (r.status < 500 ? ";Sender" : ";Receiver"));
  return response;
}

http::Response query_error(const CodeRow& r, const std::string& message, const ErrorContext& c) {
  Xml body;
  body.open("ErrorResponse xmlns=\"" + std::string(c.xmlns) + "\"").open("Error");
  body.element("Type", r.status < 500 ? "Sender" : "Receiver").element("Code", r.name).element("Message", message);
  body.close().element("RequestId", c.request_id);
  return http::text_response(r.status, body.finish(), "text/xml");
}

Code code_of(const http::RequestError& e, Wire wire) {
  if (e.status() == 408) return Code::kRequestTimeout;
  if (wire == Wire::kS3) return e.status() == 413 ? Code::kEntityTooLarge : Code::kInvalidRequest;
  return default_code(wire, Kind::kMalformed);
}

}  // namespace

std::string_view request_id_header(Wire wire) noexcept {
  return wire == Wire::kS3 ? "x-amz-request-id" : "x-amzn-RequestId";
}

http::Response encode_error(Code code, const std::string& message, const Json& extra, const ErrorContext& c) {
  const CodeRow& r = row(code);
  http::Response response;
  if (c.wire == Wire::kS3) {
    response = s3_error(r, message, extra, c);
  } else if (c.wire == Wire::kQuery) {
    response = query_error(r, message, c);
  } else {
    response = json_error(r, message, extra, c);
  }
  for (const auto& [name, value] : extra.items())
    if (name.starts_with(kHeaderPrefix)) response.headers.set(name.substr(kHeaderPrefix.size()), text_of(value));
  response.headers.set(request_id_header(c.wire), c.request_id);
  // A 304 has no body (RFC 9110 section 15.4.5).
  if (r.status == 304) response.body = std::string();
  return response;
}

// Internal errors are logged in full and answered with a fixed text: their messages may name paths or statements.
http::Response encode_exception(const std::exception& e, const ErrorContext& c) {
  const Json none = Json::object();
  if (const auto* service = dynamic_cast<const ServiceError*>(&e)) {
    if (row(service->code()).status >= 500) log::error("{} {}: {}", c.request_id, c.resource, e.what());
    return encode_error(service->code(), service->what(), service->extra(), c);
  }
  if (const auto* request = dynamic_cast<const http::RequestError*>(&e))
    return encode_error(code_of(*request, c.wire), e.what(), none, c);
  const auto* error = dynamic_cast<const Error*>(&e);
  const Code code = default_code(c.wire, error != nullptr ? error->kind() : Kind::kInternal);
  const bool internal = error == nullptr || error->kind() == Kind::kInternal || error->kind() == Kind::kCancelled ||
                        dynamic_cast<const SystemError*>(error) != nullptr;
  if (internal) log::error("{} {}: {}", c.request_id, c.resource, e.what());
  return encode_error(code, internal ? std::string(row(code).text) : std::string(e.what()), none, c);
}

}  // namespace clary::aws
