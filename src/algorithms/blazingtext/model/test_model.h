// SPDX-License-Identifier: Apache-2.0
// Small models by hand, for the tests.
#pragma once

#include <string>
#include <vector>

#include "algorithms/blazingtext/model/model.h"

namespace clary::blazingtext {

/// A matrix whose values are 0.01, 0.02, ... with alternating sign.
inline Matrix counting_matrix(std::int64_t rows, std::int64_t columns) {
  Matrix out(rows, columns);
  for (std::size_t i = 0; i < out.values.size(); ++i)
    out.values[i] = 0.01F * static_cast<float>(i + 1) * (i % 2 == 0 ? 1.0F : -1.0F);
  return out;
}

inline Dictionary dictionary_of(std::vector<std::string> words, std::int64_t labels) {
  Dictionary out;
  out.nlabels = labels;
  out.nwords = static_cast<std::int64_t>(words.size()) - labels;
  out.words = std::move(words);
  for (std::size_t i = 0; i < out.words.size(); ++i)
    out.counts.push_back(static_cast<std::int64_t>(out.words.size() - i));
  out.ntokens = 100;
  out.build_index();
  return out;
}

/// Words good, bad, movie, </s>; labels __label__yes, __label__no; bigrams in 20 buckets; D = 3.
inline Model small_classifier() {
  Model out;
  out.settings = {
      .dim = 3, .word_ngrams = 2, .loss = Loss::kSoftmax, .architecture = Architecture::kSupervised, .buckets = 20};
  out.dictionary = dictionary_of({"good", "bad", "movie", "</s>", "__label__yes", "__label__no"}, 2);
  out.input = counting_matrix(4 + 20, 3);
  out.output = counting_matrix(2, 3);
  return out;
}

/// Words the, king, Queen; D = 2; with subwords 3-grams in 10 buckets.
inline Model small_vectors(bool subwords = false) {
  Model out;
  out.settings = {.dim = 2, .architecture = Architecture::kSkipgram};
  if (subwords) out.settings.buckets = 10, out.settings.min_char = out.settings.max_char = 3;
  out.dictionary = dictionary_of({"the", "king", "Queen"}, 0);
  out.input = counting_matrix(3 + out.settings.buckets, 2);
  out.output = Matrix(3, 2);
  return out;
}

}  // namespace clary::blazingtext
