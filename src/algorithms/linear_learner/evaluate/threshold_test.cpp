// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/evaluate/threshold.h"

#include <gtest/gtest.h>

#include <chrono>
#include <cmath>
#include <limits>
#include <random>
#include <set>
#include <vector>

namespace clary::linear_learner {
namespace {

using Floats = std::vector<float>;

Hyperparameters with(Criterion criterion) {
  Hyperparameters hp{.predictor_type = PredictorType::kBinary};
  hp.binary_classifier_model_selection_criteria = criterion;
  return hp;
}

/// The criterion at one threshold, counted row by row.
double criterion_at(const Hyperparameters& hp, const Floats& s, const Floats& y, double threshold) {
  double tp = 0, fp = 0, fn = 0, tn = 0;
  for (std::size_t i = 0; i < s.size(); ++i) ++(s[i] >= threshold ? (y[i] > 0 ? tp : fp) : (y[i] > 0 ? fn : tn));
  const double precision = tp + fp > 0 ? tp / (tp + fp) : 0, recall = tp + fn > 0 ? tp / (tp + fn) : 0;
  const double b2 = hp.f_beta * hp.f_beta;
  switch (hp.binary_classifier_model_selection_criteria) {
    case Criterion::kFBeta:
      return precision + recall > 0 ? (1 + b2) * precision * recall / (b2 * precision + recall) : 0;
    case Criterion::kF1:
      return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0;
    case Criterion::kPrecisionAtTargetRecall:
      return recall >= hp.target_recall ? precision : recall - 1;
    case Criterion::kRecallAtTargetPrecision:
      return precision >= hp.target_precision ? recall : precision - 1;
    default:
      return (tp + tn) / static_cast<double>(s.size());
  }
}

TEST(LinearLearnerThreshold, IsTheBestOfAllCuts) {
  std::mt19937 random(5);
  for (const Criterion criterion : {Criterion::kAccuracy, Criterion::kFBeta, Criterion::kF1,
                                    Criterion::kPrecisionAtTargetRecall, Criterion::kRecallAtTargetPrecision}) {
    Hyperparameters hp = with(criterion);
    hp.f_beta = 2, hp.target_recall = 0.7, hp.target_precision = 0.6;
    for (int trial = 0; trial < 50; ++trial) {
      Floats s, y;
      for (int i = 0; i < 40; ++i) {
        y.push_back(random() % 3 == 0 ? 1 : 0);
        s.push_back(std::round(10 * (std::normal_distribution<float>(y.back(), 1)(random))) / 10);
      }
      double best = -2;
      std::set<float> cuts(s.begin(), s.end());
      cuts.insert(1e9f);
      for (const float cut : cuts) best = std::max(best, criterion_at(hp, s, y, cut));
      const auto choice = choose_threshold(hp, s, y);
      EXPECT_NEAR(choice.value, best, 1e-12) << name_of(criterion);
      EXPECT_NEAR(criterion_at(hp, s, y, choice.threshold), best, 1e-12) << "the threshold gives that value";
      EXPECT_EQ(choice.target_met, best >= 0);
    }
  }
}

TEST(LinearLearnerThreshold, TakesMidpointsAndBreaksTiesTowardsAHalf) {
  const Hyperparameters hp = with(Criterion::kAccuracy);
  EXPECT_FLOAT_EQ(
      static_cast<float>(choose_threshold(hp, Floats{0.2f, 0.4f, 0.8f, 0.9f}, Floats{0, 0, 1, 1}).threshold), 0.6f);
  // Cuts at 0.15 and 0.45 are both wrong once.
  EXPECT_NEAR(choose_threshold(hp, Floats{0.1f, 0.2f, 0.4f, 0.5f}, Floats{0, 1, 0, 1}).threshold, 0.45, 1e-7);
  EXPECT_EQ(choose_threshold(hp, Floats{0.1f, 0.2f}, Floats{0, 0}).threshold, 0.5) << "above all scores";
  EXPECT_EQ(choose_threshold(hp, Floats{0.8f, 0.9f}, Floats{1, 1}).threshold, 0.5) << "below all scores";
  EXPECT_GT(choose_threshold(hp, Floats{0.8f, 0.9f}, Floats{0, 0}).threshold, 0.9f);
  EXPECT_FLOAT_EQ(static_cast<float>(choose_threshold(hp, Floats{0.1f, 0.3f}, Floats{1, 1}).threshold), 0.1f);
  EXPECT_EQ(choose_threshold(hp, Floats{}, Floats{}).threshold, 0.5);
}

TEST(LinearLearnerThreshold, SaysWhenNoCutReachesTheTarget) {
  Hyperparameters hp = with(Criterion::kRecallAtTargetPrecision);
  hp.target_precision = 0.9;
  const auto choice = choose_threshold(hp, Floats{0.1f, 0.2f, 0.9f}, Floats{0, 1, 0});
  EXPECT_FALSE(choice.target_met);
  EXPECT_NEAR(choice.value, 0.5 - 1, 1e-12) << "precision 1/2 is what can be had";
  EXPECT_NEAR(choice.threshold, 0.15, 1e-7);
  EXPECT_FALSE(choose_threshold(with(Criterion::kPrecisionAtTargetRecall), Floats{0.1f, 0.2f}, Floats{0, 0}).target_met)
      << "no positive row";
}

TEST(LinearLearnerThreshold, StaysAtAHalfForLosses) {
  const auto choice = choose_threshold(with(Criterion::kLossFunction), Floats{0.6f, 0.9f}, Floats{0, 1});
  EXPECT_EQ(choice.threshold, 0.5);
  EXPECT_EQ(choice.value, 0.5);
}

TEST(LinearLearnerThreshold, ADivergedCandidateIsWorst) {
  const auto choice = choose_threshold(with(Criterion::kAccuracy), Floats{0.6f, std::nanf("")}, Floats{0, 1});
  EXPECT_EQ(choice.value, -std::numeric_limits<double>::infinity());
  EXPECT_EQ(choice.threshold, 0.5);
}

}  // namespace
}  // namespace clary::linear_learner
