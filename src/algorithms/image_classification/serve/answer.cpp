// SPDX-License-Identifier: Apache-2.0
// Model::answer: one picture in the request's body, or several as base64 in JSON; probabilities as AWS's container
// writes them, or (Clary only) the most probable classes with their names.
#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "algorithms/image_classification/serve/predictions.h"
#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "formats/content_type.h"
#include "learning/numeric/index.h"
#include "learning/shell/encode.h"

namespace clary::image_classification {
namespace {

using numeric::at;

constexpr std::int64_t kMaxPixels = 100'000'000;  // of all pictures of a request
constexpr std::size_t kMaxInstances = 1000;
constexpr std::size_t kTopClasses = 5;  // in a verbose answer
constexpr std::string_view kJson = "application/json", kJsonLines = "application/jsonlines";

shell::Answer refusal(int status, std::string text) { return {status, "text/plain; charset=utf-8", std::move(text)}; }

bool is_picture(std::string_view type) {
  return type.empty() || type == "application/octet-stream" || type == "application/x-image" || type == "image/jpeg" ||
         type == "image/jpg" || type == "image/png";
}

/// What is written: the first entry of Accept that there is; by default JSON, in transform jobs JSON lines.
std::optional<formats::ContentType> answer_type(std::string_view accept, bool batch) {
  const std::string_view usual = batch ? kJsonLines : kJson;
  if (trimmed(accept).empty()) return formats::parse_content_type(usual);
  for (formats::ContentType& entry : formats::parse_accept(accept)) {
    if (entry.type == "*/*" || entry.type == "application/*" || entry.type.empty()) entry.type = usual;
    if (entry.type == kJson || entry.type == kJsonLines) return std::move(entry);
  }
  return std::nullopt;
}

/// {"instances": [{"data": {"b64": "..."}}, ...]} @throws Error{kMalformed} naming the instance and the rule
std::vector<std::string> instances_of(std::string_view body) {
  const Json json = parse_json(body);
  const auto malformed = [](const std::string& rule) -> Error { return {Kind::kMalformed, rule}; };
  if (!json.is_object() || !json.contains("instances") || !json["instances"].is_array())
    throw malformed(R"(a JSON request has the form {"instances": [{"data": {"b64": "..."}}]})");
  const Json& list = json["instances"];
  if (list.empty() || list.size() > kMaxInstances)
    throw malformed(fmt::format("instances: {} are given, from 1 to {} are allowed", list.size(), kMaxInstances));
  std::vector<std::string> out;
  for (const Json& instance : list) {
    const Json data = instance.is_object() ? instance.value("data", Json()) : Json();
    const Json text = data.is_object() ? data.value("b64", Json()) : Json();
    auto bytes = text.is_string() ? from_base64(text.get_ref<const std::string&>()) : std::nullopt;
    if (!bytes) throw malformed(fmt::format("instances[{}]: data.b64 is not a picture in base64", out.size()));
    out.push_back(std::move(*bytes));
  }
  return out;
}

void append_list(std::string& out, std::span<const float> probabilities) {
  out += '[';
  for (std::size_t i = 0; i < probabilities.size(); ++i) {
    if (i > 0) out += ", ";
    shell::append_number(out, probabilities[i], shell::Column::Digits::kDouble);
  }
  out += ']';
}

/// [{"class": "dog", "index": 1, "probability": 0.93}, ...], the most probable first
void append_top(std::string& out, std::span<const float> probabilities, const Predictions& predictions) {
  std::vector<std::size_t> order(probabilities.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const std::size_t count = std::min(kTopClasses, order.size());
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count), order.end(),
                    [&](std::size_t a, std::size_t b) {
                      return probabilities[a] != probabilities[b] ? probabilities[a] > probabilities[b] : a < b;
                    });
  out += '[';
  for (std::size_t i = 0; i < count; ++i) {
    out += i > 0 ? R"(, {"class": )" : R"({"class": )";
    shell::append_json_text(out, predictions.name_of(static_cast<std::int64_t>(order[i])));
    out += fmt::format(R"(, "index": {}, "probability": )", order[i]);
    shell::append_number(out, probabilities[order[i]], shell::Column::Digits::kDouble);
    out += '}';
  }
  out += ']';
}

void append_object(std::string& out, std::span<const float> probabilities, const Predictions& predictions,
                   bool verbose) {
  out += verbose ? R"({"predictions": )" : R"({"prediction": )";
  verbose ? append_top(out, probabilities, predictions) : append_list(out, probabilities);
  out += '}';
}

}  // namespace

shell::Answer Model::answer(const shell::Invocation& invocation) const {
  const Predictions& predictions = *predictions_;
  const auto type = formats::parse_content_type(invocation.content_type);
  const auto accept = answer_type(invocation.accept, predictions.options().batch);
  if (!accept)
    return refusal(406, fmt::format("accept type {} not supported; expected {} or {}",
                                    trimmed(invocation.accept).substr(0, 200), kJson, kJsonLines));
  const bool several = type.type == kJson;
  if (!several && !is_picture(type.type))
    return refusal(415,
                   fmt::format("content-type {} not supported; expected application/x-image, image/jpeg, image/png "
                               "or {}",
                               type.type.substr(0, 200), kJson));
  if (invocation.body.empty()) return refusal(400, "the request is empty; a JPEG or PNG picture is expected");

  const bool lines = accept->type == kJsonLines, verbose = accept->flag("verbose") || type.flag("verbose");
  std::int64_t pixels_left = kMaxPixels;
  std::string out;
  if (!several) {
    const auto probabilities = predictions.probabilities(std::as_bytes(std::span(invocation.body)), pixels_left);
    lines || verbose ? append_object(out, probabilities, predictions, verbose) : append_list(out, probabilities);
    return {200, std::string(accept->type), std::move(out)};
  }
  if (!lines) out += R"({"predictions": [)";
  std::size_t number = 0;
  for (const std::string& file : instances_of(invocation.body)) {
    if (number > 0) out += lines ? "\n" : ", ";
    try {
      append_object(out, predictions.probabilities(std::as_bytes(std::span(file)), pixels_left), predictions, verbose);
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("instances[{}]: {}", number, error.what()));
    }
    ++number;
  }
  if (!lines) out += "]}";
  return {200, std::string(accept->type), std::move(out)};
}

}  // namespace clary::image_classification
