// SPDX-License-Identifier: Apache-2.0
// skipgram and cbow on one thread: draws windows and negatives for a sentence and hands them to the kernel, some
// positions at a time, so that all randomness is scalar code here and all arithmetic is vector code there. Letters: N
// negatives.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/blazingtext/cuda/api.h"
#include "algorithms/blazingtext/data/sampling.h"
#include "algorithms/blazingtext/hyperparameters.h"
#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/train/sentence_learner.h"
#include "learning/numeric/floats.h"

namespace clary::blazingtext {

/// Rows of E that stand for each word: its own and those of its character n-grams.
class WordRows {
 public:
  /// Every word has its own row only.
  WordRows() = default;
  /// @param rows  of word w: rows[ends[w - 1] .. ends[w])
  WordRows(std::vector<std::int32_t> rows, std::vector<std::int64_t> ends);

  bool has_ngrams() const { return !ends_.empty(); }
  std::span<const std::int32_t> of(std::int32_t word) const {
    const auto w = static_cast<std::size_t>(word);
    const std::int64_t begin = w == 0 ? 0 : ends_[w - 1];
    return {rows_.data() + begin, static_cast<std::size_t>(ends_[w] - begin)};
  }
  /// The same for device code.
  cuda::WordRowTable table() const {
    if (!has_ngrams()) return {};
    return {rows_.data(), ends_.data(), feedback_.data(), static_cast<std::int64_t>(ends_.size())};
  }
  /// kernels::Step::feedback of a word's rows.
  float feedback(std::int32_t word) const { return ends_.empty() ? 1.0f : feedback_[static_cast<std::size_t>(word)]; }

 private:
  std::vector<std::int32_t> rows_;
  std::vector<std::int64_t> ends_;
  std::vector<float> feedback_;
};

class PairLearner : public SentenceLearner {
 public:
  PairLearner(const Hyperparameters& hp, const WordRows& rows, const NegativeSampler& negatives,
              const kernels::Weights& weights);

  void learn(std::span<const std::int32_t> sentence, float rate, SplitMix64& random) override;

 private:
  void add_skipgram(std::span<const std::int32_t> sentence, std::size_t i, std::size_t begin, std::size_t end,
                    SplitMix64&);
  void add_cbow(std::span<const std::int32_t> sentence, std::size_t i, std::size_t begin, std::size_t end, SplitMix64&);
  void add_features(std::int32_t word);
  void add_pair(std::int32_t target, SplitMix64& random);
  void flush(float rate);

  bool cbow_;
  std::uint32_t window_;
  std::int32_t targets_per_pair_;
  const WordRows& rows_;
  const NegativeSampler& negatives_;
  kernels::Weights weights_;
  std::vector<std::int32_t> features_, targets_;
  std::vector<kernels::Step> steps_;
  numeric::Floats scratch_;
};

}  // namespace clary::blazingtext
