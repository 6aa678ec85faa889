// SPDX-License-Identifier: Apache-2.0
// The lines of published logs, character by character.
#include "algorithms/blazingtext/train/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace clary::blazingtext {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class BlazingTextReport : public testing::Test {
 protected:
  std::vector<std::string> take() { return std::exchange(lines_, {}); }

  std::vector<std::string> lines_;
  shell::TrainLog log_{"algo-1", "AWS/BlazingText",
                       [this](std::string_view line) { lines_.emplace_back(line.substr(0, line.size() - 1)); }};
};

TEST_F(BlazingTextReport, WordVectorsPrintTheLinesOfThePublishedLog) {
  const Hyperparameters hp = schema().parse({{"mode", "batch_skipgram"}});
  Report report(log_, hp);
  report.running({{"algo-1", "algo-2"}, "algo-1", "lo"});
  const auto opening = take();
  ASSERT_FALSE(opening.empty());
  EXPECT_THAT(opening[0], HasSubstr("Running distributed CPU BlazingText training using batch_skipgram on 2 hosts."));
  report.processing("/opt/ml/input/data/train/text8", 100'000'000);
  report.words_read(17'005'206);
  report.vocabulary(71290, 0);
  report.progress(0.04897, 0.02068, 3.951e6);
  report.progress(0, 1.01, 4.22e6);
  report.finished(4.22e6, 20.152);
  EXPECT_THAT(take(),
              ElementsAre("Processing /opt/ml/input/data/train/text8 . File size: 95 MB", "Read 17M words",
                          "Number of words:  71290", "Alpha: 0.0490  Progress: 2.07%  Million Words/sec: 3.95",
                          "Alpha: 0.0000  Progress: 100.00%  Million Words/sec: 4.22", "Training finished!",
                          "Average throughput in Million words/sec: 4.22", "Total training time in seconds: 20.15"));
}

TEST_F(BlazingTextReport, ClassifiersPrintTheLinesOfThePublishedLog) {
  const Hyperparameters hp = schema().parse({{"mode", "supervised"}});
  Report report(log_, hp);
  report.running({{"algo-1"}, "algo-1", "lo"});
  EXPECT_THAT(take()[0], HasSubstr("Running single machine CPU BlazingText training using supervised mode."));
  report.validation_loading("/opt/ml/input/data/validation/dbpedia.validation");
  report.validation_loaded();
  report.progress(0.0217, 0.5668, 28.47e6);
  report.epoch_ended(5);
  report.validation_accuracy(0.969529, 0, 16);
  report.validation_accuracy(0.969, 1, 16);
  report.finished(21.61e6, 2.89);
  EXPECT_THAT(
      take(),
      ElementsAre("Loading validation data from /opt/ml/input/data/validation/dbpedia.validation",
                  "Loaded validation data.", "##### Alpha: 0.0217  Progress: 56.68%  Million Words/sec: 28.47 #####",
                  "-------------- End of epoch: 5", "Using 16 threads for prediction!", "Validation accuracy: 0.969529",
                  "Validation accuracy improved! Storing best weights...", "Using 16 threads for prediction!",
                  "Validation accuracy: 0.969", "Validation accuracy has not improved for last 1 epochs.",
                  "Training finished.", "Average throughput in Million words/sec: 21.61",
                  "Total training time in seconds: 2.89"));
  report.accuracy("train", 0.98662, 112000);
  report.accuracy("validation", 0.972057, 70000);
  EXPECT_THAT(take(), ElementsAre("", "#train_accuracy: 0.9866", "Number of train examples: 112000", "",
                                  "#validation_accuracy: 0.9721", "Number of validation examples: 70000"));
}

TEST_F(BlazingTextReport, WarnsWhenTheClassifierHardlyLearned) {
  const Hyperparameters hp = schema().parse({{"mode", "supervised"}});
  Report report(log_, hp);
  report.vocabulary(1000, 20, 600);
  take();
  report.accuracy("train", 0.064, 11314);
  auto out = take();
  ASSERT_EQ(out.size(), 4U);
  EXPECT_THAT(out[3], HasSubstr("always answering the most frequent label (0.05303)"));
  EXPECT_THAT(out[3], HasSubstr("learning_rate 0.1 to 1 (now 0.05), more epochs (now 5)"));
  report.accuracy("validation", 0.05, 7532);
  report.accuracy("train", 0.7, 11314);
  EXPECT_EQ(take().size(), 6U);
  report.vocabulary(1000, 2, 9000);  // nine lines in ten have one label: 0.9 is nothing learned
  take();
  report.accuracy("train", 0.9, 10'000);
  EXPECT_EQ(take().size(), 4U);
  report.accuracy("train", 0.92, 10'000);
  EXPECT_EQ(take().size(), 3U);
}

TEST_F(BlazingTextReport, WarnsWhenThinningOrATinyTextLeavesWordsUnlearned) {
  const Hyperparameters hp = schema().parse({{"mode", "skipgram"}});
  Report report(log_, hp);
  report.thinning(17e6, 8e6, 70'000);
  EXPECT_TRUE(take().empty());
  report.thinning(30'000, 1000, 16);
  EXPECT_THAT(take(), ElementsAre(HasSubstr("leaves 3.3% of the text")));
  report.thinning(3000, 1500, 1500);
  EXPECT_THAT(take(), ElementsAre(HasSubstr("a word is learned 5 times on average")));
}

}  // namespace
}  // namespace clary::blazingtext
