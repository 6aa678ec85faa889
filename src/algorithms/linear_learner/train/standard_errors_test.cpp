// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/standard_errors.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "algorithms/linear_learner/evaluate/link.h"
#include "learning/numeric/gemm.h"

namespace clary::linear_learner {
namespace {

/// Two features, the second shifted and scaled; a third that is always zero.
struct Sample {
  Rows rows;
  Scaler scaler;
  std::vector<double> x0, x1;
  std::vector<float> f, y;
};

Sample sample(bool sparse, bool classes) {
  Sample s;
  s.scaler.shift = {0, sparse ? 0.0 : 5.0, 0}, s.scaler.scale = {1, 10, 1};
  s.rows.sparse = sparse, s.rows.features = 3, s.rows.rows = 50, s.rows.stride = numeric::padded(3);
  if (sparse) s.rows.offsets = {0};
  std::mt19937 random(4);
  std::normal_distribution<double> normal;
  for (int i = 0; i < 50; ++i) {
    const double x0 = normal(random), x1 = 5 + 10 * normal(random);
    s.x0.push_back(x0), s.x1.push_back(x1);
    s.f.push_back(static_cast<float>(0.5 * x0 + 0.1 * x1 + 0.2));
    s.y.push_back(classes ? static_cast<float>(random() % 2) : s.f.back() + static_cast<float>(normal(random)));
    const float z1 = static_cast<float>((x1 - s.scaler.shift[1]) / 10);
    if (sparse) {
      s.rows.columns.insert(s.rows.columns.end(), {0, 1});
      s.rows.values.insert(s.rows.values.end(), {static_cast<float>(x0), z1});
      s.rows.offsets.push_back(static_cast<std::int64_t>(s.rows.values.size()));
    } else {
      s.rows.values.insert(s.rows.values.end(), {static_cast<float>(x0), z1});
      s.rows.values.resize(s.rows.values.size() + 14);
    }
  }
  return s;
}

/// Diagonal of (sum c (x0, x1, 1)(x0, x1, 1)^T)^-1 on raw features, by Cramer's rule.
std::vector<double> expected(const Sample& s, bool logistic) {
  double m[3][3] = {};
  for (std::size_t i = 0; i < s.f.size(); ++i) {
    const double z[] = {s.x0[i], s.x1[i], 1}, p = 1 / (1 + std::exp(-static_cast<double>(s.f[i])));
    for (int a = 0; a < 3; ++a)
      for (int b = 0; b < 3; ++b) m[a][b] += (logistic ? p * (1 - p) : 1) * z[a] * z[b];
  }
  const auto minor = [&](int i, int j, int k, int l) { return m[i][k] * m[j][l] - m[i][l] * m[j][k]; };
  const double determinant = m[0][0] * minor(1, 2, 1, 2) - m[0][1] * minor(1, 2, 0, 2) + m[0][2] * minor(1, 2, 0, 1);
  double residuals = 0;
  for (std::size_t i = 0; i < s.f.size(); ++i) residuals += std::pow(static_cast<double>(s.f[i]) - s.y[i], 2);
  const double variance = logistic ? 1 : residuals / (50 - 3);
  std::vector<double> out;
  for (const auto& [i, j] : {std::pair{1, 2}, {0, 2}, {0, 1}})
    out.push_back(std::sqrt(variance * minor(i, j, i, j) / determinant));
  return out;
}

TEST(LinearLearnerStandardErrors, AreThoseOfTheRawProblem) {
  const auto alone = collective::alone();
  for (const bool logistic : {true, false})
    for (const bool sparse : {false, true}) {
      const Sample s = sample(sparse, logistic);
      Hyperparameters hp{.predictor_type = logistic ? PredictorType::kBinary : PredictorType::kRegressor};
      const auto found = standard_errors(hp, s.rows, s.scaler, s.f, s.y, 0, 1, *alone);
      const auto wanted = expected(s, logistic);
      ASSERT_EQ(found.weight.size(), 3u);
      EXPECT_NEAR(found.weight[0], wanted[0], 1e-4 * wanted[0]) << logistic << sparse;
      EXPECT_NEAR(found.weight[1], wanted[1], 1e-4 * wanted[1]) << logistic << sparse;
      EXPECT_TRUE(std::isnan(found.weight[2])) << "always zero";
      EXPECT_NEAR(found.bias.at(0), wanted[2], 1e-4 * wanted[2]) << logistic << sparse;
      hp.use_bias = false;
      EXPECT_TRUE(standard_errors(hp, s.rows, s.scaler, s.f, s.y, 0, 1, *alone).bias.empty());
      hp.loss = logistic ? Loss::kHinge : Loss::kHuber;
      EXPECT_TRUE(standard_errors(hp, s.rows, s.scaler, s.f, s.y, 0, 1, *alone).weight.empty());
    }
}

}  // namespace
}  // namespace clary::linear_learner
