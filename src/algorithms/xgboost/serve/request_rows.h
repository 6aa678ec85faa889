// SPDX-License-Identifier: Apache-2.0
// Bodies of requests to rows as wide as the model.
#pragma once

#include <string>
#include <string_view>

#include "formats/batch.h"

namespace clary::xgboost {

/// A body that cannot be read: status 415 and the container's text.
struct BadRequestBody {
  std::string text;
};
/// Rows of another width than the model's: status 400.
struct BadFeatureCount {
  std::string text;
};

/// text/csv (any delimiter, empty fields missing), libsvm (the default; a number before the features is a label and
/// skipped, every line is a row, and one at least has a feature),
/// RecordIO-protobuf, and JSON: {"instances": ...}, a list of rows, or one row; null is missing.
/// @throws BadRequestBody, BadFeatureCount, Error{kLimit}
formats::Batch request_rows(std::string_view content_type, std::string_view body, std::int64_t features);

}  // namespace clary::xgboost
