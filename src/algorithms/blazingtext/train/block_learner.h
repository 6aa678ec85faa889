// SPDX-License-Identifier: Apache-2.0
// batch_skipgram on one thread: the context words of a position learn together against one set of samples. As in
// pWord2Vec the context words are the inputs and the word in the middle is what they are to foretell.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/blazingtext/data/sampling.h"
#include "algorithms/blazingtext/hyperparameters.h"
#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/train/sentence_learner.h"
#include "learning/numeric/floats.h"

namespace clary::blazingtext {

class BlockLearner : public SentenceLearner {
 public:
  /// @param end_of_line  number of </s>, never a sample; -1 when the text has none
  /// @param words        in the vocabulary
  BlockLearner(const Hyperparameters& hp, std::int32_t end_of_line, std::int32_t words,
               const NegativeSampler& negatives, const kernels::Weights& weights);

  void learn(std::span<const std::int32_t> sentence, float rate, SplitMix64& random) override;

 private:
  void add_samples(std::int32_t target, SplitMix64& random);
  std::int32_t draw(SplitMix64& random) const;
  void flush(float rate);

  std::uint32_t window_;
  std::size_t batch_;
  std::int32_t draws_, end_of_line_;
  std::uint32_t words_;
  const NegativeSampler& negatives_;
  kernels::Weights weights_;
  std::vector<std::int32_t> inputs_;
  std::vector<kernels::Sample> samples_;
  std::vector<kernels::Block> blocks_;
  numeric::Floats scratch_;
};

}  // namespace clary::blazingtext
