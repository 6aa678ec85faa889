// SPDX-License-Identifier: Apache-2.0
// Rows of src/formats to what k-NN works on: dense float32 rows, finite, each with one label.
#pragma once

#include <string_view>

#include "algorithms/knn/data/vectors.h"
#include "formats/batch.h"

namespace clary::knn {

/// Copies the rows, sparse ones filled with zeros. @throws Error{kMalformed} naming row and column of a number that is
/// not finite
Vectors dense_vectors(const formats::Batch& rows);

/// Makes a training batch dense in place and checks its labels.
/// @param channel, first_row  for messages: which rows these are
/// @throws Error{kMalformed} unless every row has exactly one label and all numbers are finite
void require_labelled_rows(formats::Batch& rows, std::string_view channel, std::int64_t first_row);

/// float32 holds every integer up to here; beyond it neighbouring ids become one.
constexpr float kLargestExactLabel = 1 << 24;
/// True when a label is at or beyond it.
bool has_inexact_labels(const formats::Batch& rows);

}  // namespace clary::knn
