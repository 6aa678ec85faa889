// SPDX-License-Identifier: Apache-2.0
// Trains a graph on the CPU: loss and every gradient of a batch, by a chain of oneDNN primitives planned once per batch
// size (the backward chain is derived by hand, operation by operation). Batch norm as MXNet has it: the running
// statistics take in the batch's mean and biased variance, new = 0.9 old + 0.1 batch.
// One thread calls; the primitives use `threads` OpenMP threads. Same seed, data and threads: same numbers.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "learning/nn/graph.h"
#include "learning/nn/parameters.h"

namespace clary::nn {

enum class Precision {
  kFloat32,
  kBFloat16  // maps and multiplied weights in bfloat16, sums, statistics and the learned weights in float32
};
/// Whether the CPU multiplies bfloat16 itself (emulated it is slower than float32).
bool has_fast_bfloat16();

enum class Loss {
  kSoftmax,  // cross entropy of softmax(logits); one label, the class number, per picture
  kLogistic  // mean over classes of the cross entropy of sigmoid(logits); C labels of 0 or 1 per picture
};

struct NetworkOptions {
  Loss loss = Loss::kSoftmax;
  Precision precision = Precision::kFloat32;
  int threads = 1;
};

/// A batch in memory of the caller.
struct PictureBatch {
  std::int64_t pictures = 0;
  std::span<const std::uint8_t> pixels{};  // [pictures, H, W, C], 0..255
  std::span<const float> labels{};         // [pictures] (kSoftmax) or [pictures, classes] (kLogistic)
  /// kLogistic: factor of the loss of each label of 0 and of each label of 1, by class; empty: 1.
  std::span<const float> negative_weights{}, positive_weights{};
};

class Network {
 public:
  Network(Graph graph, const NetworkOptions& options);
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;
  ~Network();

  const Graph& graph() const;
  Parameters& parameters();
  const Parameters& parameters() const;
  /// Parallel to parameters().values(), padding included (zeros).
  std::span<float> gradients();

  /// Bytes that maps, gradients of maps and scratch memory of a batch take, planned without allocating them.
  std::int64_t memory_needed(std::int64_t pictures) const;

  /// Forward and backward with the batch's statistics, which also go into the running ones.
  /// @param scale       the gradient added or stored is that of scale * (sum of the pictures' losses): 1 / batch size
  /// @param accumulate  adds to gradients() (the next part of a batch that does not fit) instead of replacing them
  /// @param logits      [pictures, outputs] of this pass
  /// @return the sum of the pictures' losses
  double forward_backward(const PictureBatch& batch, float scale, bool accumulate, std::span<float> logits);

  /// Forward with the running statistics. @return the sum of the pictures' losses
  double forward(const PictureBatch& batch, std::span<float> logits);

 private:
  struct Plans;
  std::unique_ptr<Plans> plans_;
};

}  // namespace clary::nn
