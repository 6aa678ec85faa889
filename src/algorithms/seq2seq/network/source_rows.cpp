// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/source_rows.h"

#include <algorithm>

namespace clary::seq2seq {

void SourceRows::assign(const Pass& pass, std::span<const float> encoded, std::int64_t width) {
  const std::int64_t pairs = pass.batch.rows;
  first_.assign(1, 0);
  for (const std::int32_t length : pass.batch.source_length) first_.push_back(first_.back() + length);
  values.reshape(first_.back(), width);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(pairs, thread, pass.team.size());
    for (std::int64_t pair = begin; pair < end; ++pair)
      for (std::int64_t s = 0; s < length(pair); ++s)
        std::copy_n(encoded.data() + (s * pairs + pair) * width, width, values.row(first(pair) + s));
  });
}

void SourceRows::zero_gradient() {
  gradient.reshape(values.rows(), values.width());
  gradient.zero();
}

void SourceRows::scatter_gradient(const Pass& pass, std::span<float> encoded_gradient) const {
  const std::int64_t pairs = pass.batch.rows, steps = pass.batch.source_steps, width = values.width();
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(pairs, thread, pass.team.size());
    for (std::int64_t pair = begin; pair < end; ++pair)
      for (std::int64_t s = 0; s < steps; ++s) {
        float* to = encoded_gradient.data() + (s * pairs + pair) * width;
        if (s < length(pair))
          std::copy_n(gradient.row(first(pair) + s), width, to);
        else
          std::fill_n(to, width, 0.0F);
      }
  });
}

}  // namespace clary::seq2seq
