// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/agent.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <fstream>
#include <thread>

#include "base/error.h"
#include "platform/agent/events.h"
#include "platform/agent/spec.h"
#include "platform/sandbox/sandbox.h"
#include "platform/telemetry/log_store.h"
#include "platform/telemetry/metric_file.h"

namespace clary::agent {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

class AgentTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!sandbox::sandbox_available()) GTEST_SKIP() << "no user namespaces here";
    spec.job_name = "job";
    spec.job_arn = "arn:job";
    spec.region = "us-west-2";
    spec.address_prefix = "127.1.1.";
    spec.log_file = folder.path() / "log";
    spec.metrics_file = "metrics/1";
  }

  StagedObject object(const std::string& relative, const std::string& text) {
    const std::string file = "object-" + std::to_string(++object_count);
    write_file_atomically(folder.path() / file, text);
    return {"bucket", relative, "", file, relative};
  }

  void add_channel(const std::string& name, contract::InputMode mode, std::vector<StagedObject> objects) {
    AgentChannel channel;
    channel.name = name;
    channel.config.input_mode = mode;
    channel.objects = std::move(objects);
    spec.channels.push_back(std::move(channel));
  }

  pid_t start(const std::string& script) {
    spec.argv = {"/bin/sh", "-c", script};
    write_file_atomically(folder.path() / "agent.json", dump_json(to_json(spec)));
    const pid_t pid = ::fork();
    if (pid == 0) ::_exit(run_agent(folder.path(), folder.path()));
    return pid;
  }

  AgentEvent finish(pid_t pid) {
    int status = 0;
    ::waitpid(pid, &status, 0);
    const auto events = read_events(folder.path());
    return events.empty() ? AgentEvent{} : events.back();
  }
  AgentEvent run(const std::string& script) { return finish(start(script)); }

  std::vector<std::string> lines() const {
    std::vector<std::string> out;
    std::string text = read_file(spec.log_file);
    for (std::size_t newline; (newline = text.find('\n')) != std::string::npos; text.erase(0, newline + 1))
      out.push_back(text.substr(text.find(' ') + 1, newline - text.find(' ') - 1));
    return out;
  }

  void wait_for_line(const std::string& line) {
    for (int i = 0; i < 2000; ++i) {
      if (std::filesystem::exists(spec.log_file) && read_file(spec.log_file).find(line) != std::string::npos) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    FAIL() << "no line " << line;
  }

  TemporaryFolder folder;
  AgentSpec spec;
  int object_count = 0;
};

TEST_F(AgentTest, RunsTheContract) {
  spec.hyperparameters = {{"k", "5"}};
  spec.environment = {{"MINE", "yes"}};
  spec.metrics = {{"loss", "loss=([0-9.]+)"}};
  add_channel("train", contract::InputMode::kFile, {object("a/x.csv", "1,2\n"), object("y.csv", "3,4\n")});
  const AgentEvent end =
      run("cat /opt/ml/input/data/train/a/x.csv /opt/ml/input/config/hyperparameters.json; echo; echo $MINE "
          "$TRAINING_JOB_NAME;"
          "getent hosts algo-1; echo loss=0.5; echo loss=0.25; echo model > /opt/ml/model/m; printf tail >&2");
  EXPECT_EQ(end.cause, EndCause::kExit) << end.text;
  EXPECT_EQ(end.exit_code, 0);
  const auto out = lines();
  ASSERT_EQ(out.size(), 7u) << testing::PrintToString(out);
  EXPECT_EQ(out[0], "1,2");
  EXPECT_EQ(out[1], R"({"k":"5"})");
  EXPECT_EQ(out[2], "yes job");
  EXPECT_THAT(out[3], HasSubstr("127.1.1.1"));
  EXPECT_EQ(out[6], "tail");
  EXPECT_EQ(read_file(folder.path() / "ml/model/m"), "model\n");
  const auto points = telemetry::read_points(folder.path() / spec.metrics_file, 0).points;
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[1].sum, 0.25);
  const auto events = read_events(folder.path());
  EXPECT_EQ(events[0].kind, AgentEventKind::kDownloading);
  EXPECT_EQ(events[1].kind, AgentEventKind::kTraining);
}

TEST_F(AgentTest, ReportsFailureFileAndExitCode) {
  const AgentEvent end = run("echo -n 'ClientError: k is wrong' > /opt/ml/output/failure; exit 3");
  EXPECT_EQ(end.exit_code, 3);
  EXPECT_EQ(end.failure, "ClientError: k is wrong");
  EXPECT_EQ(run("kill -9 $$").exit_code, 137);
}

TEST_F(AgentTest, NeverFollowsALinkThatTheProgramMade) {
  EXPECT_EQ(run("ln -s /etc/passwd /opt/ml/output/failure; exit 1").failure, std::nullopt);
}

TEST_F(AgentTest, RefusesInputThatCannotBeStaged) {
  add_channel("train", contract::InputMode::kFile, {object("a", "1"), object("a/b", "2")});
  AgentEvent end = run("true");
  EXPECT_EQ(end.cause, EndCause::kDownload);
  EXPECT_THAT(end.text, HasSubstr("a/b"));
  spec.channels[0].objects = {{"bucket", "gone", "", "gone", "x"}};
  end = run("true");
  EXPECT_THAT(end.text, HasSubstr("no longer there"));
  spec.channels[0].objects = {object("../x", "1")};
  EXPECT_THAT(run("true").text, HasSubstr("cannot be a file name"));
}

TEST_F(AgentTest, FeedsPipesEpochByEpoch) {
  add_channel("train", contract::InputMode::kPipe, {object("a", "one\n"), object("b", "two\n")});
  add_channel("framed", contract::InputMode::kPipe, {object("a", "xyz")});
  spec.channels[1].config.record_wrapper = "RecordIO";
  add_channel("zipped", contract::InputMode::kPipe, {object("a", "not gzip")});
  const AgentEvent end =
      run("cd /opt/ml/input/data; cat train_0; while ! [ -p train_1 ]; do :; done; head -c 2 train_1; echo;"
          "while ! [ -p train_2 ]; do :; done; cat train_2; od -An -tx1 framed_0; exit 0");
  EXPECT_EQ(end.exit_code, 0) << end.text;
  EXPECT_THAT(lines(), ElementsAre("one", "two", "on", "one", "two", " 0a 23 d7 ce 03 00 00 00 78 79 7a 00"));
}

TEST_F(AgentTest, FeedsTheAttributesOfAnAugmentedManifest) {
  const std::string manifest =
      "{\"source\": \"a b\", \"label\": 1, \"pic-ref\": \"s3://b/x\"}\n"
      "{\"label\": [2, 3], \"source\": \"cde\", \"pic-ref\": \"s3://b/y\", \"other\": 9}\n";
  add_channel("train", contract::InputMode::kPipe, {object("m", manifest)});
  spec.channels[0].attributes = {"source", "label"};
  spec.channels[0].config.record_wrapper = "RecordIO";
  add_channel("plain", contract::InputMode::kPipe,
              {object("m", manifest), object("s3://b/x", "<pic x>"), object("s3://b/y", "<pic y>")});
  spec.channels[1].attributes = {"pic-ref", "label"};
  add_channel("zipped", contract::InputMode::kPipe, {object("m.gz", "")});
  spec.channels[2].attributes = {"label"};
  spec.channels[2].gzip = true;
  gzFile zipped = ::gzopen((folder.path() / spec.channels[2].objects[0].file).c_str(), "wb");
  ::gzwrite(zipped, manifest.data(), static_cast<unsigned>(manifest.size()));
  ::gzclose(zipped);
  const AgentEvent end =
      run("cd /opt/ml/input/data; od -An -v -tx1 -w64 train_0; while ! [ -p train_1 ]; do :; done; wc -c < train_1;"
          "cat plain_0; echo; cat zipped_0; echo; exit 0");
  EXPECT_EQ(end.exit_code, 0) << end.text;
  const std::string magic = "0a 23 d7 ce ";
  EXPECT_THAT(lines(),
              ElementsAre(" " + magic + "03 00 00 00 61 20 62 00 " + magic + "01 00 00 00 31 00 00 00 " + magic +
                              "03 00 00 00 63 64 65 00 " + magic + "06 00 00 00 5b 32 2c 20 33 5d 00 00",
                          "52", "<pic x>1<pic y>[2, 3]", "1[2, 3]"));
}

TEST_F(AgentTest, DealsAndShufflesTheLinesOfAnAugmentedManifest) {
  std::string manifest;
  for (int i = 0; i < 10; ++i) manifest += "{\"n\": " + std::to_string(i) + "}\n";
  spec.resources.hosts = {"algo-1", "algo-2"};
  spec.resources.current_host = "algo-2";
  spec.host_index = 1;
  add_channel("dealt", contract::InputMode::kPipe, {object("m", manifest)});
  spec.channels[0].attributes = {"n"};
  spec.channels[0].deal_each_epoch = true;
  add_channel("mixed", contract::InputMode::kPipe, {object("m", manifest)});
  spec.channels[1].attributes = {"n"};
  spec.channels[1].shuffle_seed = 7;
  const AgentEvent end =
      run("cd /opt/ml/input/data; cat dealt_0; echo; cat mixed_0; echo; while ! [ -p mixed_1 ]; do :; done;"
          "cat mixed_1; echo; exit 0");
  EXPECT_EQ(end.exit_code, 0) << end.text;
  const auto out = lines();
  ASSERT_EQ(out.size(), 3U);
  EXPECT_EQ(out[0], "13579");
  EXPECT_NE(out[1], out[2]);
  for (std::size_t i = 1; i < 3; ++i) {
    std::string sorted = out[i];
    std::sort(sorted.begin(), sorted.end());
    EXPECT_EQ(sorted, "0123456789");
  }
}

TEST_F(AgentTest, FailsTheJobAtABadLineOfAManifest) {
  add_channel("train", contract::InputMode::kPipe, {object("m", "{\"source\": \"a\"}\n\n{\"text\": \"b\"}\n")});
  spec.channels[0].attributes = {"source"};
  const AgentEvent end = run("cat /opt/ml/input/data/train_0; sleep 60");
  EXPECT_EQ(end.cause, EndCause::kDownload);
  EXPECT_THAT(end.text, HasSubstr("channel train: line 3 of the manifest: has no attribute \"source\""));
}

TEST_F(AgentTest, FailsTheJobWhenAPipedObjectIsDamaged) {
  add_channel("zipped", contract::InputMode::kPipe, {object("a.gz", "not gzip")});
  spec.channels[0].gzip = true;
  const AgentEvent end = run("cat /opt/ml/input/data/zipped_0; sleep 60");
  EXPECT_EQ(end.cause, EndCause::kDownload);
  EXPECT_THAT(end.text, testing::AllOf(HasSubstr("zipped"), HasSubstr("a.gz"), HasSubstr("not a gzip file")));
}

TEST_F(AgentTest, StopsWithGraceThenKills) {
  pid_t pid = start("trap 'echo saving; exit 0' TERM; echo ready; while :; do sleep 0.01; done");
  wait_for_line("ready");
  write_file_atomically(folder.path() / "stop", R"({"Reason": "Stop"})");
  AgentEvent end = finish(pid);
  EXPECT_EQ(end.stop, "Stop");
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_THAT(lines(), ElementsAre("ready", "saving"));
  std::filesystem::remove(folder.path() / "stop");
  spec.stop_grace_seconds = 0;
  spec.max_runtime_seconds = 0;
  end = run("trap '' TERM; while :; do sleep 0.01; done");
  EXPECT_EQ(end.stop, "MaxRuntime");
  EXPECT_EQ(end.exit_code, 137);
}

/// Programs (sandboxes among them) that have this folder in their command line.
int processes_naming(const std::filesystem::path& folder) {
  int found = 0;
  for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
    std::ifstream file(entry.path() / "cmdline");
    const std::string command{std::istreambuf_iterator<char>(file), {}};
    if (command.find(folder.string()) != std::string::npos) ++found;
  }
  return found;
}

TEST_F(AgentTest, KillingAtOnceLeavesNoProcessBehind) {
  spec.stop_grace_seconds = 0;
  spec.max_runtime_seconds = 0;  // killed while the sandbox is still being made
  for (int i = 0; i < 20; ++i) run("trap '' TERM; while :; do sleep 0.01; done");
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(5);
  while (processes_naming(folder.path()) > 0 && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  EXPECT_EQ(processes_naming(folder.path()), 0);
}

TEST_F(AgentTest, ProgramDiesWithItsAgent) {
  const pid_t pid = start("echo ready; while sleep 0.01; do echo tick; done");
  wait_for_line("ready");
  ::kill(pid, SIGKILL);
  int status = 0;
  ::waitpid(pid, &status, 0);
  const auto size = std::filesystem::file_size(spec.log_file);
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  EXPECT_EQ(std::filesystem::file_size(spec.log_file), size);
  EXPECT_NE(read_events(folder.path()).back().kind, AgentEventKind::kEnded);
}

TEST_F(AgentTest, RestoresCheckpointsWhereTheRequestWants) {
  spec.checkpoint = AgentCheckpoint{{"s3://b/c", "/checkpoints"}, {object("epoch-3", "weights")}};
  const AgentEvent end = run("cat /checkpoints/epoch-3; echo more > /checkpoints/epoch-4");
  EXPECT_EQ(end.exit_code, 0);
  EXPECT_EQ(read_file(folder.path() / "ml/checkpoints/epoch-4"), "more\n");
  EXPECT_THAT(lines(), ElementsAre("weights"));
}

TEST_F(AgentTest, InstancesOfAJobMeetInANetworkOfTheirOwn) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "setns() of a user namespace needs one thread, and the sanitizer starts another after fork()";
#endif
  const std::filesystem::path job = folder.path();
  spec.network = AgentNetwork::kJob;
  spec.resources.hosts = {"algo-1", "algo-2"};
  std::vector<pid_t> agents;
  for (const int host : {1, 0}) {  // the second waits for the first
    spec.host_index = host;
    spec.resources.current_host = spec.resources.hosts[static_cast<std::size_t>(host)];
    spec.log_file = job / ("log-" + spec.resources.current_host);
    spec.argv = {"/usr/bin/python3", "-c",
                 host == 0 ? R"(
import os, socket
print(os.readlink("/proc/self/ns/net"), flush=True)
print(socket.create_server(("algo-1", 4000)).accept()[0].recv(9).decode())
)"
                           : R"(
import os, socket, time
print(os.readlink("/proc/self/ns/net"), flush=True)
for _ in range(1000):
    try:
        socket.create_connection(("algo-1", 4000)).sendall(b"hello")
        break
    except ConnectionRefusedError:
        time.sleep(0.01)
)"};
    const auto instance = job / spec.resources.current_host;
    std::filesystem::create_directories(instance);
    write_file_atomically(instance / "agent.json", dump_json(to_json(spec)));
    agents.push_back(::fork());
    if (agents.back() == 0) ::_exit(run_agent(instance, job));
  }
  std::vector<std::string> networks;
  for (const int host : {1, 0}) {
    ::waitpid(agents[static_cast<std::size_t>(1 - host)], nullptr, 0);
    const auto end = read_events(job / ("algo-" + std::to_string(host + 1))).back();
    EXPECT_EQ(end.exit_code, 0) << end.text;
    spec.log_file = job / ("log-algo-" + std::to_string(host + 1));
    networks.push_back(lines().at(0));
    if (host == 0) {
      EXPECT_EQ(lines().at(1), "hello");
    }
  }
  EXPECT_EQ(networks[0], networks[1]);
  EXPECT_NE(networks[0], std::filesystem::read_symlink("/proc/self/ns/net").string());
}

TEST(AgentSpec, SurvivesItsJson) {
  AgentSpec spec;
  spec.job_name = "j";
  spec.channels.push_back({});
  spec.channels[0].name = "train";
  spec.channels[0].shuffle_seed = -3;
  spec.metrics = {{"a", "b"}};
  EXPECT_EQ(to_json(parse_agent_spec(to_json(spec))), to_json(spec));
  EXPECT_THROW(parse_agent_spec(Json::object()), Error);
}

}  // namespace
}  // namespace clary::agent
