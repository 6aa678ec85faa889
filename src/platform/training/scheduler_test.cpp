// SPDX-License-Identifier: Apache-2.0
// The scheduler over an executor that starts nothing: what it does when the machine refuses, and when changes cross.
#include "platform/training/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "base/error.h"
#include "platform/objects/test_store.h"

namespace clary::training {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

/// Agents are names in a set.
class FakeExecutor final : public Executor {
 public:
  void set_listener(Changed changed) override {
    const std::lock_guard lock(mutex_);
    changed_ = std::move(changed);
  }
  void start(const fs::path& folder) override {
    const std::lock_guard lock(mutex_);
    if (refusals_ > 0 && --refusals_ >= 0) throw SystemError(Kind::kLimit, "agent.lock: No space left on device");
    alive_.insert(folder);
    ++starts_[folder.filename()];
  }
  void attach(const fs::path&) override {}
  bool alive(const fs::path& folder) override {
    std::function<void()> asked;
    {
      const std::lock_guard lock(mutex_);
      if (alive_.contains(folder)) return true;
      asked = std::exchange(when_dead_, nullptr);
    }
    if (asked) asked();
    return false;
  }
  std::string end_of(const fs::path&) override { return "was killed by signal 9"; }
  void forget(const fs::path&) override {}
  catalog::Resources capacity() const override { return {8, 64ULL << 30}; }

  void refuse(int times) { refusals_ = times; }
  int starts(const std::string& host) {
    const std::lock_guard lock(mutex_);
    return starts_[host];
  }
  /// Kills an agent; `seen` runs when the scheduler first sees that it is dead.
  void kill(const fs::path& folder, std::function<void()> seen) {
    Changed changed;
    {
      const std::lock_guard lock(mutex_);
      alive_.erase(folder);
      when_dead_ = std::move(seen);
      changed = changed_;
    }
    changed(folder);
  }

 private:
  std::mutex mutex_;
  Changed changed_;
  std::set<fs::path> alive_;
  std::map<fs::path, int> starts_;
  std::function<void()> when_dead_;
  int refusals_ = 0;
};

class SchedulerTest : public objects::ObjectStoreTest {
 protected:
  SchedulerTest() { catalog_.add_user_image("program", {"/bin/true"}); }

  void create(const std::string& name, int hosts = 1, const Json& more = Json::object()) {
    TrainingJob job;
    job.name = name;
    job.arn = "arn:" + name;
    job.region = "us-west-2";
    job.request = {{"AlgorithmSpecification", {{"TrainingImage", "program"}, {"TrainingInputMode", "File"}}},
                   {"OutputDataConfig", {{"S3OutputPath", "s3://bucket/out"}}},
                   {"ResourceConfig", {{"InstanceType", "ml.m5.large"}, {"InstanceCount", hosts}}},
                   {"StoppingCondition", {{"MaxRuntimeInSeconds", 60}}}};
    job.request.update(more);
    job.created = job.modified = now_ms();
    job.transitions = {{"Starting", "x", job.created, 0}};
    ASSERT_TRUE(jobs_.create(job, {}));
  }
  /// Waits until `done`; at most 20 s.
  void wait_until(const std::function<bool()>& done) {
    const auto limit = std::chrono::steady_clock::now() + 20s;
    while (!done() && std::chrono::steady_clock::now() < limit) std::this_thread::sleep_for(5ms);
  }
  JobState state_of(const std::string& name) { return jobs_.find(name)->state; }

  TrainingJobs jobs_{*database_};
  catalog::AlgorithmCatalog catalog_;
  telemetry::LogStore logs_{folder_.path() / "logs"};
  metric_store::MetricStore metrics_{*database_, folder_.path() / "metrics"};
  FakeExecutor executor_;
  Scheduler scheduler_{folder_.path() / "jobs", jobs_, LaunchContext{*store_, catalog_, logs_, metrics_, true, 120},
                       executor_};
};

/// A full disk was taken for an error of the user's data, and the job failed for good.
TEST_F(SchedulerTest, AFullDiskDelaysALaunch) {
  create("j", 2);
  executor_.refuse(3);
  scheduler_.recover();
  const auto started = [&] { return executor_.starts("algo-1") > 0 && executor_.starts("algo-2") > 0; };
  wait_until([&] { return started() || is_terminal(state_of("j")); });
  EXPECT_TRUE(started()) << jobs_.find("j")->failure_reason;
  EXPECT_EQ(executor_.starts("algo-1"), 1);
  EXPECT_EQ(executor_.starts("algo-2"), 1);
  // It holds the share of the machine once: a job as large as what is left has room.
  const auto rest = catalog::job_resources("ml.m5.large", 2, executor_.capacity());
  ASSERT_LE(2 * rest.vcpus, executor_.capacity().vcpus);
  create("k", 2);
  scheduler_.wake("k");
  wait_until([&] { return executor_.starts("algo-1") == 2; });
  EXPECT_EQ(executor_.starts("algo-1"), 2);
}

/// The move from Stopping to Starting was refused by the table of states, and the job became Failed.
TEST_F(SchedulerTest, AJobStoppedWhileItWouldStartOverIsStopped) {
  create("j", 1, {{"RetryStrategy", {{"MaximumRetryAttempts", 1}}}});
  scheduler_.recover();
  wait_until([&] { return executor_.starts("algo-1") == 1; });
  // After the scheduler has read the row, before it changes it.
  executor_.kill(folder_.path() / "jobs/j/algo-1", [&] {
    jobs_.update("j", [](TrainingJob& row) {
      row.stop_reason = "Stop";
      TrainingJobs::move(row, JobState::kStopping, now_ms());
    });
  });
  wait_until([&] { return is_terminal(state_of("j")); });
  EXPECT_EQ(state_of("j"), JobState::kStopped) << jobs_.find("j")->failure_reason;
  EXPECT_EQ(executor_.starts("algo-1"), 1);
}

TEST_F(SchedulerTest, AJobWhoseAgentDiesStartsOverAsOftenAsItMay) {
  create("j", 1, {{"RetryStrategy", {{"MaximumRetryAttempts", 1}}}});
  scheduler_.recover();
  for (int attempt = 1; attempt <= 2; ++attempt) {
    wait_until([&] { return executor_.starts("algo-1") == attempt; });
    ASSERT_EQ(executor_.starts("algo-1"), attempt);
    executor_.kill(folder_.path() / "jobs/j/algo-1", nullptr);
  }
  wait_until([&] { return is_terminal(state_of("j")); });
  EXPECT_EQ(state_of("j"), JobState::kFailed);
  EXPECT_THAT(jobs_.find("j")->failure_reason, testing::HasSubstr("was killed by signal 9"));
}

}  // namespace
}  // namespace clary::training
