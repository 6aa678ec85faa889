// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/cuda/pair_training.h"

#include <algorithm>
#include <vector>

namespace clary::blazingtext::cuda {
namespace {

/// Positions that are learned side by side see each other's words late. 32 warps keep a multiprocessor busy; a small
/// vocabulary, whose words meet all the time, gets fewer.
std::int32_t positions_at_once(const Gpu& gpu, std::int64_t words) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(words / 16, 4, 32 * gpu.facts().multiprocessors));
}

}  // namespace

/// Gathers one thread's sentences into chunks.
class PairTraining::Learner : public SentenceLearner {
 public:
  explicit Learner(PairTraining& training) : training_(training) { ids_.reserve(size()); }

  void learn(std::span<const std::int32_t> sentence, float rate, SplitMix64&) override {
    if (sentence.size() < 2) return;
    // + 1: the mark of the sentence's end.
    if (ids_.size() + sentence.size() + 1 > size()) finish();
    if (ids_.empty()) first_rate_ = rate;
    last_rate_ = rate;
    ids_.insert(ids_.end(), sentence.begin(), sentence.end());
    ids_.push_back(kSentenceEnd);
  }
  void finish() override {
    training_.gpu_.learn(PairChunk{ids_.data(), static_cast<std::int32_t>(ids_.size()),
                                   // The position numbers the device's random draws: no two chunks share them. The
                                   // rate is the mean over the chunk.
                                   training_.position_.fetch_add(ids_.size()), (first_rate_ + last_rate_) / 2});
    ids_.clear();
  }

 private:
  std::size_t size() const { return static_cast<std::size_t>(training_.chunk_); }

  PairTraining& training_;
  std::vector<std::int32_t> ids_;
  float first_rate_ = 0, last_rate_ = 0;
};

PairTraining::PairTraining(Gpu& gpu, const Hyperparameters& hp, const WordRows& rows, const NegativeSampler& negatives,
                           TrainingMatrix& input, TrainingMatrix& output, std::int64_t tokens, int threads,
                           std::uint64_t seed)
    : gpu_(gpu),
      matrices_{input.values.data(), output.values.data(), input.rows, output.rows,
                static_cast<std::int32_t>(input.stride)},
      chunk_(chunk_size(tokens, threads)) {
  const PairWork work{negatives.table(),
                      rows.table(),
                      hp.mode == Mode::kCbow,
                      static_cast<std::int32_t>(std::min<std::int64_t>(hp.window_size, 1 << 20)),
                      static_cast<std::int32_t>(hp.negative_samples),
                      seed};
  gpu.begin_pairs(matrices_, work, positions_at_once(gpu, output.rows));
}

std::size_t PairTraining::bytes(const TrainingMatrix& input, const TrainingMatrix& output, const WordRows& rows) {
  const WordRowTable table = rows.table();
  std::size_t out = (input.values.size() + output.values.size()) * sizeof(float) +
                    static_cast<std::size_t>(output.rows) * sizeof(AliasTable::Cell);
  if (table.rows != nullptr)
    out += static_cast<std::size_t>(table.ends[table.words - 1]) * sizeof(std::int32_t) +
           static_cast<std::size_t>(table.words) * (sizeof(std::int64_t) + sizeof(float));
  return out;
}

std::unique_ptr<SentenceLearner> PairTraining::learner() { return std::make_unique<Learner>(*this); }

}  // namespace clary::blazingtext::cuda
