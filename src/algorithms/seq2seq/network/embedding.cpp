// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/embedding.h"

#include <algorithm>

#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using numeric::at;

void embed(std::span<const float> table, std::int64_t width, std::span<const std::int32_t> ids,
           const kernels::DropoutMask& mask, std::int64_t begin, std::int64_t end, float* out) {
  for (std::int64_t r = begin; r < end; ++r)
    std::copy_n(table.data() + std::int64_t{ids[at(r)]} * width, width, out + r * width);
  kernels::drop(mask, begin, end - begin, width, out + begin * width, width);
}

void embed_backward(numeric::Team& team, std::int64_t width, std::span<const std::int32_t> ids,
                    const kernels::DropoutMask& mask, float* delta, std::span<float> gradient) {
  const auto rows = static_cast<std::int64_t>(ids.size());
  const auto words = static_cast<std::int64_t>(gradient.size()) / width;
  if (mask.share > 0)
    team.run([&](int thread) {
      const auto [begin, end] = numeric::share(rows, thread, team.size());
      kernels::drop(mask, begin, end - begin, width, delta + begin * width, width);
    });
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(width, thread, team.size(), numeric::kPad);
    for (std::int64_t v = 0; v < words; ++v)
      std::fill(gradient.data() + v * width + begin, gradient.data() + v * width + end, 0.0F);
    for (std::int64_t r = 0; r < rows; ++r) {
      float* row = gradient.data() + std::int64_t{ids[at(r)]} * width;
      for (std::int64_t i = begin; i < end; ++i) row[i] += delta[r * width + i];
    }
  });
}

}  // namespace clary::seq2seq
