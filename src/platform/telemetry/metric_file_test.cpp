// SPDX-License-Identifier: Apache-2.0
#include "platform/telemetry/metric_file.h"

#include <gtest/gtest.h>

#include <fstream>

namespace clary::telemetry {
namespace {

std::vector<std::string> names(const MetricChunk& chunk) {
  std::vector<std::string> out;
  for (const MetricPoint& point : chunk.points) out.push_back(point.name);
  return out;
}

TEST(MetricFile, IsReadFromAnOffset) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "metrics" / "1";
  EXPECT_EQ(read_points(file, 0).end, 0u);  // not there yet
  MetricWriter writer(file);
  writer.append({MetricPoint::of("train:loss", 1'796'074'096'873, 0.1), MetricPoint::of("a b", 6, -1e108)});
  const MetricChunk first = read_points(file, 0);
  ASSERT_EQ(names(first), (std::vector<std::string>{"train:loss", "a b"}));
  EXPECT_EQ(first.points[0].sum, 0.1);
  EXPECT_EQ(first.points[0].time, 1'796'074'096'873);
  EXPECT_EQ(first.points[1].maximum, -1e108);
  writer.append({MetricPoint::of("c", 7, 2)});
  EXPECT_EQ(names(read_points(file, first.end)), std::vector<std::string>{"c"});
}

TEST(MetricFile, EveryCutOfTheLastLineIsNoPoint) {
  const TemporaryFolder folder;
  const std::string whole = "1796074096873 1 1 1 1 q\n", last = "1796074096874 3.5 3.5 3.5 1 train%3Aloss\n";
  for (std::size_t cut = 0; cut < last.size(); ++cut) {
    std::ofstream(folder.path() / "m") << whole << last.substr(0, cut);
    const MetricChunk chunk = read_points(folder.path() / "m", 0);
    EXPECT_EQ(names(chunk), std::vector<std::string>{"q"}) << cut;
    EXPECT_EQ(chunk.end, whole.size());
  }
}

// A cut line "1796 3.5 3.5" before "1796074096873 1 1 1 1 q" was once a point of a metric named "1".
TEST(MetricFile, ALineBehindACutOneMakesNoPoint) {
  const TemporaryFolder folder;
  const std::string whole = "1796074096873 1 1 1 1 q\n", cut_line = "1796074096874 3.5 3.5 3.5 1 train%3Aloss";
  for (std::size_t cut = 1; cut <= cut_line.size(); ++cut) {
    std::ofstream(folder.path() / "m") << cut_line.substr(0, cut) << whole << whole;
    EXPECT_EQ(names(read_points(folder.path() / "m", 0)), std::vector<std::string>{"q"}) << cut;
  }
}

TEST(MetricFile, LinesOfAnotherFormAreLeftOut) {
  const TemporaryFolder folder;
  std::ofstream(folder.path() / "m") << "1 nan 1 1 1 q\n1 inf 1 1 1 q\n1 1 1 1 1 %zz\n1 1 1 1 1 \n1 1e300 1 1 1 q\n"
                                     << "1 1x 1 1 1 q\n"
                                     << std::string(100, '\0') << "\n\n-1 1 1 1 1 q\n5 1 1 1 1 good\n";
  EXPECT_EQ(names(read_points(folder.path() / "m", 0)), std::vector<std::string>{"good"});
  std::ofstream(folder.path() / "m") << std::string(100, 'x') << "\n5 1 1 1 1 good\n";
  std::uint64_t at = 0;
  std::vector<std::string> seen;
  for (MetricChunk chunk; chunk = read_points(folder.path() / "m", at, 32), chunk.end != at; at = chunk.end)
    for (const std::string& name : names(chunk)) seen.push_back(name);
  EXPECT_EQ(seen, std::vector<std::string>{"good"});
}

}  // namespace
}  // namespace clary::telemetry
