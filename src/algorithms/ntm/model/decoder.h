// SPDX-License-Identifier: Apache-2.0
// The decoder softmax(W z + b) over the vocabulary with its log-likelihood and gradients, fused and tiled so that no
// documents x vocabulary matrix exists when that would not fit the cache.
//
// A mini-batch takes three phases with a barrier of the Team between them:
//   forward(t)        thread t scans its share of the vocabulary once: logits, running maximum m and sum s of
//                     exp(logit - m), the counted words' logits, and (training) sum_v exp(logit - m) W_v
//   combine(d)        any thread: joins the shares of document d: normaliser, loss, gradient for z
//   backward(t)       thread t: gradient of its share of W and b
// The gradient for z needs the normaliser only as a factor, so it is gathered in the first scan. backward takes the
// exponentials kept by forward when they fit, else computes them again: that is cheaper than memory traffic.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/ntm/data/documents.h"
#include "algorithms/ntm/model/parameters.h"

namespace clary::ntm {

class Decoder {
 public:
  /// Starts a batch. z [B, stride >= K + 1] holds topics' activations, then a constant 1 in column K.
  /// @param trains  false: forward skips everything the gradient needs
  void begin(std::span<const Document> documents, const Matrix& z, const Matrix& weights, int threads, bool trains);

  void forward(int thread);

  /// @param gradient  d loss / d z, K numbers; null when not training
  /// @return -(1/N) sum_v x_v log y_v, nats per word
  double combine(std::int64_t document, float* gradient);

  /// Overwrites this thread's columns of `gradient` [K + 1, V] with the sum over the batch's documents.
  void backward(int thread, Matrix& gradient);

 private:
  static constexpr std::int64_t kTile = 256;  // columns at a time: a tile of W fits the first-level cache
  static constexpr std::int64_t kTileStride = kTile + kernels::kPad;  // avoids cache-set conflicts between rows
  static constexpr std::int64_t kChunk = 128;                         // documents at a time
  static constexpr std::int64_t kKeepFloats = 1 << 20;                // exponentials kept per thread: 4 MiB

  /// One thread's share of the vocabulary and what it found there.
  struct Share {
    std::int64_t begin = 0, end = 0;
    bool keeps = false;
    Floats kept;               // [tile, document, kTileStride] or one tile of one chunk
    Floats tile_weights;       // [K + 1, kTileStride]
    std::vector<float> shift;  // [tile, document]: what was subtracted inside exp
    std::vector<float> maximum, word_logits;
    std::vector<double> sum;
    Floats lanes;                        // [chunk, K, kPad]
    Floats exp_gradient, word_gradient;  // [document, K]
    std::vector<std::int64_t> cursor;    // next word of each document of the chunk
    Floats scaled_z;                     // [chunk, z.stride]
    std::int64_t tiles() const { return (end - begin + kTile - 1) / kTile; }
  };

  void pack_weights(Share& s, std::int64_t from, std::int64_t count) const;
  void forward_tile(Share& s, std::int64_t tile, std::int64_t first, std::int64_t count);
  void count_words(Share& s, std::int64_t document, std::int64_t slot, const float* logits, std::int64_t from,
                   std::int64_t to);
  void subtract_counts(Share& s, std::int64_t document, std::int64_t slot, float* row, std::int64_t from,
                       std::int64_t to, float factor);
  void seek(Share& s, std::int64_t first, std::int64_t count) const;
  float* kept_rows(Share& s, std::int64_t tile, std::int64_t first);
  void backward_tile(Share& s, std::int64_t tile, std::int64_t first, std::int64_t count, Matrix& gradient);

  std::span<const Document> documents_;
  const Matrix* z_ = nullptr;
  const Matrix* weights_ = nullptr;
  std::int64_t topics_ = 0;
  bool trains_ = false;
  std::vector<Share> shares_;
  std::vector<float> log_normaliser_;  // per document
};

}  // namespace clary::ntm
