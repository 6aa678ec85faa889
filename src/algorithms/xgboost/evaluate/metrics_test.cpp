// SPDX-License-Identifier: Apache-2.0
// Expected values: scikit-learn 1.2.1 (accuracy_score, f1_score, ... with zero_division=0) on the same numbers.
#include "algorithms/xgboost/evaluate/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace clary::xgboost {
namespace {

const std::vector<float> kBinaryLabels{0, 1, 0, 1, 1, 1, 1, 0, 1, 0, 0, 0, 0, 0, 1, 0, 0, 1, 1, 0};
const std::vector<float> kBinaryMargins{-1.29F, 1.15F, -2.49F, .04F,  .4F,  1.76F, 1.19F,  -.83F, .13F, -.75F,
                                        1.02F,  -.93F, -.8F,   -.15F, .38F, -.7F,  -1.61F, .49F,  .06F, .67F};
const std::vector<float> kClasses{3, 2, 2, 3, 2, 3, 3, 0, 0, 1, 1, 3, 3, 0, 1,
                                  3, 0, 3, 0, 1, 3, 1, 1, 1, 2, 1, 3, 1, 1, 2};
const std::vector<float> kPredicted{3, 2, 1, 0, 0, 3, 3, 1, 0, 1, 1, 3, 1, 1, 1,
                                    3, 0, 3, 0, 0, 3, 1, 1, 2, 2, 1, 1, 1, 1, 1};

std::vector<float> margins_of(const std::vector<float>& classes, std::size_t width) {
  std::vector<float> out(classes.size() * width, -1.5F);
  for (std::size_t i = 0; i < classes.size(); ++i) out[i * width + static_cast<std::size_t>(classes[i])] = .25F;
  return out;
}

struct Expected {
  const char* name;
  double value;
};

TEST(XgboostMetrics, OfTwoClassesAreScikitLearns) {
  const Scored scored{kBinaryLabels, kBinaryMargins, 1, Link::kIdentity};
  ASSERT_EQ(class_count(scored), 2u);
  const Statistics statistics = statistics_of(scored, 2);
  for (const auto& [name, value] : {Expected{"accuracy", .9},
                                    {"balanced_accuracy", .909090909091},
                                    {"f1", .9},
                                    {"f1_macro", .9},
                                    {"f1_binary", .9},
                                    {"precision", .818181818182},
                                    {"recall", 1.},
                                    {"mse", .97086},
                                    {"r2", -2.922666666667}})
    EXPECT_NEAR(metric_value(name, statistics), value, 1e-6) << name;
}

TEST(XgboostMetrics, OfManyClassesAreScikitLearns) {
  const auto margins = margins_of(kPredicted, 4);
  const Scored scored{kClasses, margins, 4, Link::kIdentity};
  const Statistics statistics = statistics_of(scored, class_count(scored));
  for (const auto& [name, value] : {Expected{"accuracy", .666666666667},
                                    {"balanced_accuracy", .625},
                                    {"f1", .633912655971},
                                    {"f1_macro", .633912655971},
                                    {"precision_macro", .684523809524},
                                    {"precision_micro", .666666666667},
                                    {"recall_macro", .625},
                                    {"recall_micro", .666666666667}})
    EXPECT_NEAR(metric_value(name, statistics), value, 1e-9) << name;
  for (const char* name : {"f1_binary", "precision", "recall"}) {
    try {
      metric_value(name, statistics);
      FAIL() << name;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kInvalid);
      EXPECT_NE(std::string(error.what()).find("Target is multiclass but average='binary'"), std::string::npos);
    }
  }
}

TEST(XgboostMetrics, RegressionIsOnTheScaleOfTheLabels) {
  const Statistics logistic = statistics_of({kBinaryLabels, kBinaryMargins, 1, Link::kLogistic}, 0);
  EXPECT_NEAR(metric_value("mse", logistic), .152568401571, 1e-7);
  EXPECT_NEAR(metric_value("r2", logistic), .383562013856, 1e-7);
  const std::vector<float> labels{1, 4}, margins{0, std::log(2.F)};
  EXPECT_NEAR(metric_value("mse", statistics_of({labels, margins, 1, Link::kExponential}, 0)), 2, 1e-6);
}

TEST(XgboostMetrics, AddUpOverHosts) {
  Statistics sum = statistics_of({std::span(kBinaryLabels).first(7), std::span(kBinaryMargins).first(7)}, 2);
  const Statistics rest = statistics_of({std::span(kBinaryLabels).subspan(7), std::span(kBinaryMargins).subspan(7)}, 2);
  std::vector<double> others;
  Statistics(rest).add_up([&](std::span<double> numbers) { others.assign(numbers.begin(), numbers.end()); });
  sum.add_up([&](std::span<double> numbers) {
    ASSERT_EQ(numbers.size(), others.size());
    for (std::size_t i = 0; i < numbers.size(); ++i) numbers[i] += others[i];
  });
  const Statistics whole = statistics_of({kBinaryLabels, kBinaryMargins}, 2);
  for (const char* name : {"accuracy", "f1", "precision", "recall", "mse", "r2"})
    EXPECT_NEAR(metric_value(name, sum), metric_value(name, whole), 1e-12) << name;
}

TEST(XgboostMetrics, UndefinedRatiosAreZero) {
  const std::vector<float> zeros{0, 0, 0}, low{-1, -1, -1}, equal{2, 2};
  const Statistics none = statistics_of({zeros, low}, 2);
  EXPECT_EQ(metric_value("precision", none), 0);
  EXPECT_EQ(metric_value("f1_binary", none), 0);
  EXPECT_EQ(metric_value("f1_macro", none), 1);  // class 1 is nowhere, so it does not count
  EXPECT_EQ(metric_value("r2", statistics_of({equal, equal}, 0)), 1);
  EXPECT_TRUE(std::isnan(metric_value("r2", statistics_of({std::span(zeros).first(1), std::span(low).first(1)}, 0))));
}

TEST(XgboostMetrics, ClassesNeedLabelsThatAreClasses) {
  for (const float label : {.5F, -1.F, 1e9F, std::nanf("")}) {
    const std::vector<float> labels{0, label}, margins{1, 1};
    EXPECT_THROW(class_count({labels, margins}), Error) << label;
  }
}

TEST(XgboostMetrics, AreFoundWithAndWithoutThreshold) {
  EXPECT_TRUE(is_maximised("ndcg@5-"));
  EXPECT_TRUE(is_maximised("auc"));
  EXPECT_FALSE(is_maximised("error@0.3"));
  EXPECT_FALSE(is_maximised("rmse"));
  EXPECT_EQ(find_metric("nothing"), nullptr);
}

}  // namespace
}  // namespace clary::xgboost
