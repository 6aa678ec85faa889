// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/request_rows.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "formats/request.h"

namespace clary::xgboost {
namespace {

using formats::Batch;
using formats::Format;

std::string_view short_name(Format format) {
  switch (format) {
    case Format::kCsv:
      return "csv";
    case Format::kLibsvm:
      return "libsvm";
    case Format::kJson:
    case Format::kJsonLines:
      return "json";
    default:
      return "recordio-protobuf";
  }
}

/// None, or the one that clients send for bytes of any kind.
bool has_no_type(std::string_view content_type) {
  const auto type = formats::parse_content_type(content_type);
  return type.type.empty() || type.type == "application/octet-stream";
}

formats::ContentType type_of(std::string_view text) {
  auto type = formats::parse_content_type(text);
  // The container's default for bodies without a type.
  if (has_no_type(text)) type.type = "text/libsvm";
  if (!formats::is_request_type(type))
    throw BadRequestBody{
        fmt::format("{} is not an accepted ContentType: csv, libsvm, recordio-protobuf, text/csv, "
                    "text/libsvm, text/x-libsvm, application/json, application/jsonlines, "
                    "application/x-recordio-protobuf.",
                    type.type.substr(0, 200))};
  return type;
}

[[noreturn]] void fail_width(Format format, std::int64_t width, std::int64_t features) {
  if (format == Format::kLibsvm)
    throw BadFeatureCount{fmt::format(
        "Feature size of libsvm inference data {} is larger than feature size of trained model {}. Indices are "
        "columns counted from 0.",
        width, features)};
  throw BadFeatureCount{
      fmt::format("Feature size of {} inference data {} is not consistent with feature size of "
                  "trained model {}.",
                  short_name(format), width, features)};
}

/// Dense rows, and sparse ones that give a shape, are as wide as the model. libsvm gives no shape: its last columns may
/// be absent. Stricter than the published container, which takes CSV of one column less and libsvm of one more: those
/// are rows whose columns are all one place off the model's (an InputFilter of one column too many; indices from 1
/// for a model of CSV), and were scored wrongly without a word.
void check_width(Batch& rows, Format format, std::int64_t features) {
  if (format == Format::kLibsvm ? rows.width > features : rows.width != features)
    fail_width(format, rows.width, features);
  rows.width = features;
}

/// The body without blank lines at its ends. Tabs stay: a TSV may begin or end with an empty field.
std::string_view without_outer_lines(std::string_view body) {
  constexpr std::string_view kAround = " \r\n";
  const std::size_t begin = body.find_first_not_of(kAround);
  return begin == body.npos ? "" : body.substr(begin, body.find_last_not_of(kAround) + 1 - begin);
}

/// libsvm is also what a body without a type is read as: nothing of it may be passed over as a label that is none.
void check_libsvm(const Batch& rows, std::string_view body) {
  if (rows.values.empty() && body.find(':') == body.npos) throw Error(Kind::kMalformed, "no line has an index:value");
}

}  // namespace

// Sentences and statuses are the container's.
Batch request_rows(std::string_view content_type, std::string_view body, std::int64_t features) {
  const auto type = type_of(content_type);
  const Format format = type.format();
  Batch rows;
  try {
    // Records are binary; texts may come with blank lines around.
    if (format != Format::kRecordIoProtobuf) body = without_outer_lines(body);
    formats::RequestOptions options;
    options.missing_allowed = true;
    rows = formats::decode_request(type, std::as_bytes(std::span(body)), 0, options);
    if (format == Format::kLibsvm) check_libsvm(rows, body);
    // XGBoost refuses infinity; NaN is a missing value.
    for (const float value : rows.values)
      if (std::isinf(value)) throw Error(Kind::kMalformed, "a value is infinite");
  } catch (const Error& error) {
    // Limits and faults of this program are not the client's format error.
    if (error.kind() == Kind::kLimit || error.kind() == Kind::kInternal) throw;
    throw BadRequestBody{
        fmt::format("Loading {0} data failed with Exception, please ensure data is in {0} format:\n {1}{2}",
                    short_name(format), error.what(),
                    has_no_type(content_type) ? " (a body without a ContentType of its own is read as text/libsvm; "
                                                "text/csv, for example, must be given)"
                                              : "")};
  }
  check_width(rows, format, features);
  return rows;
}

}  // namespace clary::xgboost
