// SPDX-License-Identifier: Apache-2.0
#include "formats/request.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "formats/csv.h"
#include "formats/request_json.h"
#include "formats/row_reader.h"

namespace clary::formats {
namespace {

constexpr std::size_t kGuessedFrom = 512;  // characters of the first line that the delimiter is guessed from

/// CSV and records go the way of training data; a request is one small file.
Batch decode_rows(const ContentType& type, std::span<const std::byte> body, std::int64_t width,
                  const RequestOptions& options) {
  ReadOptions read;
  read.feature_dim = width;
  // Requests have no labels.
  read.label_size = 0;
  read.libsvm_request = true;
  read.allow_non_finite = options.allow_non_finite;
  if (options.missing_allowed) {
    read.missing_allowed = true;
    // XGBoost: an empty value in CSV is missing by its own rule, and NaN is allowed in records only.
    read.allow_non_finite = type.format() == Format::kRecordIoProtobuf;
    read.ignore_labels = true;
    const std::string_view text(reinterpret_cast<const char*>(body.data()), body.size());
    read.delimiter = guess_delimiter(text.substr(0, std::min(text.find('\n'), kGuessedFrom)));
  }
  const auto reader = open_rows(body, "request body", type, read);
  Batch rows;
  // One row more than the limit, to see an excess.
  reader->next(rows, options.max_rows + 1);
  return rows;
}

// Before a dense matrix is allocated: sparse rows may claim a width of 2^31.
void check_limits(const Batch& rows, const RequestOptions& options) {
  if (rows.rows == 0) throw Error(Kind::kMalformed, "request body: no rows");
  if (rows.rows > options.max_rows) {
    throw Error(Kind::kLimit, fmt::format("request body: more than {} rows", options.max_rows));
  }
  const bool dense = options.layout == Layout::kDense || !rows.sparse;
  if (dense && rows.width > 0 && rows.rows > options.max_values / rows.width) {
    throw Error(Kind::kLimit, fmt::format("request body: {} rows of {} numbers exceed {} numbers", rows.rows,
                                          rows.width, options.max_values));
  }
}

bool has_tokens(const Batch& rows) { return !rows.tokens.empty(); }

}  // namespace

bool is_request_type(const ContentType& type) {
  switch (type.format()) {
    case Format::kCsv:
    case Format::kJson:
    case Format::kJsonLines:
    case Format::kLibsvm:
    case Format::kRecordIoProtobuf:
      return true;
    default:
      return false;
  }
}

Batch decode_request(const ContentType& type, std::span<const std::byte> body, std::int64_t width,
                     const RequestOptions& options) {
  if (!is_request_type(type)) throw Error(Kind::kInvalid, "content-type " + type.text() + " not supported");
  type.require_utf8();
  Batch rows;
  if (type.format() == Format::kJson) {
    rows = decode_json(body, width, options);
  } else if (type.format() == Format::kJsonLines) {
    rows = decode_json_lines(body, width, options);
  } else {
    rows = decode_rows(type, body, width, options);
  }
  check_limits(rows, options);
  if (options.layout == Layout::kSparse) make_sparse(rows);
  if (options.layout == Layout::kDense && !has_tokens(rows)) make_dense(rows);
  return rows;
}

}  // namespace clary::formats
