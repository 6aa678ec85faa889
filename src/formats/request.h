// SPDX-License-Identifier: Apache-2.0
// Bodies of inference requests to rows: text/csv, application/json, application/jsonlines and
// application/x-recordio-protobuf, in every instance form of SageMaker's common formats, and raw words
// ({"tokens": [...]}) for models that know their vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "formats/batch.h"
#include "formats/content_type.h"

namespace clary::formats {

struct RequestOptions {
  Layout layout = Layout::kAsData;
  bool allow_tokens = false;      // accept raw words; their rows have no features
  bool allow_non_finite = false;  // CSV and records: nan and inf
  // Numbers may be missing (NaN): null in JSON, ReadOptions::missing_allowed in CSV and libsvm. JSON may be a bare list
  // of rows, or one row; CSV may have any delimiter, guessed from its first line unless named.
  bool missing_allowed = false;
  std::int64_t max_rows = 1'000'000;
  std::int64_t max_values = 256'000'000;  // numbers of all rows together, after densifying
};

/// True for the four types above; answer 415 otherwise.
bool is_request_type(const ContentType& type);

/// @param width  D, features a row must have; 0: the first row decides
/// @throws Error{kMalformed} naming instance, line or record, and the rule; wrong widths name expected and received;
/// Error{kLimit} above the limits; Error{kInvalid} "content-type <type> not supported" or a bad parameter
Batch decode_request(const ContentType& type, std::span<const std::byte> body, std::int64_t width,
                     const RequestOptions& options = {});

}  // namespace clary::formats
