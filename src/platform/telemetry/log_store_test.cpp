// SPDX-License-Identifier: Apache-2.0
#include "platform/telemetry/log_store.h"

#include <gtest/gtest.h>

#include <atomic>
#include <fstream>
#include <thread>

#include "base/error.h"

namespace clary::telemetry {
namespace {

constexpr const char* kGroup = "/aws/sagemaker/training::TrainingJobs";

std::vector<std::string> messages(const LogPage& page) {
  std::vector<std::string> out;
  for (const LogEvent& event : page.events) out.push_back(event.message);
  return out;
}

class LogStoreTest : public testing::Test {
 protected:
  TemporaryFolder folder;
  LogStore store{folder.path() / "logs"};
};

TEST_F(LogStoreTest, PagesForwardWithTokensThatKeepTheirPlace) {
  for (int i = 0; i < 5; ++i) store.append(kGroup, "job/algo-1-9", {{1000 + i, "line " + std::to_string(i)}});
  const LogPage first = store.read(kGroup, "job/algo-1-9", {.max_events = 2});
  EXPECT_EQ(messages(first), (std::vector<std::string>{"line 0", "line 1"}));
  const LogPage rest = store.read(kGroup, "job/algo-1-9", {.offset = first.end});
  EXPECT_EQ(rest.events.size(), 3u);
  const LogPage empty = store.read(kGroup, "job/algo-1-9", {.offset = rest.end});
  EXPECT_TRUE(empty.events.empty());
  EXPECT_EQ(empty.end, rest.end);
  store.append(kGroup, "job/algo-1-9", {{2000, "more"}});
  EXPECT_EQ(messages(store.read(kGroup, "job/algo-1-9", {.offset = empty.end})), std::vector<std::string>{"more"});
}

TEST_F(LogStoreTest, ReadsBackwardAndByTime) {
  for (int i = 0; i < 100; ++i) store.append(kGroup, "s", {{i / 10, std::to_string(i)}});
  EXPECT_EQ(messages(store.read(kGroup, "s", {.forward = false, .max_events = 2})),
            (std::vector<std::string>{"98", "99"}));
  const LogPage middle = store.read(kGroup, "s", {.start = 3, .end = 5});
  ASSERT_EQ(middle.events.size(), 20u);
  EXPECT_EQ(middle.events.front().message, "30");
  EXPECT_EQ(middle.events.back().message, "49");
  const LogPage before = store.read(kGroup, "s", {.offset = middle.begin, .forward = false, .max_events = 1});
  EXPECT_EQ(before.events.front().message, "29");
}

TEST_F(LogStoreTest, NeverGoesBackInTimeAndRepairsBytes) {
  LogWriter writer = store.writer(kGroup, "job/a");
  writer.append(100, "x\nsecond\xFF line");
  writer.append(50, "");
  const LogPage page = store.read(kGroup, "job/a", {});
  ASSERT_EQ(page.events.size(), 3u);
  EXPECT_EQ(page.events[1].message, "second\xEF\xBF\xBD line");
  EXPECT_EQ(page.events[2].time, 100);
  EXPECT_EQ(page.events[2].message, "");
}

TEST_F(LogStoreTest, DropsALineThatWasCut) {
  store.append(kGroup, "job/a", {{100, "whole"}});
  std::ofstream(store.file(kGroup, "job/a"), std::ios::app) << "101 ha";
  EXPECT_EQ(store.read(kGroup, "job/a", {}).events.size(), 1u);
  store.append(kGroup, "job/a", {{90, "next"}});
  const LogPage page = store.read(kGroup, "job/a", {});
  EXPECT_EQ(messages(page), (std::vector<std::string>{"whole", "next"}));
  EXPECT_EQ(page.events[1].time, 100);
}

/// The reader once looked for the last newline in a mapping of the whole file: SIGBUS when the line was cut off
/// meanwhile.
TEST_F(LogStoreTest, ALineMayBeCutOffWhileTheStreamIsRead) {
  store.append(kGroup, "job/a", {{100, "whole"}});
  const auto path = store.file(kGroup, "job/a");
  const auto whole = std::filesystem::file_size(path);
  std::atomic<bool> done = false;
  std::jthread cutter([&] {
    while (!done) {
      std::filesystem::resize_file(path, whole + 200'000);  // NULs: a long line without its end
      std::filesystem::resize_file(path, whole);
    }
  });
  for (int i = 0; i < 20'000; ++i)
    ASSERT_EQ(messages(store.read(kGroup, "job/a", {})), std::vector<std::string>{"whole"}) << i;
  done = true;
}

TEST_F(LogStoreTest, NamesTooLongForAFileAreNotThere) {
  store.append(kGroup, "job/a", {{100, "x"}});
  const std::string longest(400, 'n');
  EXPECT_FALSE(store.group_exists(longest));
  EXPECT_FALSE(store.stream_exists(kGroup, "job/" + longest));
  EXPECT_FALSE(store.stream_exists(kGroup, "job/"));
  EXPECT_FALSE(store.stream_exists(kGroup, "job"));
  EXPECT_TRUE(store.stream_exists(kGroup, "job/a"));
  EXPECT_THROW(store.read(kGroup, "job/" + longest, {}), Error);
}

TEST_F(LogStoreTest, ListsGroupsAndStreamsByPrefix) {
  EXPECT_THROW(store.streams(kGroup), Error);
  store.append(kGroup, "b/algo-2-1", {});
  store.append(kGroup, "b/algo-1-1", {{7, "x"}});
  store.append(kGroup, "bb/algo-1-1", {});
  store.append(kGroup, "plain", {});
  ASSERT_EQ(store.streams(kGroup, "b/").size(), 2u);
  EXPECT_EQ(store.streams(kGroup, "b/")[0].name, "b/algo-1-1");
  EXPECT_EQ(store.streams(kGroup, "b/")[0].last_event, 7);
  EXPECT_EQ(store.streams(kGroup, "b").size(), 3u);
  EXPECT_EQ(store.streams(kGroup).size(), 4u);
  EXPECT_TRUE(store.streams(kGroup, "nothing/").empty());
  EXPECT_EQ(store.groups("/aws/").size(), 1u);
  EXPECT_THROW(store.read(kGroup, "b/none", {}), Error);
}

}  // namespace
}  // namespace clary::telemetry
