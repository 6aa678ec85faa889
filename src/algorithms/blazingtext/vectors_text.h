// SPDX-License-Identifier: Apache-2.0
// Word vectors as text, word2vec's form: a line `<words> <dimension>`, then a line a word, `word v1 ... vD`.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "algorithms/blazingtext/model.h"

namespace clary::blazingtext {

/// All words by descending count; with subwords each vector is the mean of its rows. Numbers are the shortest that read
/// back as the same float32. Appears whole or not at all.
void write_vectors_text(const Model& model, const std::filesystem::path& path);

/// Word vectors without n-grams. @param name  for messages
/// @throws Error{kMalformed} naming the line and the rule
Model read_vectors_text(std::string_view text, const std::string& name);

}  // namespace clary::blazingtext
