// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/line_relay.h"

#include <gtest/gtest.h>

#include "base/files.h"
#include "platform/agent/metric_extractor.h"

namespace clary::agent {
namespace {

TEST(MetricExtractor, TakesTheFirstGroupAndIgnoresWhatIsNoNumber) {
  const MetricExtractor extractor(
      {{"loss", "loss=(\\S+)"}, {"whole", "[0-9]+ rows"}, {"bad", "("}, {"n", "^([0-9]+) "}});
  std::vector<telemetry::MetricPoint> points;
  extractor.extract("7 rows loss=0.25, more", 5, points);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].name, "loss");
  EXPECT_EQ(points[0].sum, 0.25);
  EXPECT_EQ(points[1].sum, 7);
  points.clear();
  extractor.extract("loss=nan", 5, points);
  EXPECT_TRUE(points.empty());
  extractor.extract("loss=3#011other=4", 5, points);
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].sum, 3);
  EXPECT_TRUE(regex_problem("("));
  EXPECT_FALSE(regex_problem("(a*)*b"));
}

TEST(LineRelay, StoresTabsAsCloudWatchShowsThem) {
  const TemporaryFolder folder;
  {
    LineRelay relay(
        folder.path() / "log", folder.path() / "metrics",
        MetricExtractor({{"rmse", R"(.*\[[0-9]+\].*#011validation-rmse:(\S+))"}, {"own", "loss:\\s([0-9.]+)"}}));
    relay.add("[0]\ttrain-rmse:1\tvalidation-rmse:2.5\nloss:\t0.5\n");
    relay.finish();
  }
  const std::string log = read_file(folder.path() / "log");
  EXPECT_NE(log.find("[0]#011train-rmse:1#011validation-rmse:2.5"), std::string::npos) << log;
  EXPECT_NE(log.find("loss:#0110.5"), std::string::npos) << log;
  const std::string metrics = read_file(folder.path() / "metrics");
  EXPECT_NE(metrics.find("rmse"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("own"), std::string::npos) << metrics;  // an expression for the line as it was printed
}

}  // namespace
}  // namespace clary::agent
