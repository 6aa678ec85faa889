// SPDX-License-Identifier: Apache-2.0
// Labels of a text by a classifier, with fastText's numbers: softmax, hierarchical softmax (a Huffman tree over the
// labels), and independent sigmoids for one-vs-all and negative sampling.
// Letters: K labels, D dimensions.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "algorithms/blazingtext/model/model.h"

namespace clary::blazingtext {

struct RankedLabel {
  std::int64_t label = 0;  // 0 .. K-1
  float probability = 0;   // fastText's: exp(log(p + 1e-5)), so up to 1e-5 above p
};

/// The k best labels (all, when there are fewer) whose probability is at least `threshold`, best first; equal ones by
/// number. Of hierarchical softmax, labels less likely than 1e-5 are left out as fastText leaves them out, so that
/// fewer than k may come back.
/// @param threshold  0 .. 1
/// @param hidden  mean of the text's rows, [D]
std::vector<RankedLabel> best_labels(const Model& model, std::span<const float> hidden, std::int64_t k,
                                     float threshold = 0);

/// The same for a line of text; nothing for a text without a known feature.
std::vector<RankedLabel> classify(const Model& model, std::string_view text, std::int64_t k, float threshold = 0);

}  // namespace clary::blazingtext
