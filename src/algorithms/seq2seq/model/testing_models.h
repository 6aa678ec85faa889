// SPDX-License-Identifier: Apache-2.0
// For tests: small models with random weights.
#pragma once

#include <string>
#include <vector>

#include "algorithms/seq2seq/model/model.h"
#include "formats/vocabulary_json.h"

namespace clary::seq2seq {

/// The four symbols, and words prefix4, prefix5, ... up to `size` ids.
inline Vocabulary testing_vocabulary(std::int64_t size, const std::string& prefix) {
  std::vector<std::string> words(formats::kVocabularySymbols.begin(), formats::kVocabularySymbols.end());
  while (static_cast<std::int64_t>(words.size()) < size) words.push_back(prefix + std::to_string(words.size()));
  const std::vector<std::string_view> views(words.begin(), words.end());
  return Vocabulary::parse(formats::write_vocabulary(views), "vocabulary");
}

/// Sizes that all differ, so that a wrong order of dimensions shows.
inline Architecture testing_architecture() {
  Architecture a;
  a.source_vocabulary = 11, a.target_vocabulary = 13;
  a.num_embed_source = 5, a.num_embed_target = 7;
  a.rnn_hidden = 8, a.attention_hidden = 6;
  a.cnn_hidden = 8;
  a.max_seq_len_source = 9, a.max_seq_len_target = 10;
  return a;
}

inline Model testing_model(const Architecture& a) {
  Model out;
  out.architecture = a;
  out.parameters = Parameters(a);
  out.parameters.initialise({}, 3);
  // Biases too: they start as zeros, which any order of theirs would equal.
  for (const Tensor& tensor : out.parameters.list())
    if (tensor.start == Start::kZero)
      for (std::size_t i = 0; i < out.parameters.of(tensor).size(); ++i)
        out.parameters.of(tensor)[i] = 0.01F * static_cast<float>(i + tensor.name.size());
  out.source = testing_vocabulary(a.source_vocabulary, "s");
  out.target = testing_vocabulary(a.target_vocabulary, "t");
  out.length_ratio_mean = 1.25, out.length_ratio_std = 0.5;
  return out;
}

}  // namespace clary::seq2seq
