// SPDX-License-Identifier: Apache-2.0
#include "platform/metric_store/metric_store.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <optional>

#include "base/files.h"

namespace clary::metric_store {
namespace {

namespace fs = std::filesystem;

const Owner kJob{"/aws/sagemaker/TrainingJobs", {{"TrainingJobName", "a/b c"}}};

class MetricStoreTest : public testing::Test {
 protected:
  void SetUp() override { restart(); }
  void restart() {
    store.reset();
    database.reset();
    database.emplace(folder.path() / "db");
    store.emplace(*database, folder.path() / "metrics");
  }
  double count(const Owner& owner, const std::string& name) {
    double sum = 0;
    for (const auto& [begin, period] : store->periods({owner, name}, 0, EpochMs{1} << 50, 1 << 30)) sum += period.count;
    return sum;
  }

  const TemporaryFolder folder;
  std::optional<store::Database> database;
  std::optional<MetricStore> store;
};

TEST_F(MetricStoreTest, KeepsSeriesApart) {
  store->append("N", {{{{"D", "x=y&z"}}, MetricPoint::of("m", 5000, 1)}, {{}, MetricPoint::of("m", 5000, 2)}});
  store->append("M", {{{}, MetricPoint::of("m", 5000, 4)}});
  ASSERT_EQ(store->series().size(), 3u);
  ASSERT_EQ(store->series("N").size(), 2u);
  EXPECT_EQ(store->series("N")[1].owner, (Owner{"N", {{"D", "x=y&z"}}}));
  EXPECT_EQ(store->periods({{"N", {{"D", "x=y&z"}}}, "m"}, 0, 10'000, 1).at(5000).sum, 1);
  EXPECT_TRUE(store->periods({{"other", {}}, "m"}, 0, 10'000, 1).empty());
}

TEST_F(MetricStoreTest, FoldsIntoPeriods) {
  store->append("N", {{{}, MetricPoint::of("m", 59'999, 1)},
                      {{}, MetricPoint::of("m", 60'000, 2)},
                      {{}, MetricPoint::of("m", 60'500, -4)}});
  store->append("N", {{{}, MetricPoint::of("m", 60'200, 8)}, {{}, MetricPoint::of("m", 61'000, 16)}});
  const auto minutes = store->periods({{"N", {}}, "m"}, 0, 200'000, 60);
  ASSERT_EQ(minutes.size(), 2u);
  EXPECT_EQ(minutes.at(0).count, 1);
  const Statistics& second = minutes.at(60'000);
  EXPECT_EQ(second.sum, 22);
  EXPECT_EQ(second.count, 4);
  EXPECT_EQ(second.minimum, -4);
  EXPECT_EQ(second.maximum, 16);
  // Ends are rounded outwards to whole seconds.
  EXPECT_EQ(store->periods({{"N", {}}, "m"}, 60'900, 60'901, 1).at(60'000).count, 3);
  EXPECT_TRUE(store->periods({{"N", {}}, "m"}, 62'000, 61'000, 1).empty());
}

TEST_F(MetricStoreTest, KnowsTheLastValue) {
  store->append("N", {{{}, MetricPoint::of("m", 7100, 1)}, {{}, MetricPoint::of("m", 7100, 2)}});
  store->append("N", {{{}, MetricPoint::of("m", 7050, 3)}, {{}, MetricPoint::of("m", 6000, 4)}});
  EXPECT_EQ(store->last_values({"N", {}}).at("m").value, 2);
  EXPECT_EQ(store->last_values({"N", {}}).at("m").time, 7100);
  store->append("N", {{{}, MetricPoint::of("m", 7100, 5)}});
  EXPECT_EQ(store->last_values({"N", {}}).at("m").value, 5);
}

TEST_F(MetricStoreTest, TakesInWhatAgentsReportOnce) {
  telemetry::MetricWriter writer(folder.path() / "job/metrics/1"), other(folder.path() / "job2/metrics/2");
  store->follow(folder.path() / "job/metrics", kJob);
  store->follow(folder.path() / "job2/metrics", kJob);
  store->follow(folder.path() / "nothing", kJob);
  writer.append({MetricPoint::of("loss", 1000, 1), MetricPoint::of("loss", 1001, 2)});
  EXPECT_EQ(count(kJob, "loss"), 2);
  other.append({MetricPoint::of("loss", 1002, 3)});
  EXPECT_EQ(count(kJob, "loss"), 3);
  EXPECT_EQ(store->last_values(kJob).at("loss").value, 3);
  restart();
  store->follow(folder.path() / "job/metrics", kJob);
  store->follow(folder.path() / "job2/metrics", kJob);
  EXPECT_EQ(count(kJob, "loss"), 3);
  fs::remove_all(folder.path() / "job");
  writer.append({MetricPoint::of("loss", 1003, 4)});  // of an agent that has not ended yet: nothing comes back
  EXPECT_EQ(count(kJob, "loss"), 3);
  EXPECT_FALSE(fs::exists(folder.path() / "job"));
  store->unfollow(folder.path() / "job2/metrics");
  other.append({MetricPoint::of("loss", 1004, 5)});
  EXPECT_EQ(count(kJob, "loss"), 3);
}

TEST_F(MetricStoreTest, RemovesAnOwner) {
  std::vector<std::pair<Dimensions, MetricPoint>> points;
  for (int second = 0; second < 25'000; ++second) points.push_back({{}, MetricPoint::of("m", second * 1000, 1)});
  store->append("N", points);
  store->append("M", {{{}, MetricPoint::of("m", 5000, 4)}});
  store->remove({"N", {}});
  EXPECT_EQ(store->series().size(), 1u);
  store->append("N", {{{}, MetricPoint::of("m", 5000, 4)}});
  EXPECT_EQ(count({"N", {}}, "m"), 1);
}

TEST_F(MetricStoreTest, ImportsTheFilesOfVersion010) {
  const auto old = folder.path() / "metrics/%2Faws%2Fsagemaker%2FTrainingJobs/TrainingJobName%3Da%252Fb%2520c";
  fs::create_directories(old.parent_path());
  std::ofstream(old) << "1796073831466 6 1 3 3 q\n1796 3.5 3.5"
                     << "1796074096873 1 1 1 1 q\n1796073831466 1 1 1 1 q\n";
  restart();
  EXPECT_EQ(count(kJob, "q"), 4);
  EXPECT_EQ(store->series().size(), 1u);  // nothing of the cut line
  EXPECT_FALSE(fs::exists(folder.path() / "metrics"));
  // An agent that was started by the old version goes on.
  fs::create_directories(old.parent_path());
  std::ofstream(old) << "1796073831467 1 1 1 1 q\n";
  EXPECT_EQ(count(kJob, "q"), 5);
  restart();
  EXPECT_EQ(count(kJob, "q"), 5);
}

// Each child takes reports in and puts points of its own until it is killed, wherever it is then.
TEST_F(MetricStoreTest, NothingIsLostOrCountedTwiceWhenKilled) {
  telemetry::MetricWriter writer(folder.path() / "job/metrics/1");
  std::vector<MetricPoint> batch;
  for (int i = 0; i < 3000; ++i) batch.push_back(MetricPoint::of("loss", i * 700, 1));
  double reported = 0, acknowledged = 0;
  store.reset();
  database.reset();
  for (int round = 0; round < 12; ++round) {
    int pipe[2];
    ASSERT_EQ(::pipe(pipe), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      restart();
      store->follow(folder.path() / "job/metrics", kJob);
      for (;;) {
        store->append("N", {{{}, MetricPoint::of("put", 5000, 1)}});
        if (::write(pipe[1], "+", 1) != 1) ::_exit(1);  // acknowledged
        store->take_in();
      }
    }
    ::close(pipe[1]);
    for (int i = 0; i < 4; ++i, reported += 3000) {
      writer.append(batch);
      ::usleep(static_cast<useconds_t>(1000 * round + 500));
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    char buffer[4096];
    for (ssize_t n; (n = ::read(pipe[0], buffer, sizeof buffer)) > 0;) acknowledged += static_cast<double>(n);
    ::close(pipe[0]);
  }
  restart();
  store->follow(folder.path() / "job/metrics", kJob);
  EXPECT_EQ(count(kJob, "loss"), reported);
  EXPECT_GE(count({"N", {}}, "put"), acknowledged);
  EXPECT_LE(count({"N", {}}, "put"), acknowledged + 12);  // committed, and killed before it could say so
  EXPECT_GT(acknowledged, 0);
}

}  // namespace
}  // namespace clary::metric_store
