// SPDX-License-Identifier: Apache-2.0
// What the blocks of a convolutional side read: h = W (drop(word embedding) + position embedding), zero in rows of
// padding. Internal to network/.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "algorithms/seq2seq/network/parts.h"
#include "learning/numeric/floats.h"

namespace clary::seq2seq {

/// Ids of one side of a batch.
struct Side {
  std::span<const std::int32_t> ids;      // [T, B]
  std::span<const std::int32_t> lengths;  // [B]
  std::int64_t steps = 0, batch = 0;

  std::int64_t rows() const { return steps * batch; }
};
inline Side source_side(const Batch& b) { return {b.source, b.source_length, b.source_steps, b.rows}; }
inline Side target_side(const Batch& b) { return {b.input, b.target_length, b.target_steps, b.rows}; }

/// x[r, :width] = 0 for the rows r of [begin, end) that are padding.
void zero_padding(const Side& side, std::int64_t begin, std::int64_t end, std::int64_t width, float* x);

class ConvInput {
 public:
  /// @param name            "encoder" or "decoder"
  /// @param table           name of the word embedding
  /// @param dropout_share   of the word embedding
  ConvInput(const std::string& name, std::string table, std::int64_t embed_width, std::int64_t units,
            double dropout_share, std::uint32_t dropout_stream);

  /// @param h  [T B, H]
  /// @throws Error{kInternal} for more steps than the position table has rows
  void forward(const Pass& pass, const Side& side, float* h);
  /// @param dh  [T B, H]; zero in rows of padding
  void backward(const Pass& pass, const Side& side, const float* dh, std::span<float> gradients);

 private:
  void gradient_of_positions(const Pass& pass, const Side& side, std::span<float> gradients) const;

  std::string position_, projection_, table_;
  std::int64_t width_, units_;
  double share_;
  std::uint32_t stream_;
  numeric::UntouchedFloats embedded_, delta_;  // [T B, width]
};

}  // namespace clary::seq2seq
