// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "algorithms/linear_learner/linear_learner.h"
#include "base/json.h"
#include "base/text.h"

namespace clary::linear_learner {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class LinearLearnerReport : public testing::Test {
 protected:
  /// What was written since the last call, without prefixes, empty lines and #metrics lines.
  std::vector<std::string> lines() {
    std::vector<std::string> out;
    for (const std::string_view line : split(written_, '\n')) {
      if (line.empty() || line.starts_with("#metrics")) continue;
      out.emplace_back(line.substr(line.find("] ") + 2));
    }
    return out;
  }
  std::vector<Json> records() {
    std::vector<Json> out;
    for (const std::string_view line : split(written_, '\n'))
      if (line.starts_with("#metrics ")) out.push_back(parse_json(line.substr(9)));
    return out;
  }

  std::string written_;
  shell::TrainLog log_{"algo-1", "Linear Learner", [this](std::string_view line) { written_ += line; }};
};

Hyperparameters binary() { return Hyperparameters{.predictor_type = PredictorType::kBinary}; }

TEST_F(LinearLearnerReport, AnEpochReadsAsThePublishedLog) {
  const Hyperparameters hp = binary();
  Report report(log_, hp, {}, 1);
  written_.clear();
  report.epoch({.epoch = 0,
                .rows = 3868,
                .batches = 4,
                .train_seconds = 0.5,
                .train_loss = {0.5956824210031, 0.7},
                .validation_loss = {0.43, 0.5},
                .validation_rows = 400,
                .validation_batches = 1,
                .criterion_value = 0.943377806704,
                .improved = true});
  EXPECT_THAT(
      lines(),
      ElementsAre(
          "#quality_metric: host=algo-1, epoch=0, train binary_classification_cross_entropy_objective "
          "<loss>=0.595682421003",
          "#quality_metric: host=algo-1, epoch=0, validation binary_classification_cross_entropy_objective <loss>=0.43",
          "#early_stopping_criteria_metric: host=algo-1, epoch=0, criteria=sampled_accuracy, value=0.943377806704",
          "Epoch 0: Loss improved. Updating best model", "Saving model for epoch: 0",
          "#progress_metric: host=algo-1, completed 6 % of epochs",
          "#throughput_metric: host=algo-1, train throughput=7736.0 records/second"));
  const auto metrics = records();
  ASSERT_EQ(metrics.size(), 6u);  // two candidates twice, two iterators
  EXPECT_EQ(metrics[1]["Dimensions"], Json({{"Algorithm", "Linear Learner"},
                                            {"Host", "algo-1"},
                                            {"Operation", "training"},
                                            {"epoch", 0},
                                            {"model", 1}}));
  EXPECT_EQ(metrics[1]["Metrics"]["train_binary_classification_cross_entropy_objective"],
            Json({{"sum", 0.7}, {"count", 1}, {"min", 0.7}, {"max", 0.7}}));
  EXPECT_EQ(metrics[2]["Metrics"]["validation_binary_classification_cross_entropy_objective"]["sum"], 0.43);
  EXPECT_EQ(metrics[4]["Dimensions"]["Meta"], "training_data_iter");
  EXPECT_EQ(metrics[4]["Metrics"]["Total Records Seen"]["sum"], 3868);
  EXPECT_EQ(metrics[5]["Dimensions"]["Meta"], "validation_data_iter");
}

TEST_F(LinearLearnerReport, CountsEpochsWithoutImprovementFromZero) {
  const Hyperparameters hp = binary();
  Report report(log_, hp, {}, 1);
  written_.clear();
  report.epoch({.epoch = 14, .train_loss = {0.5}, .improved = false, .epochs_without_improvement = 1});
  EXPECT_THAT(lines(), testing::Contains("Epoch 14: Loss has not improved for 0 epochs."));
  EXPECT_THAT(lines(), testing::Contains("#progress_metric: host=algo-1, completed 100 % of epochs"));
  EXPECT_THAT(lines(), testing::Not(testing::Contains(HasSubstr("validation"))));
}

TEST_F(LinearLearnerReport, TheEndReadsAsThePublishedLog) {
  const Hyperparameters hp = binary();
  Report report(log_, hp, {}, 1);
  written_.clear();
  report.final_metrics("validation", {{"binary_classification_accuracy", "score", 0.9947933615359583}});
  report.final_metrics("train", {{"binary_classification_accuracy", "score", 0.5}});
  TrainingRecord record;
  record.candidates = {{.settings = {.id = 5, .learning_rate = 0.1, .wd = 1e-4}}};
  record.best_candidate = 5;
  report.best(record);
  report.no_test_data();
  report.finished();
  EXPECT_THAT(
      lines(),
      ElementsAre("#validation_score (algo-1) : ('binary_classification_accuracy', 0.9947933615359583)",
                  "#quality_metric: host=algo-1, validation binary_classification_accuracy <score>=0.994793361536",
                  "#quality_metric: host=algo-1, train binary_classification_accuracy <score>=0.5",
                  "Best model found for hyperparameters: {\"optimizer\": \"adam\", \"learning_rate\": 0.1, "
                  "\"wd\": 0.0001, \"l1\": 0.0, \"beta_1\": 0.9, \"beta_2\": 0.999, \"lr_scheduler_step\": 100, "
                  "\"lr_scheduler_factor\": 0.99, \"lr_scheduler_minimum_lr\": 1e-05}",
                  "Test data is not provided."));
  EXPECT_TRUE(records().back()["Metrics"].contains("totaltime"));
}

TEST_F(LinearLearnerReport, OpensWithTheStoreAndTheScaler) {
  const hyper::TextMap given{{"predictor_type", "regression"}};
  const Hyperparameters hp = schema().parse(given);
  Report report(log_, hp, given, 2);
  report.scaler(std::vector<float>{1, 2}, std::vector<float>{0.5f, 1}, 3.5, std::nullopt);
  EXPECT_THAT(lines(),
              ElementsAre(HasSubstr("taken as 'regressor'"), "Using default worker.", "Create Store: dist_sync",
                          "Number of GPUs being used: 0",
                          "Scaling model computed with parameters: {'stdev_weight': [0.5, 1], 'stdev_label': None, "
                          "'mean_label': 3.5, 'mean_weight': [1, 2]}"));
}

TEST_F(LinearLearnerReport, EveryMetricOfTheDescriptorFindsItsLine) {
  for (const auto& type : {PredictorType::kBinary, PredictorType::kMulticlass, PredictorType::kRegressor}) {
    Hyperparameters hp{.predictor_type = type, .num_classes = 3};
    Report report(log_, hp, {}, 1);
    report.epoch({.train_seconds = 1, .train_loss = {1}, .validation_loss = {1}});
    Scores scores{1, hp.outputs(), std::vector<float>(static_cast<std::size_t>(hp.outputs())), {0}};
    for (const char* channel : {"train", "validation", "test"})
      report.final_metrics(channel, final_metrics(hp, 0.5, {}, scores));
  }
  for (const auto& metric : descriptor().metrics)
    EXPECT_TRUE(std::regex_search(written_, std::regex(metric.regex))) << metric.name << " " << metric.regex;
}

}  // namespace
}  // namespace clary::linear_learner
