// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/request_rows.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"
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

formats::ContentType type_of(std::string_view text) {
  auto type = formats::parse_content_type(text);
  // The container's default for bodies without a type.
  if (type.type.empty() || type.type == "application/octet-stream") type.type = "text/libsvm";
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
        "Feature size of libsvm inference data {} is larger than feature size of trained model {}.", width, features)};
  throw BadFeatureCount{
      fmt::format("Feature size of {} inference data {} is not consistent with feature size of "
                  "trained model {}.",
                  short_name(format), width, features)};
}

/// Drops the columns from `features` on.
/// In place: `kept` never overtakes `at`. The offset of a row's end is rewritten after its entries were read.
void narrow(Batch& rows, std::int64_t features) {
  std::size_t kept = 0, at = 0;
  for (std::int64_t r = 0; r < rows.rows; ++r) {
    for (const auto end = static_cast<std::size_t>(rows.offsets[static_cast<std::size_t>(r) + 1]); at < end; ++at) {
      if (rows.columns[at] >= features) continue;
      rows.columns[kept] = rows.columns[at];
      rows.values[kept++] = rows.values[at];
    }
    rows.offsets[static_cast<std::size_t>(r) + 1] = static_cast<std::int64_t>(kept);
  }
  rows.columns.resize(kept);
  rows.values.resize(kept);
}

void widen(Batch& rows, std::int64_t features) {
  // NaN means missing to the trees.
  std::vector<float> wide(static_cast<std::size_t>(rows.rows * features), std::numeric_limits<float>::quiet_NaN());
  for (std::int64_t r = 0; r < rows.rows; ++r) std::copy_n(rows.row(r).data(), rows.width, wide.data() + r * features);
  rows.values = std::move(wide);
}

/// Sparse data may be narrower, and one column wider, which no tree knows; dense data one column narrower.
/// The container's rules; libsvm numbers features from 0 or from 1, hence the extra column.
void fit_width(Batch& rows, Format format, std::int64_t features) {
  const bool narrower_is_good = rows.sparse ? format == Format::kLibsvm : rows.width == features - 1;
  const bool wider_is_good = format == Format::kLibsvm && rows.width == features + 1;
  if (rows.width > features ? !wider_is_good : rows.width < features && !narrower_is_good && rows.width != features - 1)
    fail_width(format, rows.width, features);
  if (rows.sparse && rows.width > features) narrow(rows, features);
  if (!rows.sparse && rows.width < features) widen(rows, features);
  rows.width = features;
}

}  // namespace

// Sentences and statuses are the container's.
Batch request_rows(std::string_view content_type, std::string_view body, std::int64_t features) {
  const auto type = type_of(content_type);
  const Format format = type.format();
  Batch rows;
  try {
    // Records are binary; texts may come with blank lines around.
    if (format != Format::kRecordIoProtobuf) body = trimmed(body);
    formats::RequestOptions options;
    options.missing_allowed = true;
    rows = formats::decode_request(type, std::as_bytes(std::span(body)), 0, options);
    // XGBoost refuses infinity; NaN is a missing value.
    for (const float value : rows.values)
      if (std::isinf(value)) throw Error(Kind::kMalformed, "a value is infinite");
  } catch (const Error& error) {
    // Limits and faults of this program are not the client's format error.
    if (error.kind() == Kind::kLimit || error.kind() == Kind::kInternal) throw;
    throw BadRequestBody{
        fmt::format("Loading {0} data failed with Exception, please ensure data is in {0} format:\n {1}",
                    short_name(format), error.what())};
  }
  fit_width(rows, format, features);
  return rows;
}

}  // namespace clary::xgboost
