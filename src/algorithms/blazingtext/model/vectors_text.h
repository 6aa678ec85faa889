// SPDX-License-Identifier: Apache-2.0
// Word vectors as text, word2vec's form: a line `<words> <dimension>`, then a line a word, `word v1 ... vD`.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "algorithms/blazingtext/model/model.h"

namespace clary::blazingtext {

/// All words by descending count; with subwords each vector is the mean of its rows. Numbers are the shortest that read
/// back as the same float32. Appears whole or not at all.
void write_vectors_text(const Model& model, const std::filesystem::path& path);

/// The same vectors in the binary form of the original word2vec (gensim: load_word2vec_format(binary=True)): the line
/// `<words> <dimension>`, then `word `, D float32 and a newline a word. Appears whole or not at all.
void write_vectors_binary(const Model& model, const std::filesystem::path& path);

/// The first line: `<words> <dimension>`, both in bounds. @param name  of the file, for messages
struct VectorsHead {
  std::int64_t words = 0, dim = 0;
};
VectorsHead read_vectors_head(std::string_view line, const std::string& name);

/// A further line: fills `vector` and returns the word. An empty `vector` leaves the numbers unread.
/// @param number  of the line, from 1
std::string_view read_vector_line(std::string_view line, const std::string& name, std::int64_t number,
                                  std::span<float> vector);

/// Word vectors without n-grams. @param name  for messages
/// @throws Error{kMalformed} naming the line and the rule
Model read_vectors_text(std::string_view text, const std::string& name);

}  // namespace clary::blazingtext
