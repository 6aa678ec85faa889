// SPDX-License-Identifier: Apache-2.0
// The scheduler with real agents: this program is its own agent.
#include "platform/training/scheduler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/files.h"
#include "platform/agent/agent.h"
#include "platform/executors/local_process.h"
#include "platform/sandbox/sandbox.h"

namespace clary::training {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

/// A server's worth of parts in a folder; making another one over the same folder is a restart.
struct Parts {
  explicit Parts(const std::filesystem::path& root, int vcpus = 64)
      : database(root / "db"),
        objects(root, database),
        logs(root / "logs"),
        metrics(database, root / "metrics"),
        executor("/proc/self/exe", objects.local_root(), {vcpus, 1ULL << 40U}) {
    catalog.add_user_image("sh", {"/bin/sh", "-c", script_of(root)});
    if (!objects.bucket("bucket")) objects.create_bucket("bucket", "us-west-2");
    context.emplace(LaunchContext{objects, catalog, logs, metrics, false, 1});
    scheduler = std::make_unique<Scheduler>(root / "jobs", jobs, *context, executor);
    scheduler->recover();
  }
  /// The program is the hyperparameter `script`: sh -c finds it in the contract's own file.
  static std::string script_of(const std::filesystem::path&) {
    return R"sh(eval "$(sed -e 's/.*"script":"//' -e 's/"}$//' /opt/ml/input/config/hyperparameters.json)")sh";
  }

  store::Database database;
  objects::ObjectStore objects;
  telemetry::LogStore logs;
  metric_store::MetricStore metrics;
  catalog::AlgorithmCatalog catalog;
  TrainingJobs jobs{database};
  executors::LocalProcess executor;
  std::optional<LaunchContext> context;
  std::unique_ptr<Scheduler> scheduler;
};

class SchedulerTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!sandbox::sandbox_available()) GTEST_SKIP() << "no user namespaces here";
    restart();
  }
  void restart(int vcpus = 64) {
    parts.reset();
    parts = std::make_unique<Parts>(root.path(), vcpus);
  }

  void create(const std::string& name, const std::string& script, int count = 1, Json more = Json::object()) {
    TrainingJob job;
    job.name = name;
    job.arn = "arn:" + name;
    job.region = "us-west-2";
    job.request = {{"AlgorithmSpecification", {{"TrainingImage", "sh"}, {"TrainingInputMode", "File"}}},
                   {"HyperParameters", {{"script", script}}},
                   {"ResourceConfig", {{"InstanceType", "ml.m5.large"}, {"InstanceCount", count}}},
                   {"OutputDataConfig", {{"S3OutputPath", "s3://bucket/out"}}},
                   {"StoppingCondition", {{"MaxRuntimeInSeconds", 60}}}};
    job.request.update(more);
    job.created = job.modified = now_ms();
    job.transitions = {{"Starting", "", job.created, 0}};
    ASSERT_TRUE(parts->jobs.create(job, {}));
    parts->scheduler->wake(name);
  }

  template <class Condition>
  void wait_for(Condition condition) {
    for (int i = 0; i < 4000 && !condition(); ++i) ::usleep(5000);
    ASSERT_TRUE(condition()) << "20 seconds have passed";
  }
  TrainingJob row_of_job(const std::string& name) { return parts->jobs.find(name).value(); }
  TrainingJob end_of(const std::string& name) {
    wait_for([&] { return is_terminal(row_of_job(name).state); });
    return row_of_job(name);
  }
  void wait_for_line(const std::string& name, const std::string& line) {
    wait_for([&] {
      const TrainingJob job = row_of_job(name);
      if (job.launched == 0) return false;
      const auto file = parts->logs.file(kTrainingNamespace, stream_of(job, 0));
      return std::filesystem::exists(file) && read_file(file).find(line) != std::string::npos;
    });
  }
  static std::vector<std::string> statuses(const TrainingJob& job) {
    std::vector<std::string> out;
    for (const Transition& t : job.transitions) out.push_back(t.status);
    return out;
  }
  pid_t agent_pid(const std::string& name) {
    const std::string wanted = (root.path() / "jobs" / name / "algo-1").string();
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
      try {
        const std::string command = read_file(entry.path() / "cmdline", 1 << 16);
        if (command.find("--job") != std::string::npos && command.find(wanted) != std::string::npos)
          return std::stoi(entry.path().filename().string());
      } catch (const std::exception&) {
        continue;  // no process, or gone
      }
    }
    return -1;
  }

  TemporaryFolder root;
  std::unique_ptr<Parts> parts;
};

TEST_F(SchedulerTest, TrainsToAnArtifact) {
  parts->objects.put_text("bucket", "in/x.csv", "1,2");
  const Json channel = {{"ChannelName", "train"},
                        {"DataSource", {{"S3DataSource", {{"S3DataType", "S3Prefix"}, {"S3Uri", "s3://bucket/in/"}}}}}};
  create("j", "cp /opt/ml/input/data/train/x.csv /opt/ml/model/; echo done > /opt/ml/output/data/o", 1,
         {{"InputDataConfig", {channel}}});
  const TrainingJob job = end_of("j");
  EXPECT_THAT(statuses(job), ElementsAre("Starting", "Downloading", "Training", "Uploading", "Completed"))
      << job.failure_reason;
  EXPECT_TRUE(parts->objects.head("bucket", "out/j/output/model.tar.gz"));
  EXPECT_TRUE(parts->objects.head("bucket", "out/j/output/output.tar.gz"));
  EXPECT_EQ(parts->logs.streams(kTrainingNamespace, "j/").size(), 1u);
  wait_for([&] { return !std::filesystem::exists(root.path() / "jobs/j"); });
}

TEST_F(SchedulerTest, SeveralInstancesMeetAndMerge) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "setns() of a user namespace needs one thread, and the sanitizer starts another after fork()";
#endif
  create("j", "echo $(hostname) > /opt/ml/model/$(hostname); getent hosts algo-2", 3);
  EXPECT_EQ(end_of("j").state, JobState::kCompleted);
  EXPECT_EQ(parts->logs.streams(kTrainingNamespace, "j/").size(), 3u);
  create("bad", "test $(hostname) = algo-1 && sleep 60; exit 4", 2);
  const TrainingJob bad = end_of("bad");
  EXPECT_EQ(bad.state, JobState::kFailed);
  EXPECT_EQ(bad.failure_reason, "AlgorithmError: , exit code: 4");
}

TEST_F(SchedulerTest, FailuresSayWhy) {
  create("text", "printf 'it broke' > /opt/ml/output/failure; exit 2");
  EXPECT_EQ(end_of("text").failure_reason, "AlgorithmError: it broke, exit code: 2");
  create("killed", "kill -9 $$");
  EXPECT_EQ(end_of("killed").failure_reason,
            "AlgorithmError: the program of algo-1 was killed by signal 9, exit code: 137");
  EXPECT_FALSE(parts->objects.head("bucket", "out/text/output/model.tar.gz"));
  create("nothing", "true", 1,
         {{"InputDataConfig",
           {{{"ChannelName", "train"},
             {"DataSource", {{"S3DataSource", {{"S3DataType", "S3Prefix"}, {"S3Uri", "s3://bucket/none"}}}}}}}}});
  EXPECT_THAT(end_of("nothing").failure_reason, HasSubstr("ClientError: Data download failed:No S3 objects found"));
  create("lost", "true", 1, {{"OutputDataConfig", {{"S3OutputPath", "s3://nobucket/x"}}}});
  EXPECT_THAT(end_of("lost").failure_reason, HasSubstr("nobucket"));
}

TEST_F(SchedulerTest, StopKeepsWhatTheProgramSaved) {
  create("j", "trap 'echo x > /opt/ml/model/m; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
  wait_for_line("j", "ready");
  parts->jobs.update("j", [](TrainingJob& job) {
    job.stop_reason = "Stop";
    TrainingJobs::move(job, JobState::kStopping, now_ms());
  });
  parts->scheduler->wake("j");
  EXPECT_THAT(statuses(end_of("j")), ElementsAre("Starting", "Training", "Stopping", "Uploading", "Stopped"));
  EXPECT_TRUE(parts->objects.head("bucket", "out/j/output/model.tar.gz"));
}

TEST_F(SchedulerTest, RuntimeIsLimited) {
  create("j", "sleep 60", 1, {{"StoppingCondition", {{"MaxRuntimeInSeconds", 1}}}});
  const TrainingJob job = end_of("j");
  EXPECT_EQ(job.state, JobState::kMaxRuntimeExceeded) << job.failure_reason;
}

TEST_F(SchedulerTest, JobsWaitForRoomInTheirOrder) {
  restart(2);
  create("first", "echo ready; while ! test -e /opt/ml/model/go; do sleep 0.01; done");
  wait_for_line("first", "ready");
  create("second", "true");
  wait_for([&] { return row_of_job("second").state == JobState::kPending; });
  std::ofstream(root.path() / "jobs/first/algo-1/ml/model/go");
  EXPECT_EQ(end_of("first").state, JobState::kCompleted);
  EXPECT_THAT(statuses(end_of("second")), ElementsAre("Starting", "Pending", "Training", "Uploading", "Completed"));
}

TEST_F(SchedulerTest, AgentsOutliveTheServer) {
  create("j", "echo ready; while ! test -e /opt/ml/model/go; do sleep 0.01; done; echo end");
  wait_for_line("j", "ready");
  restart();
  EXPECT_EQ(row_of_job("j").state, JobState::kTraining);
  std::ofstream(root.path() / "jobs/j/algo-1/ml/model/go");
  EXPECT_EQ(end_of("j").state, JobState::kCompleted);
  create("k", "echo ready; while ! test -e /opt/ml/model/go; do sleep 0.01; done; echo end");
  wait_for_line("k", "ready");
  parts.reset();  // the job ends while there is no server
  std::ofstream(root.path() / "jobs/k/algo-1/ml/model/go");
  while (agent_pid("k") > 0) ::usleep(5000);
  restart();
  EXPECT_EQ(end_of("k").state, JobState::kCompleted);
}

TEST_F(SchedulerTest, DeathOfAnAgentFailsTheJobOrStartsItOver) {
  create("j", "echo ready; sleep 60");
  wait_for_line("j", "ready");
  ::kill(agent_pid("j"), SIGKILL);
  EXPECT_THAT(end_of("j").failure_reason, HasSubstr("The agent of algo-1 was killed by signal 9"));
  create(
      "again", "echo ready; test -e /opt/ml/checkpoints/c || { echo x > /opt/ml/checkpoints/c; sleep 60; }", 1,
      {{"RetryStrategy", {{"MaximumRetryAttempts", 1}}}, {"CheckpointConfig", {{"S3Uri", "s3://bucket/checkpoints"}}}});
  wait_for_line("again", "ready");
  wait_for([&] { return std::filesystem::exists(root.path() / "jobs/again/algo-1/ml/checkpoints/c"); });
  ::kill(agent_pid("again"), SIGKILL);
  const TrainingJob job = end_of("again");
  EXPECT_EQ(job.state, JobState::kCompleted) << job.failure_reason;
  EXPECT_EQ(job.attempt, 1);
  EXPECT_TRUE(parts->objects.head("bucket", "checkpoints/c"));
  EXPECT_EQ(parts->logs.streams(kTrainingNamespace, "again/").size(), 1u);
}

/// What a server leaves that is killed between the lock file and the start of the agent.
TEST_F(SchedulerTest, AgentOfWhichOnlyTheLockFileIsThereIsStarted) {
  create("j", "echo ready; sleep 1");
  wait_for_line("j", "ready");
  const pid_t agent = agent_pid("j");
  parts.reset();
  ::kill(agent, SIGKILL);
  ::waitpid(agent, nullptr, 0);
  for (const char* name : {"agent.log", "events.jsonl", "ml"})
    std::filesystem::remove_all(root.path() / "jobs/j/algo-1" / name);
  restart();
  EXPECT_EQ(end_of("j").state, JobState::kCompleted) << row_of_job("j").failure_reason;
}

TEST_F(SchedulerTest, DeathOfAnAttachedAgentIsSeenToo) {
  create("j", "echo ready; sleep 60");
  wait_for_line("j", "ready");
  restart();
  ::kill(agent_pid("j"), SIGKILL);
  EXPECT_THAT(end_of("j").failure_reason, HasSubstr("The agent of algo-1 was killed before it could report"));
}

/// The removal of an ended job's folder takes a while, in which the next one must not begin to use it, nor take the
/// place in the scheduler that is given up then: its share of the machine would be counted twice, and no other job had
/// room.
TEST_F(SchedulerTest, NewJobOfAnEndedOnesNameKeepsItsFolder) {
  restart(2);
  for (int round = 0; round < 4; ++round) {
    create("j", "cd /opt/ml/output && seq 2000 | xargs touch; sleep 0.1; echo x > /opt/ml/model/m");
    const TrainingJob job = end_of("j");
    ASSERT_EQ(job.state, JobState::kCompleted) << job.failure_reason;
    ASSERT_TRUE(parts->objects.head("bucket", "out/j/output/model.tar.gz"));
    ASSERT_TRUE(parts->jobs.remove("j"));
    parts->objects.remove("bucket", "out/j/output/model.tar.gz");
  }
  wait_for([&] { return !std::filesystem::exists(root.path() / "jobs/j"); });
}

/// The stop file cannot be written, as on a full disk: the job ends when it can.
TEST_F(SchedulerTest, JobThatCannotBeFailedNowIsFailedLater) {
  create("j", "echo ready; sleep 60");
  wait_for_line("j", "ready");
  std::filesystem::create_directories(root.path() / "jobs/j/algo-1/stop/in the way");
  std::ofstream(root.path() / "jobs/j/algo-1/events.jsonl", std::ios::app) << "no event\n";
  ::usleep(300'000);
  EXPECT_EQ(row_of_job("j").state, JobState::kTraining);
  std::filesystem::remove_all(root.path() / "jobs/j/algo-1/stop");
  EXPECT_EQ(end_of("j").state, JobState::kFailed);
  create("k", "true");
  EXPECT_EQ(end_of("k").state, JobState::kCompleted);
}

TEST_F(SchedulerTest, MetricsOfAllAttemptsAndInstancesAreKept) {
  const Json more{{"AlgorithmSpecification",
                   {{"TrainingImage", "sh"},
                    {"TrainingInputMode", "File"},
                    {"MetricDefinitions", {{{"Name", "loss"}, {"Regex", "loss=([0-9.]+)"}}}}}},
                  {"RetryStrategy", {{"MaximumRetryAttempts", 1}}},
                  {"CheckpointConfig", {{"S3Uri", "s3://bucket/c"}}}};
  create("j",
         "echo loss=1; test -e /opt/ml/checkpoints/c || { echo x > /opt/ml/checkpoints/c; sleep 60; }; echo loss=2", 1,
         more);
  const auto count = [&] {
    double sum = 0;
    for (const auto& [begin, all] : parts->metrics.periods({metrics_owner("j"), "loss"}, 0, now_ms() + 60'000, 60))
      sum += all.count;
    return sum;
  };
  wait_for([&] { return count() == 1 && std::filesystem::exists(root.path() / "jobs/j/algo-1/ml/checkpoints/c"); });
  restart();
  EXPECT_EQ(count(), 1);
  ::kill(agent_pid("j"), SIGKILL);
  const TrainingJob job = end_of("j");
  EXPECT_EQ(job.state, JobState::kCompleted) << job.failure_reason;
  EXPECT_EQ(count(), 3);
  ASSERT_EQ(job.final_metrics.size(), 1u);
  EXPECT_EQ(job.final_metrics[0]["Value"], 2);
}

/// Whichever call finds no descriptor left: start() says so and leaves no process, or the agent's end is seen.
TEST(LocalProcess, DoesNotLoseAnAgentWhenDescriptorsAreUsedUp) {
  const TemporaryFolder root;
  executors::LocalProcess executor("/bin/true", root.path(), {1, 1 << 20});
  rlimit usual{};
  ::getrlimit(RLIMIT_NOFILE, &usual);
  bool started = false;
  for (rlim_t limit = 3; limit < 64 && !started; ++limit) {
    const auto folder = root.path() / std::to_string(limit);
    std::filesystem::create_directories(folder);
    const rlimit few{limit, usual.rlim_max};
    ::setrlimit(RLIMIT_NOFILE, &few);
    try {
      executor.start(folder);
      started = true;
    } catch (const std::exception&) {
    }
    ::setrlimit(RLIMIT_NOFILE, &usual);
    for (int i = 0; started && i < 400 && executor.alive(folder); ++i) ::usleep(5000);
    EXPECT_FALSE(executor.alive(folder)) << limit;
  }
  EXPECT_TRUE(started);
}

}  // namespace
}  // namespace clary::training

int main(int argc, char** argv) {
  if (argc == 5 && std::strcmp(argv[1], "--job") == 0) return clary::agent::run_agent(argv[2], argv[4]);
  testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}
