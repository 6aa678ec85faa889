// SPDX-License-Identifier: Apache-2.0
// One invocation: which type comes in, which goes out, and the status of everything that may be wrong with it.
#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <optional>

#include "base/error.h"
#include "base/text.h"
#include "formats/request.h"
#include "learning/shell/encode.h"
#include "learning/shell/serve.h"

namespace clary::shell {
namespace {

Answer text_answer(int status, std::string text) { return {status, "text/plain; charset=utf-8", std::move(text)}; }

bool listed(const std::vector<std::string>& types, const std::string& type) {
  return std::find(types.begin(), types.end(), type) != types.end();
}

/// Missing, empty and application/octet-stream mean the algorithm's default (its parameters stay).
formats::ContentType request_type(std::string_view given, const Descriptor& descriptor) {
  auto type = formats::parse_content_type(given);
  if (!type.type.empty() && type.type != "application/octet-stream") return type;
  auto fallback = formats::parse_content_type(descriptor.default_content_type);
  // Parameters of the request (label_size, header) override the default's.
  for (auto& [name, value] : type.parameters) fallback.parameters[name] = value;
  return fallback;
}

/// The first type of Accept that we write; wildcards take our first that fits. Parameters of the entry stay with it.
std::optional<formats::ContentType> answer_type(std::string_view accept, const Descriptor& descriptor) {
  const std::string fallback = formats::parse_content_type(descriptor.default_accept).type;
  if (trimmed(accept).empty()) return formats::parse_content_type(descriptor.default_accept);
  for (auto& entry : formats::parse_accept(accept)) {
    if (listed(descriptor.accept_types, entry.type)) return std::move(entry);
    // An entry without a type has parameters only ("; verbose=true").
    if (entry.type == "*/*" || entry.type.empty() || entry.type == fallback.substr(0, fallback.find('/')) + "/*") {
      entry.type = fallback;
      return std::move(entry);
    }
    if (!entry.type.ends_with("/*")) continue;
    for (const std::string& offered : descriptor.accept_types) {
      if (!offered.starts_with(entry.type.substr(0, entry.type.size() - 1))) continue;
      // The wildcard entry keeps its parameters (verbose, k, ...).
      entry.type = offered;
      return std::move(entry);
    }
  }
  return std::nullopt;
}

std::optional<Answer> document_answer(const ServedModel& model, const ServeRequest& request) {
  const auto path = request.accept.parameter("document");
  if (!path) return std::nullopt;
  // Models without documents have no such function.
  auto document = model.document ? model.document(*path) : std::nullopt;
  if (!document) return text_answer(400, fmt::format("document: the model has no document '{}'", *path));
  return Answer{200, std::move(document->content_type), std::move(document->body)};
}

Answer predicted(const ServedModel& model, const ServeRequest& request, std::string_view body) {
  formats::RequestOptions options;
  options.allow_tokens = model.accepts_tokens;
  const auto rows =
      formats::decode_request(request.content_type, std::as_bytes(std::span(body)), model.feature_dim, options);
  const Predictions predictions = model.predict(rows, request);
  // The uids of the rows travel to the answer; only records have a place for them.
  return {200, request.accept.type, encode(predictions, request.accept.format(), rows.uids)};
}

/// What the client may read of an error; the whole of it goes to the log.
/// 500 gets a fixed sentence: the text of an internal error may name paths.
Answer error_answer(const std::exception& error, std::optional<Kind> kind) {
  if (kind == Kind::kInvalid || kind == Kind::kMalformed) return text_answer(400, error.what());
  if (kind == Kind::kLimit) return text_answer(413, error.what());
  // Standard error reaches the endpoint's log.
  std::fprintf(stderr, "invocation failed: %s\n", error.what());
  return text_answer(500, "Unable to evaluate payload provided: internal error");
}

}  // namespace

Answer answer_invocation(const ServedModel& model, const Descriptor& descriptor, std::string_view content_type,
                         std::string_view accept, std::string_view custom_attributes, std::string_view body) {
  try {
    // Algorithms with request forms of their own (BlazingText) answer by themselves.
    if (model.answer) return model.answer({content_type, accept, custom_attributes, body});
    ServeRequest request{request_type(content_type, descriptor), {}, custom_attributes};
    auto out_type = answer_type(accept, descriptor);
    if (!out_type)
      return text_answer(406, fmt::format("accept type {} not supported; expected one of {}",
                                          trimmed(accept).substr(0, 200), fmt::join(descriptor.accept_types, ", ")));
    request.accept = std::move(*out_type);
    // Before the type of the request is looked at: a document needs no rows.
    if (auto document = document_answer(model, request)) return std::move(*document);
    if (!listed(descriptor.inference_content_types, request.content_type.type))
      return text_answer(415, fmt::format("content-type {} not supported", request.content_type.type.substr(0, 200)));
    // An empty body has no rows: nothing to say, and no error.
    if (body.empty()) return {204, request.accept.type, ""};
    return predicted(model, request, body);
  } catch (const Error& error) {
    return error_answer(error, error.kind());
  } catch (const std::exception& error) {
    // std::bad_alloc and the like: nothing of a request may end the process.
    return error_answer(error, std::nullopt);
  }
}

}  // namespace clary::shell
