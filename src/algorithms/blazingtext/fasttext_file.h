// SPDX-License-Identifier: Apache-2.0
// fastText's binary model files (model.bin, vectors.bin, *.ftz), little-endian: versions 11 and 12 are read, plain and
// quantised, with all four losses; version 12 is written. README.md has the layout.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string>

#include "algorithms/blazingtext/model.h"

namespace clary::blazingtext {

/// Every count is compared with the bytes that are left before anything is allocated for it, and every row that
/// inference can reach exists. Bytes after the model are ignored, as fastText does.
/// @param name  of the file, for messages
/// @throws Error{kMalformed} naming file, byte offset, value and rule
Model read_fasttext(std::span<const std::byte> bytes, const std::string& name);

/// The same from a file, through a mapping. @throws Error also when it cannot be opened
Model read_fasttext_file(const std::filesystem::path& path);

/// Appears whole or not at all. The input matrix may be a quantised one.
/// @throws Error{kInternal} for a quantised output matrix, which only fastText writes
void write_fasttext_file(const Model& model, const std::filesystem::path& path);

}  // namespace clary::blazingtext
