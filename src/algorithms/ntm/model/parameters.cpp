// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/parameters.h"

#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::ntm {
namespace {

constexpr float kInitialRange = 0.07f;                // MXNet's Uniform initialiser
constexpr std::uint32_t kInitialStream = 0x494e4954;  // "INIT"

/// Rows [0, rows) of columns [from, from + count); number c of row r always gets the same draw.
void fill_uniform(Matrix& m, std::int64_t rows, std::int64_t from, std::int64_t count, std::uint32_t which,
                  std::uint64_t seed) {
  for (std::int64_t r = 0; r < rows; ++r) {
    for (std::int64_t c = 0; c < count; c += 4) {
      // Counters are (column, row, matrix, stream): independent of the order of filling and the number of threads.
      const auto words =
          numeric::philox({static_cast<std::uint32_t>(c), static_cast<std::uint32_t>(r), which, kInitialStream}, seed);
      for (std::int64_t j = 0; j < 4 && c + j < count; ++j) {
        // 24 bits: exactly representable, uniform in [0, 1).
        const float unit = static_cast<float>(words[numeric::at(j)] >> 8) * (1.0f / 16777216);
        m.at(r, from + c + j) = kInitialRange * (2 * unit - 1);
      }
    }
  }
}

}  // namespace

Parameters::Parameters(const Shape& s)
    : shape(s),
      embedding(s.vocabulary, s.layers.front()),
      embedding_bias(1, s.layers.front()),
      head(s.layers.back() + 1, 2 * s.half()),
      decoder(s.topics + 1, s.vocabulary) {
  for (std::size_t l = 1; l < s.layers.size(); ++l) hidden.emplace_back(s.layers[l - 1] + 1, s.layers[l]);
  if (!s.batch_norm) return;
  for (const std::int64_t units : s.layers) {
    shift.emplace_back(1, units);
    running_mean.emplace_back(1, units);
    running_variance.emplace_back(1, units);
    // Mean 0 and variance 1 leave values unchanged until the first batch.
    for (std::int64_t c = 0; c < units; ++c) running_variance.back().at(0, c) = 1;
  }
}

Parameters initial_parameters(const Shape& shape, std::uint64_t seed) {
  Parameters p(shape);
  std::uint32_t which = 0;
  // Biases start at zero.
  fill_uniform(p.embedding, shape.vocabulary, 0, shape.layers.front(), which++, seed);
  for (Matrix& m : p.hidden) fill_uniform(m, m.rows - 1, 0, m.columns, which++, seed);
  fill_uniform(p.head, shape.layers.back(), 0, shape.topics, which++, seed);
  fill_uniform(p.head, shape.layers.back(), shape.half(), shape.topics, which++, seed);
  fill_uniform(p.decoder, shape.topics, 0, shape.vocabulary, which++, seed);
  return p;
}

std::vector<std::int64_t> automatic_layers(std::int64_t topics) { return {3 * topics, 2 * topics}; }

}  // namespace clary::ntm
