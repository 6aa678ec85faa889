// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/block_learner.h"

#include <algorithm>

namespace clary::blazingtext {
namespace {

constexpr std::size_t kBlocks = 32;  // a plan

template <class T>
std::int32_t count(const std::vector<T>& list) {
  return static_cast<std::int32_t>(list.size());
}

}  // namespace

BlockLearner::BlockLearner(const Hyperparameters& hp, std::int32_t end_of_line, std::int32_t words,
                           const NegativeSampler& negatives, const kernels::Weights& weights)
    : window_(static_cast<std::uint32_t>(hp.window_size)),
      batch_(static_cast<std::size_t>(hp.batch_size)),
      draws_(static_cast<std::int32_t>(hp.negative_samples)),
      end_of_line_(end_of_line),
      words_(static_cast<std::uint32_t>(words)),
      negatives_(negatives),
      weights_(weights),
      scratch_(kernels::block_scratch(weights.stride, static_cast<std::int32_t>(hp.batch_size), draws_ + 1)) {}

// Ji, Satish, Li & Dubey, "Parallelizing Word2Vec in Shared and Distributed Memory" (2016): all context words of a
// target share its negative samples, which turns vector operations into matrix products.
void BlockLearner::learn(std::span<const std::int32_t> sentence, float rate, SplitMix64& random) {
  for (std::size_t i = 0; i < sentence.size(); ++i) {
    // word2vec's shrunken window: uniform from 1 to window_.
    const std::size_t reach = window_ - random.below(window_);
    const std::size_t begin = i - std::min(i, reach), end = std::min(i + reach + 1, sentence.size());
    // A window larger than batch_size becomes several blocks with samples of their own.
    for (std::size_t j = begin; j < end;) {
      kernels::Block block{count(inputs_), 0, count(samples_), 0};
      for (; j < end && count(inputs_) - block.first_input < static_cast<std::int32_t>(batch_); ++j)
        if (j != i) inputs_.push_back(sentence[j]);
      block.inputs = count(inputs_) - block.first_input;
      if (block.inputs == 0) continue;
      add_samples(sentence[i], random);
      block.samples = count(samples_) - block.first_sample;
      blocks_.push_back(block);
    }
    // Plans are bounded so that their rows stay in the cache; each plan is learned with the rate of its sentence.
    if (blocks_.size() >= kBlocks) flush(rate);
  }
  flush(rate);
}

// Samples that repeat are merged with a count: the kernel must not hold one row twice, or one update would overwrite
// the other.
void BlockLearner::add_samples(std::int32_t target, SplitMix64& random) {
  const auto first = static_cast<std::ptrdiff_t>(samples_.size());
  samples_.push_back({target, 1});
  for (std::int32_t n = 0; n < draws_; ++n) {
    std::int32_t word = draw(random);
    for (int tries = 0; word == target && tries < 100; ++tries) word = draw(random);
    const auto same = std::find_if(samples_.begin() + first + 1, samples_.end(),
                                   [&](const kernels::Sample& sample) { return sample.row == word; });
    if (same != samples_.end())
      ++same->times;
    else
      samples_.push_back({word, 1});
  }
}

// word2vec replaces </s> by a uniform word.
std::int32_t BlockLearner::draw(SplitMix64& random) const {
  std::int32_t word = negatives_.draw(random);
  if (word == end_of_line_) word = static_cast<std::int32_t>(random.below(words_));
  return word;
}

void BlockLearner::flush(float rate) {
  if (!blocks_.empty())
    kernels::train_blocks({inputs_, samples_, blocks_, static_cast<std::int32_t>(batch_), draws_ + 1}, weights_, rate,
                          scratch_.data());
  inputs_.clear(), samples_.clear(), blocks_.clear();
}

}  // namespace clary::blazingtext
