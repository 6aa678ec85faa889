// SPDX-License-Identifier: Apache-2.0
// The kernels' sums again as plain loops in double precision, for tests.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <span>
#include <vector>

#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/train/weights.h"
#include "base/split_mix.h"

namespace clary::blazingtext::reference {

struct Matrix {
  std::int64_t rows = 0, columns = 0;
  std::vector<double> values;

  Matrix(std::int64_t r, std::int64_t c) : rows(r), columns(c), values(static_cast<std::size_t>(r * c)) {}
  double* row(std::int64_t r) { return values.data() + r * columns; }
  const double* row(std::int64_t r) const { return values.data() + r * columns; }
};

/// A padded matrix and its twin in double precision.
struct Twin {
  TrainingMatrix fast;
  Matrix plain;

  Twin(std::int64_t rows, std::int64_t columns, double bound, std::uint64_t seed)
      : fast(rows, columns), plain(rows, columns) {
    SplitMix64 random(seed);
    for (std::int64_t r = 0; r < rows; ++r)
      for (std::int64_t n = 0; n < columns; ++n)
        plain.row(r)[n] = fast.row(r)[n] =
            static_cast<float>(bound * (2 * static_cast<double>(random.next() >> 11) * 0x1p-53 - 1));
  }
  double worst_difference() const {
    double worst = 0;
    for (std::int64_t r = 0; r < plain.rows; ++r) {
      for (std::int64_t n = 0; n < plain.columns; ++n)
        worst = std::max(worst, std::abs(plain.row(r)[n] - static_cast<double>(fast.row(r)[n])));
      for (std::int64_t n = plain.columns; n < fast.stride; ++n)
        if (fast.row(r)[n] != 0) return 1e9;  // padding was touched
    }
    return worst;
  }
};

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

inline double dot(const double* a, const double* b, std::int64_t n) {
  double sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// fastText's order: the feature rows are read and written anew for every pair.
/// @param group  so many targets are scored before they are moved
inline void train_pairs(const kernels::Plan& plan, Matrix& input, Matrix& output, double rate,
                        std::int32_t group = std::numeric_limits<std::int32_t>::max()) {
  const std::int64_t d = input.columns;
  std::vector<double> h(static_cast<std::size_t>(d)), g(h.size());
  for (const kernels::Step& step : plan.steps) {
    const auto rows =
        plan.features.subspan(static_cast<std::size_t>(step.first_feature), static_cast<std::size_t>(step.features));
    for (std::int32_t p = 0; p < step.pairs; ++p) {
      h.assign(h.size(), 0);
      g.assign(g.size(), 0);
      for (const std::int32_t row : rows)
        for (std::int64_t n = 0; n < d; ++n)
          h[static_cast<std::size_t>(n)] += input.row(row)[n] / static_cast<double>(rows.size());
      std::vector<double> a(static_cast<std::size_t>(plan.targets_per_pair));
      const std::int32_t* targets = plan.targets.data() + step.first_pair + p * plan.targets_per_pair;
      const auto score = [&](std::int32_t t) {
        a[static_cast<std::size_t>(t)] = rate * ((t == 0 ? 1 : 0) - sigmoid(dot(output.row(targets[t]), h.data(), d)));
      };
      for (std::int32_t t = 0; t < plan.targets_per_pair; ++t) {
        for (std::int32_t s = t; t % group == 0 && s < plan.targets_per_pair && s - t < group; ++s) score(s);
        double* row = output.row(targets[t]);
        for (std::int64_t n = 0; n < d; ++n) {
          g[static_cast<std::size_t>(n)] += a[static_cast<std::size_t>(t)] * row[n];
          row[n] += a[static_cast<std::size_t>(t)] * h[static_cast<std::size_t>(n)];
        }
      }
      for (const std::int32_t row : rows)
        for (std::int64_t n = 0; n < d; ++n) input.row(row)[n] += g[static_cast<std::size_t>(n)];
    }
  }
}

/// All products from the old values.
inline void train_blocks(const kernels::BlockPlan& plan, Matrix& input, Matrix& output, double rate) {
  const std::int64_t d = input.columns;
  for (const kernels::Block& block : plan.blocks) {
    const Matrix old_input = input, old_output = output;
    for (std::int32_t i = 0; i < block.inputs; ++i) {
      const std::int32_t word = plan.inputs[static_cast<std::size_t>(block.first_input + i)];
      for (std::int32_t s = 0; s < block.samples; ++s) {
        const kernels::Sample& sample = plan.samples[static_cast<std::size_t>(block.first_sample + s)];
        const double f = dot(old_input.row(word), old_output.row(sample.row), d);
        const double p = f > 6 ? 1 : f < -6 ? 0 : sigmoid(f);
        const double g = rate * sample.times * ((s == 0 ? 1 : 0) - p);
        for (std::int64_t n = 0; n < d; ++n) {
          input.row(word)[n] += g * old_output.row(sample.row)[n];
          output.row(sample.row)[n] += g * old_input.row(word)[n];
        }
      }
    }
  }
}

inline std::vector<double> mean_of(const Matrix& input, std::span<const std::int32_t> rows) {
  std::vector<double> h(static_cast<std::size_t>(input.columns));
  for (const std::int32_t row : rows)
    for (std::size_t n = 0; n < h.size(); ++n) h[n] += input.row(row)[n] / static_cast<double>(rows.size());
  return h;
}

inline std::vector<double> softmax_scores(const Matrix& output, const std::vector<double>& h) {
  std::vector<double> p;
  double sum = 0;
  for (std::int64_t k = 0; k < output.rows; ++k) {
    p.push_back(std::exp(dot(output.row(k), h.data(), output.columns)));
    sum += p.back();
  }
  for (double& x : p) x /= sum;
  return p;
}

/// Both losses share all but the errors of the labels.
/// @param probabilities  of all labels given h; @param wanted  (example, k): 1 or 0
template <class Probabilities, class Wanted>
void train_lines(const kernels::ExamplePlan& plan, Matrix& input, Matrix& output, double rate,
                 Probabilities&& probabilities, Wanted&& wanted) {
  for (const kernels::Example& example : plan.examples) {
    const auto rows = plan.features.subspan(static_cast<std::size_t>(example.first_feature),
                                            static_cast<std::size_t>(example.features));
    const auto h = mean_of(input, rows);
    const std::vector<double> p = probabilities(h);
    std::vector<double> g(h.size());
    for (std::int32_t k = 0; k < plan.labels; ++k) {
      const double a = rate * (wanted(example, k) - p[static_cast<std::size_t>(k)]);
      for (std::size_t n = 0; n < h.size(); ++n) {
        g[n] += a * output.row(k)[n];
        output.row(k)[n] += a * h[n];
      }
    }
    for (const std::int32_t row : rows)
      for (std::size_t n = 0; n < h.size(); ++n) input.row(row)[n] += g[n] / static_cast<double>(rows.size());
  }
}

inline std::vector<double> sigmoid_scores(const Matrix& output, const std::vector<double>& h) {
  std::vector<double> p;
  for (std::int64_t k = 0; k < output.rows; ++k)
    p.push_back(sigmoid(dot(output.row(k), h.data(), output.columns) - 1.0 / 64));
  return p;
}

inline std::span<const std::int32_t> truths_of(const kernels::ExamplePlan& plan, const kernels::Example& example) {
  return plan.truths.subspan(static_cast<std::size_t>(example.first_truth), static_cast<std::size_t>(example.truths));
}

inline void train_all_labels(const kernels::ExamplePlan& plan, Matrix& input, Matrix& output, double rate) {
  train_lines(
      plan, input, output, rate, [&](const auto& h) { return sigmoid_scores(output, h); },
      [&](const auto& example, std::int32_t k) {
        const auto truths = truths_of(plan, example);
        return std::find(truths.begin(), truths.end(), k) != truths.end() ? 1.0 : 0.0;
      });
}

inline void train_examples(const kernels::ExamplePlan& plan, Matrix& input, Matrix& output, double rate) {
  train_lines(
      plan, input, output, rate, [&](const auto& h) { return softmax_scores(output, h); },
      [](const auto& example, std::int32_t k) { return k == example.label ? 1.0 : 0.0; });
}

}  // namespace clary::blazingtext::reference
