// SPDX-License-Identifier: Apache-2.0
// Rows of an embedding table by id, with dropout, and the table's gradient.
#pragma once

#include <cstdint>
#include <span>

#include "algorithms/seq2seq/kernels/dropout.h"
#include "algorithms/seq2seq/network/parts.h"

namespace clary::seq2seq {

/// The mask of one use of dropout in this pass; none where it does not train.
inline kernels::DropoutMask dropout_mask(const Pass& pass, double share, std::uint32_t stream) {
  return {.share = pass.trains ? share : 0, .seed = pass.dropout_seed, .stream = stream};
}

/// out[r, :] = drop(table[ids[r], :]) for r of [begin, end): one thread's share.
/// @param table  [V, width]
/// @param out    [rows of ids, width]
void embed(std::span<const float> table, std::int64_t width, std::span<const std::int32_t> ids,
           const kernels::DropoutMask& mask, std::int64_t begin, std::int64_t end, float* out);

/// gradient[v, :] = sum of drop(delta[r, :]) over the rows r with ids[r] = v, in order of r. Threads divide the
/// columns, so that the result does not even depend on their number. `delta` is overwritten.
/// @param delta     [rows of ids, width]; zero in rows of padding
/// @param gradient  [V, width]: overwritten
void embed_backward(numeric::Team& team, std::int64_t width, std::span<const std::int32_t> ids,
                    const kernels::DropoutMask& mask, float* delta, std::span<float> gradient);

}  // namespace clary::seq2seq
