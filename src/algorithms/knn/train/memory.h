// SPDX-License-Identifier: Apache-2.0
// Whether a sample can fit before a single row is read.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "formats/content_type.h"
#include "formats/row_reader.h"
#include "learning/numeric/memory.h"

namespace clary::knn {

using numeric::available_memory;
using numeric::mem_available;

/// The most rows of `width` features that these files can hold: a number takes 4 bytes in a dense float32 record and at
/// least 2 in CSV. Nothing when unknown (compressed or sparse data may hold more).
std::optional<std::int64_t> most_rows(const std::vector<formats::InputFile>& files, formats::Format format,
                                      std::int64_t width);

/// @throws Error{kInvalid} with AWS's advice when rows * width float32 do not fit into `available`
void require_memory(std::int64_t rows, std::int64_t width, std::int64_t available);
/// AWS's words: what to do about too little memory.
extern const char* const kMemoryAdvice;

}  // namespace clary::knn
