// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/weights.h"

#include <cstring>

#include "algorithms/blazingtext/random.h"
#include "learning/numeric/gemm.h"

namespace clary::blazingtext {

TrainingMatrix::TrainingMatrix(std::int64_t r, std::int64_t c)
    : rows(r), columns(c), stride(numeric::padded(c)), values(static_cast<std::size_t>(r * stride)) {}

void TrainingMatrix::fill_uniform(float bound, std::uint64_t seed, numeric::Team& team) {
  const float scale = bound * 0x1p-31f;
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(rows, thread, team.size());
    for (std::int64_t r = begin; r < end; ++r) {
      Random random(seed, static_cast<std::uint64_t>(r));
      float* to = row(r);
      for (std::int64_t n = 0; n < columns; n += 2) {
        const std::uint64_t bits = random.next();
        to[n] = scale * static_cast<float>(static_cast<std::int32_t>(bits));
        if (n + 1 < columns) to[n + 1] = scale * static_cast<float>(static_cast<std::int32_t>(bits >> 32));
      }
    }
  });
}

Matrix TrainingMatrix::take() {
  if (stride != columns)
    for (std::int64_t r = 1; r < rows; ++r)
      std::memmove(values.data() + r * columns, row(r), static_cast<std::size_t>(columns) * sizeof(float));
  values.resize(static_cast<std::size_t>(rows * columns));
  Matrix out;
  out.rows = rows, out.columns = columns;
  out.values = std::move(values);
  return out;
}

}  // namespace clary::blazingtext
