// SPDX-License-Identifier: Apache-2.0
// skipgram and cbow on a GPU: the host's threads read, look up and thin out the text as ever, and hand over chunks of
// word numbers; windows and negatives are drawn on the device. 4 bytes a word cross the bus.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "algorithms/blazingtext/cuda/gpu.h"
#include "algorithms/blazingtext/hyperparameters.h"
#include "algorithms/blazingtext/train/pair_learner.h"
#include "algorithms/blazingtext/train/sentence_learner.h"
#include "algorithms/blazingtext/train/weights.h"

namespace clary::blazingtext::cuda {

class PairTraining {
 public:
  /// Copies the matrices to the GPU; from here to fetch() theirs are stale.
  /// @param tokens  of the whole training, all epochs; @param threads  how many learners there will be
  PairTraining(Gpu& gpu, const Hyperparameters& hp, const WordRows& rows, const NegativeSampler& negatives,
               TrainingMatrix& input, TrainingMatrix& output, std::int64_t tokens, int threads, std::uint64_t seed);

  /// Device memory of such a training.
  static std::size_t bytes(const TrainingMatrix& input, const TrainingMatrix& output, const WordRows& rows);

  /// For one host thread.
  std::unique_ptr<SentenceLearner> learner();
  /// Waits for the GPU and copies the matrices back.
  void fetch() { gpu_.fetch(matrices_); }

 private:
  class Learner;

  Gpu& gpu_;
  Matrices matrices_;
  std::int32_t chunk_;
  std::atomic<std::uint64_t> position_{0};  // ids handed over so far
};

}  // namespace clary::blazingtext::cuda
