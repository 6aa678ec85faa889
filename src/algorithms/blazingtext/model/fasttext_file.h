// SPDX-License-Identifier: Apache-2.0
// fastText's binary model files (model.bin, vectors.bin, *.ftz), little-endian: versions 11 and 12 are read, plain and
// quantised, with all four losses; version 12 is written. README.md has the layout.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>

#include "algorithms/blazingtext/model/model.h"

namespace clary::blazingtext {

/// First place at or after the one given where a file may have other bytes than zeros.
using NextData = std::function<std::size_t(std::size_t place)>;

/// Every count is compared with the bytes that are left before anything is allocated for it, and every row that
/// inference can reach exists. Bytes after the model are ignored, as fastText does.
/// Rows of buckets that are all zeros are not kept when that saves memory (Model::bucket_rows).
/// @param name       of the file, for messages
/// @param next_data  finds where long runs of zeros end
/// @throws Error{kMalformed} naming file, byte offset, value and rule
Model read_fasttext(
    std::span<const std::byte> bytes, const std::string& name,
    const NextData& next_data = [](std::size_t place) { return place; });

/// The same from a file, through a mapping. @throws Error also when it cannot be opened
Model read_fasttext_file(const std::filesystem::path& path);

/// Rows that the model does not keep are written as zeros. The input matrix may be a quantised one. Appears whole or
/// not at all. @throws Error{kInternal} for a quantised output matrix, which only fastText writes
void write_fasttext_file(const Model& model, const std::filesystem::path& path);

}  // namespace clary::blazingtext
