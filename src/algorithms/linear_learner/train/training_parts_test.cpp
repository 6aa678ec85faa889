// SPDX-License-Identifier: Apache-2.0
// The parts of a training one by one: candidate grid, scaler, objective, learner, solver, rows.
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "algorithms/linear_learner/data/dataset.h"
#include "algorithms/linear_learner/data/scaler.h"
#include "algorithms/linear_learner/train/candidates.h"
#include "algorithms/linear_learner/train/lbfgs.h"
#include "algorithms/linear_learner/train/learner.h"
#include "algorithms/linear_learner/train/objective.h"
#include "algorithms/linear_learner/train/search.h"
#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

formats::Batch dense(std::vector<float> values, std::int64_t width, std::vector<float> labels = {}) {
  formats::Batch b;
  b.width = width;
  b.rows = static_cast<std::int64_t>(values.size()) / width;
  b.values = std::move(values);
  b.labels = std::move(labels);
  b.label_width = b.labels.empty() ? 0 : 1;
  return b;
}

Hyperparameters of_type(PredictorType type, std::int64_t classes = 1) {
  Hyperparameters hp;
  hp.predictor_type = type, hp.num_classes = classes;
  return hp;
}

// ---- candidates

TEST(LinearLearnerCandidates, TheGridIsThePublishedOne) {
  const auto grid = candidate_grid(of_type(PredictorType::kRegressor), 100, 1);
  ASSERT_EQ(grid.size(), 32u);
  EXPECT_EQ(grid[5].learning_rate, 0.1);  // {adam, 0.1, wd 1e-4, l1 0, step 100, factor 0.99, min 1e-5} is id 5
  EXPECT_EQ(grid[5].wd, 1e-4);
  EXPECT_EQ(grid[5].l1, 0);
  EXPECT_EQ(grid[5].lr_scheduler_step, 100);
  EXPECT_EQ(grid[5].lr_scheduler_minimum_lr, 1e-5);
  EXPECT_EQ(grid[0].learning_rate, 0.005);
  EXPECT_EQ(grid[0].lr_scheduler_step, 10);
  EXPECT_EQ(grid[2].l1, grid[2].wd / 100);
  EXPECT_EQ(grid[8].wd, 1e-2);
  EXPECT_EQ(grid[31].wd, 10);
}

TEST(LinearLearnerCandidates, WhatTheUserGivesIsTheSameInAll) {
  Hyperparameters hp = of_type(PredictorType::kRegressor);
  hp.learning_rate = 0.02, hp.wd = 0.5, hp.lr_scheduler_step = 7;
  for (const CandidateSettings& c : candidate_grid(hp, 100, 1)) {
    EXPECT_EQ(c.learning_rate, 0.02);
    EXPECT_EQ(c.wd, 0.5);
    EXPECT_EQ(c.lr_scheduler_step, 7);
  }
}

TEST(LinearLearnerCandidates, OneModelHasTheSafestRateForItsNumberOfUpdates) {
  Hyperparameters hp = of_type(PredictorType::kRegressor);
  hp.num_models = 1;
  EXPECT_EQ(candidate_grid(hp, 299, 1)[0].learning_rate, 0.1);
  EXPECT_EQ(candidate_grid(hp, 1000, 1)[0].learning_rate, 0.03);
  EXPECT_EQ(candidate_grid(hp, 5000, 1)[0].learning_rate, 0.01);
  EXPECT_EQ(candidate_grid(hp, 5000, 1)[0].wd, 1e-4);
}

TEST(LinearLearnerCandidates, FewModelsAlternateRateAndPenaltyAndMoreThanTheGridDiffer) {
  Hyperparameters hp = of_type(PredictorType::kBinary);
  hp.num_models = 4, hp.positive_example_weight_mult = kAutomaticWeight;
  const auto few = candidate_grid(hp, 100, 9);
  EXPECT_NE(few[0].learning_rate, few[1].learning_rate);
  EXPECT_NE(few[0].wd, few[2].wd);
  EXPECT_EQ(few[0].positive_weight, 1);
  EXPECT_EQ(few[1].positive_weight, 3);
  EXPECT_EQ(few[2].positive_weight, 9);
  hp.num_models = 64;
  const auto many = candidate_grid(hp, 100, 9);
  EXPECT_EQ(many[40].learning_rate, many[8].learning_rate / 2);
}

// ---- scaler

TEST(LinearLearnerScaler, MeasuresThePopulationAndLeavesConstantsAlone) {
  ScalerSums sums(3, true);
  sums.add(dense({1e6f + 1, 5, 0, 1e6f + 3, 5, 0}, 3, {10, 30}), 2);
  EXPECT_NEAR(sums.mean(0), 1e6 + 2, 1e-9);
  EXPECT_NEAR(sums.deviation(0), 1, 1e-9) << "a large offset does not cancel";
  const Scaler s = Scaler::of(sums, of_type(PredictorType::kRegressor), false);
  EXPECT_EQ(s.scale[1], 1);
  EXPECT_EQ(s.scale[2], 1);
  EXPECT_EQ(s.label_shift, 20);
  EXPECT_EQ(s.label_scale, 10);
}

TEST(LinearLearnerScaler, FoldedWeightsActOnRawFeatures) {
  std::mt19937 random(1);
  std::normal_distribution<float> draw(5, 3);
  std::vector<float> x(40), y(10);
  for (float& v : x) v = draw(random);
  for (float& v : y) v = draw(random);
  const formats::Batch batch = dense(x, 4, y);
  ScalerSums sums(4, true);
  sums.add(batch, 10);
  const Scaler s = Scaler::of(sums, of_type(PredictorType::kRegressor), false);
  const std::vector<float> w{0.5f, -1, 2, 0.25f}, b{0.75f};
  const Weights folded = unscaled(s, w, b, 1);
  for (std::int64_t r = 0; r < 10; ++r) {
    double scaled = 0.75, raw = static_cast<double>(folded.bias[0]);
    for (std::int64_t j = 0; j < 4; ++j) {
      const auto value = static_cast<double>(batch.row(r)[at(j)]);
      scaled += static_cast<double>(w[at(j)]) * (value - s.shift[at(j)]) / s.scale[at(j)];
      raw += static_cast<double>(folded.weight[at(j)]) * value;
    }
    EXPECT_NEAR(raw, s.label_shift + s.label_scale * scaled, 1e-4);
  }
}

TEST(LinearLearnerScaler, WithoutBiasNothingIsShifted) {
  Hyperparameters hp = of_type(PredictorType::kRegressor);
  hp.use_bias = false;
  ScalerSums sums(1, true);
  sums.add(dense({3, 5}, 1, {10, 30}), 2);
  const Scaler s = Scaler::of(sums, hp, false);
  EXPECT_EQ(s.shift[0], 0);
  EXPECT_EQ(s.label_shift, 0);
  EXPECT_EQ(s.scale[0], 1) << "the deviation";
}

TEST(LinearLearnerScaler, RareSparseColumnsAreNeitherShiftedNorBlownUp) {
  formats::Batch batch;
  batch.sparse = true, batch.width = 2, batch.rows = 100;
  for (std::int64_t r = 0; r < 100; ++r) {
    batch.offsets.push_back(static_cast<std::int64_t>(batch.columns.size()));
    batch.columns.push_back(0), batch.values.push_back(static_cast<float>(10 + r % 3));
    if (r == 50) batch.columns.push_back(1), batch.values.push_back(0.25f);
  }
  batch.offsets.push_back(static_cast<std::int64_t>(batch.columns.size()));
  ScalerSums sums(2, false);
  sums.add(batch, 100);
  const Scaler s = Scaler::of(sums, of_type(PredictorType::kBinary), true);
  EXPECT_EQ(s.shifted(), std::vector<std::int32_t>{0});
  EXPECT_NEAR(s.scale[1], 0.25, 1e-9) << "the size of what is stored, not the deviation over all rows";
  Hyperparameters asked = of_type(PredictorType::kBinary);
  asked.unbias_data = true;
  EXPECT_EQ(Scaler::of(sums, asked, true).shifted().size(), 2u);
}

// ---- objective

/// Random scaled rows with labels for the loss.
Rows random_rows(std::int64_t n, std::int64_t d, bool sparse, std::int64_t classes, unsigned seed = 1) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw;
  Rows rows;
  rows.sparse = sparse, rows.features = d, rows.rows = n, rows.stride = numeric::padded(d);
  if (!sparse) rows.values.assign(at(n * rows.stride), 0.0f);
  if (sparse) rows.offsets.push_back(0);
  for (std::int64_t r = 0; r < n; ++r) {
    for (std::int64_t j = 0; j < d; ++j) {
      const float x = draw(random);
      if (x < 0.4f) continue;
      if (sparse) {
        rows.columns.push_back(static_cast<std::int32_t>(j)), rows.values.push_back(x);
      } else {
        rows.values[at(r * rows.stride + j)] = x;
      }
    }
    if (sparse) rows.offsets.push_back(static_cast<std::int64_t>(rows.columns.size()));
    rows.labels.push_back(static_cast<float>(random() % static_cast<unsigned>(classes)));
  }
  return rows;
}

struct Shape {
  std::int64_t models, outputs;
  bool sparse;
};

class ObjectiveOf : public ::testing::TestWithParam<Shape> {};

TEST_P(ObjectiveOf, GradientMatchesCentralDifferencesForEveryThreadCount) {
  const auto [models, outputs, sparse] = GetParam();
  const std::int64_t n = 250, d = 7;
  const Rows rows = random_rows(n, d, sparse, outputs == 1 ? 2 : outputs);
  const Lanes lanes = Lanes::of(models, outputs);
  const kernels::LossRule rule{outputs == 1 ? Loss::kLogistic : Loss::kSoftmax, 0};
  Scaler shift;
  shift.shift = {0, 0.7, 0, 0, -0.4, 0, 0}, shift.scale.assign(7, 2.0);
  for (const int threads : {1, 3}) {
    Team team(threads);
    Objective objective(lanes, d, rule, {{}, std::vector<float>(at(models), 2.0f)}, team);
    if (sparse) objective.set_shift(shift);
    Parameters p = initial_parameters(
        lanes, d, of_type(outputs == 1 ? PredictorType::kBinary : PredictorType::kMulticlass, outputs), 3);
    const Objective::Sums sums = objective.loss_and_gradient(rows, 0, n, p);
    std::vector<double> gradient(p.weight.size(), 0);
    for (float* part : objective.gradients()) {
      for (std::size_t i = 0; i < gradient.size(); ++i)
        gradient[i] += static_cast<double>(std::exchange(part[i], 0.0f));
    }
    const auto loss_of = [&](std::int64_t model) {
      const double loss = objective.loss_and_gradient(rows, 0, n, p).loss[at(model)];
      for (float* part : objective.gradients()) std::fill(part, part + p.weight.size(), 0.0f);
      return loss;
    };
    const auto check = [&](float& parameter, double slope, std::int64_t model, const std::string& what) {
      const float before = parameter, h = 0.01f;
      parameter = before + h;
      const double above = loss_of(model);
      parameter = before - h;
      EXPECT_NEAR((above - loss_of(model)) / 0.02, slope, 0.02 * std::max(1.0, std::abs(slope))) << what;
      parameter = before;
    };
    for (const std::int64_t m : {std::int64_t{0}, models - 1}) {
      for (std::int64_t k = 0; k < outputs; ++k) {
        const std::int64_t lane = lanes.at(m, k);
        for (std::int64_t j = 0; j < d; ++j) {
          const std::size_t i = at(j * lanes.width() + lane);
          check(p.weight[i], gradient[i], m, "weight " + std::to_string(j) + " of candidate " + std::to_string(m));
        }
        check(p.bias[at(lane)], sums.slope[at(lane)], m, "bias");
      }
    }
  }
}
INSTANTIATE_TEST_SUITE_P(Shapes, ObjectiveOf,
                         ::testing::Values(Shape{1, 1, false}, Shape{1, 1, true}, Shape{20, 1, false},
                                           Shape{20, 1, true}, Shape{1, 5, false}, Shape{1, 5, true},
                                           Shape{32, 3, false}, Shape{32, 3, true}));

// ---- learner

struct Learned {
  Parameters parameters;
  std::vector<double> losses;
};

/// A few epochs of batches of 50 rows. @param by_column  sparse rows through the column index
Learned learn(const Rows& rows, std::vector<CandidateSettings> candidates, const Hyperparameters& hp, int threads,
              bool by_column = true) {
  Team team(threads);
  const auto hosts = collective::alone();
  const Lanes lanes = Lanes::of(static_cast<std::int64_t>(candidates.size()), hp.outputs());
  Objective objective(lanes, rows.features, loss_rule(hp), {}, team);
  Learner learner(objective, Parameters(lanes, rows.features), std::move(candidates), hp, team, *hosts);
  std::vector<std::int64_t> scratch;
  for (int epoch = 0; epoch < 3; ++epoch) {
    learner.begin_epoch();
    for (std::int64_t b = 0; b < rows.rows; b += 50) {
      const std::int64_t end = std::min(b + 50, rows.rows);
      ColumnIndex index;
      if (rows.sparse && by_column) index = index_columns(rows, b, end, {}, scratch);
      learner.step(rows, b, end, rows.sparse && by_column ? &index : nullptr, false);
    }
  }
  return {learner.parameters(), learner.loss_sums()};
}

class LearnerOf : public ::testing::TestWithParam<std::pair<PredictorType, bool>> {};

TEST_P(LearnerOf, CandidatesSideBySideLearnWhatEachLearnsAlone) {
  const auto [type, sparse] = GetParam();
  const Hyperparameters hp = of_type(type, type == PredictorType::kMulticlass ? 3 : 1);
  const Rows rows = random_rows(430, 9, sparse, type == PredictorType::kMulticlass ? 3 : 2);
  const std::vector<CandidateSettings> grid = candidate_grid(hp, 100, 1);
  const Learned together = learn(rows, grid, hp, 2);
  const Lanes lanes = Lanes::of(32, hp.outputs());
  for (const std::int64_t m : {0, 5, 14, 31}) {
    const Learned alone = learn(rows, {grid[at(m)]}, hp, 2);
    std::vector<float> weight, bias, weight_alone, bias_alone;
    take_model(together.parameters, lanes, 9, m, weight, bias);
    take_model(alone.parameters, Lanes::of(1, hp.outputs()), 9, 0, weight_alone, bias_alone);
    for (std::size_t i = 0; i < weight.size(); ++i) EXPECT_NEAR(weight[i], weight_alone[i], 2e-3) << "candidate " << m;
    for (std::size_t i = 0; i < bias.size(); ++i) EXPECT_NEAR(bias[i], bias_alone[i], 2e-2) << "candidate " << m;
    EXPECT_NEAR(together.losses[at(m)], alone.losses[0], 0.01 * alone.losses[0]);
  }
}

TEST_P(LearnerOf, SameThreadsSameBits) {
  const auto [type, sparse] = GetParam();
  const Hyperparameters hp = of_type(type, type == PredictorType::kMulticlass ? 3 : 1);
  const Rows rows = random_rows(430, 9, sparse, type == PredictorType::kMulticlass ? 3 : 2);
  const std::vector<CandidateSettings> grid = candidate_grid(hp, 100, 1);
  const Learned a = learn(rows, grid, hp, 3), b = learn(rows, grid, hp, 3);
  EXPECT_EQ(a.parameters.weight, b.parameters.weight);
  EXPECT_EQ(a.parameters.bias, b.parameters.bias);
  EXPECT_EQ(a.losses, b.losses);
}
INSTANTIATE_TEST_SUITE_P(Kinds, LearnerOf,
                         ::testing::Values(std::pair{PredictorType::kBinary, false},
                                           std::pair{PredictorType::kBinary, true},
                                           std::pair{PredictorType::kRegressor, false},
                                           std::pair{PredictorType::kMulticlass, false},
                                           std::pair{PredictorType::kMulticlass, true}));

TEST(LinearLearnerLearner, ColumnsThatAreInEveryBatchLearnTheSameByColumnAndByRow) {
  const Hyperparameters hp = of_type(PredictorType::kBinary);
  const Rows rows = random_rows(400, 6, true, 2);  // with 50 rows a batch every column occurs in each
  const std::vector<CandidateSettings> grid = candidate_grid(hp, 100, 1);
  const Learned by_column = learn(rows, grid, hp, 2, true), by_row = learn(rows, grid, hp, 2, false);
  for (std::size_t i = 0; i < by_row.parameters.weight.size(); ++i) {
    EXPECT_NEAR(by_column.parameters.weight[i], by_row.parameters.weight[i], 2e-3);
  }
}

TEST(LinearLearnerLearner, SparseAndDenseRowsLearnTheSame) {
  const Hyperparameters hp = of_type(PredictorType::kRegressor);
  const Learned dense_run = learn(random_rows(400, 6, false, 2), candidate_grid(hp, 100, 1), hp, 2);
  const Learned sparse_run = learn(random_rows(400, 6, true, 2), candidate_grid(hp, 100, 1), hp, 2);
  for (std::size_t i = 0; i < dense_run.parameters.weight.size(); ++i) {
    EXPECT_NEAR(dense_run.parameters.weight[i], sparse_run.parameters.weight[i], 2e-3);
  }
}

TEST(LinearLearnerLearner, WithoutBiasTheBiasStaysZero) {
  Hyperparameters hp = of_type(PredictorType::kBinary);
  hp.use_bias = false;
  const Learned run = learn(random_rows(200, 4, false, 2), candidate_grid(hp, 100, 1), hp, 1);
  for (const float b : run.parameters.bias) EXPECT_EQ(b, 0);
}

// ---- solver

TEST(LinearLearnerLbfgs, FindsTheMinimumOfAnIllConditionedQuadratic) {
  const std::vector<double> scale{1, 100, 1e4, 0.01}, target{3, -2, 0.5, 40};
  std::vector<double> x(4, 0.0);
  MinimiserOptions options;
  options.tolerance = 1e-9, options.relative_change = 0;
  minimise(
      [&](const std::vector<double>& point, std::vector<double>& gradient) {
        double value = 0;
        for (std::size_t i = 0; i < 4; ++i) {
          gradient[i] = scale[i] * (point[i] - target[i]);
          value += 0.5 * scale[i] * (point[i] - target[i]) * (point[i] - target[i]);
        }
        return value;
      },
      x, options);
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(x[i], target[i], 1e-4);
}

TEST(LinearLearnerLbfgs, L1SoftThresholdsASeparableQuadratic) {
  const std::vector<double> target{3, -2, 0.5, -0.1}, l1{1, 1, 1, 0};
  std::vector<double> x{0, 0, 0, 5};
  MinimiserOptions options;
  options.l1 = l1, options.tolerance = 1e-9;
  minimise(
      [&](const std::vector<double>& point, std::vector<double>& gradient) {
        double value = 0;
        for (std::size_t i = 0; i < 4; ++i) {
          gradient[i] = point[i] - target[i];
          value += 0.5 * (point[i] - target[i]) * (point[i] - target[i]);
        }
        return value;
      },
      x, options);
  EXPECT_NEAR(x[0], 2, 1e-6);
  EXPECT_NEAR(x[1], -1, 1e-6);
  EXPECT_EQ(x[2], 0);
  EXPECT_NEAR(x[3], -0.1, 1e-6);
}

// ---- rows

TEST(LinearLearnerRows, ColumnIndexListsEveryEntryAndTheShiftedColumns) {
  for (const std::int64_t d : {9, 4000}) {  // by scanning the columns; by sorting them
    Rows rows = random_rows(40, 9, true, 2);
    rows.features = d;
    std::vector<std::int64_t> scratch;
    const ColumnIndex index = index_columns(rows, 10, 30, {3, static_cast<std::int32_t>(d - 1)}, scratch);
    EXPECT_EQ(index.columns.back(), d - 1);
    std::vector<std::vector<float>> matrix(20, std::vector<float>(at(d), 0.0f));
    for (std::size_t c = 0; c < index.columns.size(); ++c) {
      for (std::int64_t i = index.offsets[c]; i < index.offsets[c + 1]; ++i) {
        matrix[at(index.rows[at(i)])][at(index.columns[c])] += index.values[at(i)];
      }
    }
    for (std::int64_t r = 10; r < 30; ++r) {
      for (std::int64_t i = rows.offsets[at(r)]; i < rows.offsets[at(r + 1)]; ++i) {
        matrix[at(r - 10)][at(rows.columns[at(i)])] -= rows.values[at(i)];
      }
    }
    for (const auto& row : matrix) {
      for (const float x : row) EXPECT_EQ(x, 0);
    }
  }
}

}  // namespace
}  // namespace clary::linear_learner
