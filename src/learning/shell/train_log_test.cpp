// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/train_log.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/json.h"
#include "learning/shell/duration.h"

namespace clary::shell {
namespace {

using testing::MatchesRegex;

const std::string kPrefix = R"(\[[0-9]+/[0-9]+/[0-9]+ [0-9]+:[0-9]+:[0-9]+ INFO [0-9]+\] )";

class TrainLogTest : public testing::Test {
 protected:
  std::string written_;
  TrainLog log_{"algo-1", "AWS/KNN", [this](std::string_view line) { written_ += line; }};
};

TEST_F(TrainLogTest, LinesHaveTheAwsPrefix) {
  log_.info("Using {} rows", 5);
  EXPECT_THAT(written_, MatchesRegex(kPrefix + "Using 5 rows\n"));
}

TEST_F(TrainLogTest, QualityMetricWithAndWithoutEpoch) {
  log_.quality_metric("train", "total_loss", "loss", 7.021950817877246, 1);
  EXPECT_THAT(written_, MatchesRegex(kPrefix + "#quality_metric: host=algo-1, epoch=1, train total_loss "
                                               "<loss>=7.021950817877246\n"));
  written_.clear();
  log_.quality_metric("test", "accuracy", "score", 1);
  EXPECT_THAT(written_, MatchesRegex(kPrefix + "#quality_metric: host=algo-1, test accuracy <score>=1.0\n"));
}

TEST_F(TrainLogTest, ProgressThroughputAndScore) {
  log_.progress(100);
  log_.throughput(4721.588);
  log_.score("test", "accuracy", 0.9221369316030429);
  EXPECT_THAT(written_,
              MatchesRegex(kPrefix + "#progress_metric: host=algo-1, completed 100.0 % of epochs\n" + kPrefix +
                           "#throughput_metric: host=algo-1, train throughput=4721.588 records/second\n" + kPrefix +
                           R"(#test_score \(algo-1\) : \('accuracy', 0.9221369316030429\))"
                           "\n"));
}

TEST_F(TrainLogTest, MetricsLineIsJsonFollowedByAnEmptyLine) {
  MetricsRecord record;
  record.epoch = 0, record.meta = "training_data_iter";
  record.values = {{"Total Records Seen", 3868}, {"odd", NAN}};
  log_.metrics(record);
  ASSERT_TRUE(written_.starts_with("#metrics {\"StartTime\":"));
  ASSERT_TRUE(written_.ends_with("}\n\n"));
  const Json json = parse_json(written_.substr(9));
  EXPECT_EQ(json["Dimensions"], Json({{"Algorithm", "AWS/KNN"},
                                      {"Host", "algo-1"},
                                      {"Operation", "training"},
                                      {"epoch", 0},
                                      {"Meta", "training_data_iter"}}));
  EXPECT_EQ(json["Metrics"]["Total Records Seen"], Json({{"sum", 3868.0}, {"count", 1}, {"min", 3868}, {"max", 3868}}));
  EXPECT_TRUE(json["Metrics"]["odd"]["sum"].is_null());
}

TEST(PythonFloat, PrintsAsPythonDoes) {
  EXPECT_EQ(python_float(7), "7.0");
  EXPECT_EQ(python_float(1e-5), "1e-05");
  EXPECT_EQ(python_float(0.1), "0.1");
  EXPECT_EQ(python_float(NAN), "nan");
  EXPECT_EQ(python_float(-INFINITY), "-inf");
}

TEST(DurationWords, AreHoursMinutesAndSeconds) {
  EXPECT_EQ(duration_words(-1), "0 s");
  EXPECT_EQ(duration_words(59.4), "59 s");
  EXPECT_EQ(duration_words(125), "2 min 5 s");
  EXPECT_EQ(duration_words(3 * 3600 + 61), "3 h 1 min");
  EXPECT_EQ(duration_words(INFINITY), "277777 h 46 min");
}

}  // namespace
}  // namespace clary::shell
