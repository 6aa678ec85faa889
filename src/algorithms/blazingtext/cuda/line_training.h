// SPDX-License-Identifier: Apache-2.0
// supervised on a GPU: the host's threads read lines and find their rows as ever, and hand over chunks of them. Rows of
// hashed n-grams that the text uses for the first time are copied before the first chunk that uses them.
#pragma once

#include <cstdint>
#include <functional>
#include <mutex>
#include <span>
#include <vector>

#include "algorithms/blazingtext/cuda/gpu.h"
#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/train/weights.h"

namespace clary::blazingtext::cuda {

class LineTraining {
 public:
  /// Copies the matrices to the GPU; from here to fetch() theirs are stale, but for new rows.
  /// @param input_capacity  rows that E may come to have
  /// @param tokens  of the whole training, all epochs; @param threads  how many threads will call learn()
  /// @param rate  the learning rate at the beginning
  LineTraining(Gpu& gpu, TrainingMatrix& input, TrainingMatrix& output, std::int64_t input_capacity,
               std::int64_t tokens, int threads, double rate, bool one_vs_all);

  /// Device memory of such a training.
  static std::size_t bytes(const TrainingMatrix& input, const TrainingMatrix& output, std::int64_t input_capacity);

  /// Features that a thread gathers before it calls learn(). One line may go beyond.
  std::size_t chunk_features() const { return chunk_features_; }
  /// Row `row` of the host's E has been filled; to be called before any other thread can get to know of the row.
  void add_row(std::int64_t row);
  void learn(const kernels::ExamplePlan& plan, float rate);
  /// Waits for the GPU and copies back what was learned since the last time.
  void fetch();

 private:
  Matrices matrices() const;
  void put_new_rows();

  Gpu& gpu_;
  TrainingMatrix &input_, &output_;
  std::size_t chunk_features_;
  bool one_vs_all_;
  std::mutex mutex_;  // guards what follows
  std::vector<std::int64_t> new_rows_;
  bool stale_ = false;
};

}  // namespace clary::blazingtext::cuda
