// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/pair_learner.h"

#include <algorithm>

namespace clary::blazingtext {
namespace {

constexpr std::size_t kPositions =
    32;  // a plan: long enough to fetch rows ahead, short enough for the first-level cache

std::int32_t count(const std::vector<std::int32_t>& list) { return static_cast<std::int32_t>(list.size()); }

}  // namespace

// feedback(w): if h is the mean of m rows of which row r occurs c_r times, a step g on each of the m moves h by
// sum(c_r^2) / m * g. With distinct rows that is 1.
WordRows::WordRows(std::vector<std::int32_t> rows, std::vector<std::int64_t> ends)
    : rows_(std::move(rows)), ends_(std::move(ends)) {
  feedback_.reserve(ends_.size());
  std::vector<std::int32_t> sorted;
  for (std::size_t w = 0; w < ends_.size(); ++w) {
    const auto mine = of(static_cast<std::int32_t>(w));
    sorted.assign(mine.begin(), mine.end());
    std::sort(sorted.begin(), sorted.end());
    double squares = 0;
    for (auto at = sorted.begin(); at != sorted.end();) {
      const auto next = std::upper_bound(at, sorted.end(), *at);
      squares += static_cast<double>((next - at) * (next - at));
      at = next;
    }
    feedback_.push_back(static_cast<float>(squares / static_cast<double>(std::max<std::size_t>(sorted.size(), 1))));
  }
}

PairLearner::PairLearner(const Hyperparameters& hp, const WordRows& rows, const NegativeSampler& negatives,
                         const kernels::Weights& weights)
    : cbow_(hp.mode == Mode::kCbow),
      window_(static_cast<std::uint32_t>(hp.window_size)),
      targets_per_pair_(static_cast<std::int32_t>(1 + hp.negative_samples)),
      rows_(rows),
      negatives_(negatives),
      weights_(weights),
      scratch_(kernels::pair_scratch(weights.stride, targets_per_pair_)) {}

// The window's reach is drawn for each position, as in word2vec.
void PairLearner::learn(std::span<const std::int32_t> sentence, float rate, SplitMix64& random) {
  for (std::size_t i = 0; i < sentence.size(); ++i) {
    const std::size_t reach = 1 + random.below(window_);
    const std::size_t begin = i - std::min(i, reach), end = std::min(i + reach + 1, sentence.size());
    if (end - begin < 2) continue;
    if (cbow_)
      add_cbow(sentence, i, begin, end, random);
    else
      add_skipgram(sentence, i, begin, end, random);
    if (steps_.size() == kPositions) flush(rate);
  }
  flush(rate);
}

// One input word against all its context words: one gather of its rows for all pairs.
void PairLearner::add_skipgram(std::span<const std::int32_t> sentence, std::size_t i, std::size_t begin,
                               std::size_t end, SplitMix64& random) {
  kernels::Step step;
  step.first_feature = count(features_);
  step.first_pair = count(targets_);
  step.pairs = static_cast<std::int32_t>(end - begin - 1);
  step.feedback = rows_.feedback(sentence[i]);
  add_features(sentence[i]);
  step.features = count(features_) - step.first_feature;
  for (std::size_t j = begin; j < end; ++j)
    if (j != i) add_pair(sentence[j], random);
  steps_.push_back(step);
}

// The context's rows together against the middle word.
void PairLearner::add_cbow(std::span<const std::int32_t> sentence, std::size_t i, std::size_t begin, std::size_t end,
                           SplitMix64& random) {
  kernels::Step step;
  step.first_feature = count(features_);
  step.first_pair = count(targets_);
  step.pairs = 1;
  for (std::size_t j = begin; j < end; ++j)
    if (j != i) add_features(sentence[j]);
  step.features = count(features_) - step.first_feature;
  add_pair(sentence[i], random);
  steps_.push_back(step);
}

void PairLearner::add_features(std::int32_t word) {
  if (!rows_.has_ngrams()) return features_.push_back(word);
  const auto rows = rows_.of(word);
  features_.insert(features_.end(), rows.begin(), rows.end());
}

void PairLearner::add_pair(std::int32_t target, SplitMix64& random) {
  targets_.push_back(target);
  for (std::int32_t n = 1; n < targets_per_pair_; ++n) targets_.push_back(negatives_.draw_other(target, random));
}

void PairLearner::flush(float rate) {
  if (!steps_.empty())
    kernels::train_pairs({features_, targets_, steps_, targets_per_pair_}, weights_, rate, scratch_.data());
  features_.clear(), targets_.clear(), steps_.clear();
}

}  // namespace clary::blazingtext
