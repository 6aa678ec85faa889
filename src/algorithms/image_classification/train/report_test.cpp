// SPDX-License-Identifier: Apache-2.0
// The lines against what notebooks and the registered metrics read of them.
#include "algorithms/image_classification/train/report.h"

#include <gtest/gtest.h>

#include <regex>
#include <string>
#include <vector>

#include "algorithms/image_classification/image_classification.h"
#include "learning/shell/descriptor.h"

namespace clary::image_classification {
namespace {

/// A log that keeps its lines without "[date INFO pid] ".
struct Lines {
  std::vector<std::string> all;
  shell::TrainLog log{"algo-1", "AWS/ImageClassification", [this](std::string_view line) {
                        const auto at = line.find("] ");
                        all.emplace_back(line.substr(at + 2, line.size() - at - 3));
                      }};
};

Scores some_scores(std::int64_t top_k = 2) {
  Scores scores({.classes = 3, .top_k = top_k});
  scores.add(4, std::vector<float>{3, 2, 1, 3, 2, 1, 3, 2, 1, 3, 2, 1}, std::vector<float>{0, 1, 2, 2}, 5);
  return scores;
}

TEST(Report, PrintsTheParametersInTheContainersOrder) {
  Hyperparameters hp;
  hp.num_layers = 18, hp.num_classes = 10, hp.num_training_samples = 606, hp.learning_rate = 0.01, hp.epochs = 10;
  hp.mini_batch_size = 128, hp.use_pretrained_model = true, hp.resize = 256, hp.top_k = 2;
  Lines lines;
  Report(lines.log, hp).parameters(1, 3);
  EXPECT_EQ(lines.all,
            (std::vector<std::string>{"use_pretrained_model: 1",
                                      "multi_label: 0",
                                      "Using pretrained model for initializing weights and transfer learning.",
                                      "---- Parameters ----",
                                      "num_layers: 18",
                                      "data type: <type 'numpy.float32'>",
                                      "epochs: 10",
                                      "image resize size: 256",
                                      "optimizer: sgd",
                                      "momentum: 0.9",
                                      "weight_decay: 0.0001",
                                      "learning_rate: 0.01",
                                      "num_training_samples: 606",
                                      "mini_batch_size: 128",
                                      "image_shape: 3,224,224",
                                      "num_classes: 10",
                                      "augmentation_type: None",
                                      "kv_store: device",
                                      "top_k: 2",
                                      "checkpoint_frequency not set, will store the best model",
                                      "--------------------",
                                      "Setting number of threads: 3"}));
}

TEST(Report, PrintsAnEpochAsTheContainerDoes) {
  Hyperparameters hp;
  hp.top_k = 2, hp.epochs = 3;
  Lines lines;
  Report report(lines.log, hp);
  report.begin_epoch(0);
  report.trained(some_scores());
  report.validated(some_scores());
  report.storing_best(0.253906);
  report.saved("/opt/ml/model/image-classification-0001.params");
  const std::string time = lines.all.at(3);
  EXPECT_TRUE(std::regex_match(time, std::regex(R"(Epoch\[0\] Time cost=\d+\.\d{3})"))) << time;
  lines.all.erase(lines.all.begin() + 3);
  EXPECT_EQ(lines.all, (std::vector<std::string>{
                           "Epoch[0] Train-accuracy=0.250000", "Epoch[0] Train-top_k_accuracy_2=0.500000",
                           "Epoch[0] Train-loss=1.250000", "Epoch[0] Validation-accuracy=0.250000",
                           "Epoch[0] Validation-top_k_accuracy_2=0.500000", "Epoch[0] Validation-loss=1.250000",
                           "Storing the best model with validation accuracy: 0.253906",
                           "Saved checkpoint to \"/opt/ml/model/image-classification-0001.params\""}));
}

TEST(Report, PrintsTheSpeedEveryTwentyBatches) {
  Hyperparameters hp;
  Lines lines;
  Report report(lines.log, hp);
  report.begin_epoch(4);
  Scores scores({.classes = 2});
  for (std::int64_t batch = 0; batch <= 40; ++batch) {
    // Wrong up to batch 20, right from then on.
    scores.add(2, std::vector<float>{1, 0, 1, 0}, std::vector<float>(2, batch <= 20 ? 1.0F : 0.0F), 1);
    report.batch(batch, 2, scores);
  }
  ASSERT_EQ(lines.all.size(), 2U);
  EXPECT_TRUE(std::regex_match(
      lines.all[0], std::regex(R"(Epoch\[4\] Batch \[20\]\tSpeed: \d+\.\d\d samples/sec\taccuracy=0\.000000)")));
  EXPECT_TRUE(std::regex_match(
      lines.all[1], std::regex(R"(Epoch\[4\] Batch \[40\]\tSpeed: \d+\.\d\d samples/sec\taccuracy=1\.000000)")))
      << lines.all[1];
}

TEST(Report, LinesOfOursHaveNoWordsThatNotebooksLookFor) {
  Hyperparameters hp;
  hp.epochs = 3;
  Lines lines;
  Report report(lines.log, hp);
  report.begin_epoch(0);
  report.epoch_ended({.pictures = 100, .rate = 0.1, .skipped = 1, .enlarged = 2});
  report.classes(some_scores().classes(), {"cat", "dog"}, 0);
  ASSERT_EQ(lines.all.size(), 5U);
  EXPECT_NE(lines.all[0].find("learning rate 0.1, 1 pictures skipped, 2 pictures enlarged, about 0 s left"),
            std::string::npos)
      << lines.all[0];
  EXPECT_EQ(lines.all[2], "class 0 (cat): recall=1.0000 precision=0.2500, 1 of 1 pictures found");
  EXPECT_EQ(lines.all[4], "class 2: recall=0.0000 precision=0.0000, 0 of 2 pictures found");
  for (const std::string& line : lines.all) {
    EXPECT_EQ(line.find("Validation-accuracy"), std::string::npos);
    EXPECT_EQ(line.find("Final configuration"), std::string::npos);
  }
}

TEST(Report, IsReadByTheRegisteredMetrics) {
  Hyperparameters hp;
  hp.multi_label = true;
  Lines lines;
  Report report(lines.log, hp);
  report.begin_epoch(0);
  Scores scores({.classes = 1, .multi_label = true, .keeps_predictions = true});
  scores.add(2, std::vector<float>{1, -1}, std::vector<float>{1, 0}, 1);
  report.trained(scores);
  report.validated(scores);
  hp.multi_label = false, hp.top_k = 2;
  for (std::int64_t batch = 0; batch <= 20; ++batch) report.batch(batch, 4, some_scores());
  report.trained(some_scores());
  report.validated(some_scores());
  for (const shell::MetricSpec& metric : ImageClassification::descriptor().metrics) {
    const std::regex regex(metric.regex);
    EXPECT_TRUE(std::ranges::any_of(lines.all, [&](const std::string& line) { return std::regex_search(line, regex); }))
        << metric.name;
  }
}

}  // namespace
}  // namespace clary::image_classification
