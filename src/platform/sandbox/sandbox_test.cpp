// SPDX-License-Identifier: Apache-2.0
#include "platform/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

namespace clary::sandbox {
namespace {

std::string output_of(ChildProcess& child, int& code) {
  std::string text;
  char buffer[4096];
  for (ssize_t n; (n = ::read(child.output.get(), buffer, sizeof buffer)) > 0;)
    text.append(buffer, static_cast<std::size_t>(n));
  int status = 0;
  ::waitpid(child.pid, &status, 0);
  code = exit_code(status);
  return text;
}

class SandboxTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!sandbox_available()) GTEST_SKIP() << "no user namespaces here";
  }
  std::string run(const std::string& script, int& code) {
    SandboxSpec spec;
    spec.argv = {"/bin/sh", "-c", script};
    spec.binds = {{folder.path(), "/opt/ml", true}, {folder.path() / "input", "/opt/ml/input", false}};
    spec.environment = {{"PATH", "/usr/bin:/bin"}, {"GREETING", "hello world"}};
    spec.working_folder = "/opt/ml";
    spec.host_name = "algo-1";
    ChildProcess child = start_program(spec, false);
    return output_of(child, code);
  }
  void make_input() {
    std::filesystem::create_directories(folder.path() / "input");
    write_file_atomically(folder.path() / "input/x", "data");
  }
  TemporaryFolder folder;
};

TEST_F(SandboxTest, ShowsOnlyWhatIsBound) {
  make_input();
  int code = -1;
  EXPECT_EQ(
      run("cat input/x; echo $GREETING; hostname; pwd; ls /home /work /var 2>/dev/null; cat /etc/shadow 2>/dev/null",
          code),
      "datahello world\nalgo-1\n/opt/ml\n");
  run("echo changed > /opt/ml/input/x", code);
  EXPECT_NE(code, 0);
  EXPECT_EQ(read_file(folder.path() / "input/x"), "data");
  run("echo new > /opt/ml/made; touch /made-at-root || exit 9", code);
  EXPECT_EQ(code, 9);
  EXPECT_EQ(read_file(folder.path() / "made"), "new\n");
}

TEST_F(SandboxTest, SeesNoOtherProcessesAndHasNoCapabilities) {
  make_input();
  int code = -1;
  EXPECT_THAT(run("ls -d /proc/[0-9]* | wc -l; grep CapEff /proc/self/status", code),
              testing::AllOf(testing::MatchesRegex("[0-9]\n.*"), testing::HasSubstr("0000000000000000")));
}

/// Where the tests run as root, the uid inside is root's outside too.
TEST_F(SandboxTest, CannotChangeTheKernelsSettings) {
  make_input();
  int code = -1;
  EXPECT_EQ(run("find /proc/sys /sys -type f -writable | head -3; v=$(cat /proc/sys/vm/swappiness) && "
                "(echo $v > /proc/sys/vm/swappiness) 2>/dev/null || echo refused",
                code),
            "refused\n");
}

/// bubblewrap reads its options from the file that carries the environment, separated by NUL.
TEST_F(SandboxTest, NulInTheEnvironmentBecomesNoOption) {
  for (const auto& [name, value] : std::map<std::string, std::string>{
           {"X", std::string("x\0--bind\0/\0/host", 17)}, {std::string("X\0Y", 3), "x"}, {"X=Y", "x"}, {"", "x"}}) {
    SandboxSpec spec;
    spec.argv = {"/bin/true"};
    spec.environment = {{name, value}};
    EXPECT_TRUE(environment_problem(spec.environment));
    EXPECT_THROW(start_program(spec, false), Error);
  }
  EXPECT_FALSE(environment_problem({{"NAME", "any = value\n"}, {"EMPTY", ""}}));
}

TEST_F(SandboxTest, PassesExitCodesAndSignals) {
  make_input();
  int code = -1;
  run("exit 7", code);
  EXPECT_EQ(code, 7);
  run("kill -9 $$", code);
  EXPECT_EQ(code, 137);
  SandboxSpec missing;
  missing.argv = {"/no/such/program"};
  ChildProcess child = start_program(missing, false);
  EXPECT_THAT(output_of(child, code), testing::HasSubstr("/no/such/program"));
  EXPECT_NE(code, 0);
}

TEST_F(SandboxTest, TermReachesTheProgramItself) {
  SandboxSpec spec;
  spec.argv = {"/bin/sh", "-c", "trap 'echo told; exit 5' TERM; echo ready; while :; do sleep 0.01; done"};
  spec.environment = {{"PATH", "/usr/bin:/bin"}};
  ChildProcess child = start_program(spec, false);
  char buffer[16];
  ASSERT_EQ(::read(child.output.get(), buffer, sizeof buffer), 6);  // "ready\n"
  signal_program(child, SIGTERM);
  int code = -1;
  EXPECT_EQ(output_of(child, code), "told\n");
  EXPECT_EQ(code, 5);
}

TEST(ComputeEnvironment, GivesTheShareOfThreads) {
  EXPECT_EQ(compute_environment(3).at("OMP_NUM_THREADS"), "3");
  EXPECT_EQ(compute_environment(0).at("OPENBLAS_NUM_THREADS"), "1");
}

}  // namespace
}  // namespace clary::sandbox
