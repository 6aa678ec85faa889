// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/responder.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <optional>

#include "algorithms/xgboost/serve/request_rows.h"
#include "algorithms/xgboost/serve/response.h"
#include "algorithms/xgboost/serve/selectable.h"
#include "base/error.h"
#include "base/text.h"
#include "contract/layout.h"
#include "formats/content_type.h"

namespace clary::xgboost {
namespace {

using shell::Answer;

constexpr std::string_view kCsv = "text/csv", kJson = "application/json", kJsonLines = "application/jsonlines",
                           kRecords = "application/x-recordio-protobuf";
constexpr auto kAcceptTypes = std::to_array<std::string_view>({kJson, kJsonLines, kRecords, kCsv});

Answer text_answer(int status, std::string text) { return {status, "text/plain; charset=utf-8", std::move(text)}; }

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

/// The type to answer in; nothing when none of Accept's is supported.
/// Entries of Accept in the client's order of preference.
std::optional<std::string> answer_type(std::string_view accept, const std::string& fallback) {
  if (trimmed(accept).empty()) return fallback;
  for (const auto& entry : formats::parse_accept(accept)) {
    if (entry.type == "*/*") return fallback;
    if (entry.type == "csv") return std::string(kCsv);
    for (const std::string_view type : kAcceptTypes) {
      if (entry.type == type) return entry.type;
      // "text/*" takes the first type of the list that fits.
      if (entry.type.ends_with("/*") && type.starts_with(std::string_view(entry.type).substr(0, entry.type.size() - 1)))
        return std::string(type);
    }
  }
  return std::nullopt;
}

std::string header_value(const std::string& type) { return type == kCsv ? type + "; charset=utf-8" : type; }

std::string with_keys(const std::string& accept, const std::vector<std::string>& keys, const std::vector<Fields>& rows,
                      bool batch) {
  if (accept == kJson) return json_answer(keys, rows);
  if (accept == kJsonLines) return json_lines_answer(keys, rows);
  if (accept == kRecords) return record_answer(keys, rows);
  return csv_answer(rows, batch);
}

}  // namespace

// SageMaker's documented variables of this container; read once, when the program starts.
ResponderOptions responder_options_from_environment() {
  ResponderOptions out;
  out.tag = tag_from_environment();
  if (const auto accept = variable("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"); !accept.empty()) {
    const auto type = answer_type(accept, "text/csv");
    if (!type)
      throw Error(Kind::kInvalid, fmt::format("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT: '{}' is none of {}", accept,
                                              fmt::join(kAcceptTypes, ", ")));
    out.default_accept = *type;
  }
  const std::string output = lower(variable("SAGEMAKER_INFERENCE_OUTPUT"));
  for (const auto key : split(output, ','))
    if (!trimmed(key).empty()) out.keys.emplace_back(trimmed(key));
  const std::string batch = lower(variable(contract::kEnvBatch));
  out.batch = !batch.empty() && batch != "false" && batch != "0";
  out.ensemble = lower(variable("SAGEMAKER_INFERENCE_ENSEMBLE")) != "false";
  out.rows_as_lines = variable("CLARY_XGBOOST_CSV") == "lines";
  return out;
}

Responder::Responder(std::span<Booster> boosters, ResponderOptions options)
    : options_(std::move(options)), predictor_(boosters, options_.ensemble) {
  if (!options_.keys.empty() && is_selectable(predictor_.objective()))
    for (const std::string& key : keys_without_value(predictor_.objective(), options_.keys))
      // Once, at the start, not per request.
      std::fprintf(stderr, "WARNING: Selected key '%s' is not valid for objective '%s'; it is answered as NaN.\n",
                   key.c_str(), predictor_.objective().c_str());
}

// The order of the checks is the container's: body, then Accept.
Answer Responder::answer(const shell::Invocation& invocation) const {
  // As the container answers an empty body.
  if (invocation.body.empty()) return {204, "text/plain; charset=utf-8", ""};
  formats::Batch rows;
  try {
    rows = request_rows(invocation.content_type, invocation.body, predictor_.num_features());
  } catch (const BadRequestBody& problem) {
    return text_answer(415, problem.text);
  } catch (const BadFeatureCount& problem) {
    return text_answer(400, "Unable to evaluate payload provided: " + problem.text);
  }
  const auto accept = answer_type(invocation.accept, options_.default_accept);
  if (!accept)
    return text_answer(406, fmt::format("Accept type {} is not supported. Please use supported accept types: ['{}'].",
                                        trimmed(invocation.accept).substr(0, 200), fmt::join(kAcceptTypes, "', '")));
  try {
    return predicted(rows, *accept);
  } catch (const Error& error) {
    // A limit has a status of its own (413), set by the shell.
    if (error.kind() == Kind::kLimit) throw;
    return text_answer(400, fmt::format("Unable to evaluate payload provided: {}", error.what()));
  }
}

Answer Responder::predicted(const formats::Batch& rows, const std::string& accept) const {
  static const std::vector<std::string> score{"score"};
  // Selectable inference: the answer's members are chosen by SAGEMAKER_INFERENCE_OUTPUT.
  const bool selectable = !options_.keys.empty();
  // contributions and leaf have a meaning for every objective, other keys do not.
  const bool asks_objective = keys_without_value("", options_.keys).size() > 0;
  if (selectable && asks_objective && !is_selectable(predictor_.objective()))
    return text_answer(
        500, fmt::format("Objective `{}` unsupported for selectable inference predictions.", predictor_.objective()));
  Scores scores = predictor_.predict(rows);
  if (selectable) {
    const auto wanted = [&](std::string_view key) {
      return std::find(options_.keys.begin(), options_.keys.end(), key) != options_.keys.end();
    };
    SelectableInput input{predictor_.objective(), predictor_.num_class(), std::move(scores), {}, {}};
    if (wanted("contributions")) input.contributions = predictor_.contributions(rows);
    if (wanted("leaf")) input.leaves = predictor_.leaves(rows);
    return {200, header_value(accept),
            with_keys(accept, options_.keys, selected_fields(input, options_.keys), options_.batch)};
  }
  // Before 1.2 all scores were in one line.
  if (accept == kCsv || (options_.batch && accept == kJson)) {
    const bool joined = options_.tag < Tag{1, 2} && !options_.rows_as_lines;
    return {200, header_value(accept),
            options_.batch ? python_lines(scores)
            : joined       ? joined_csv(scores)
                           : csv_rows(scores)};
  }
  return {200, header_value(accept), with_keys(accept, score, score_fields(scores), options_.batch)};
}

}  // namespace clary::xgboost
