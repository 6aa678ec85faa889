// SPDX-License-Identifier: Apache-2.0
#include "platform/sandbox/sandbox.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <thread>

#include "support/paths.h"

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
  spec.argv = {"/bin/sh", "-c", "trap 'echo asked; exit 5' TERM; echo ready; while :; do sleep 0.01; done"};
  spec.environment = {{"PATH", "/usr/bin:/bin"}};
  ChildProcess child = start_program(spec, false);
  char buffer[16];
  ASSERT_EQ(::read(child.output.get(), buffer, sizeof buffer), 6);  // "ready\n"
  signal_program(child, SIGTERM);
  int code = -1;
  EXPECT_EQ(output_of(child, code), "asked\n");
  EXPECT_EQ(code, 5);
}

SandboxSpec python(const std::string& script) {
  SandboxSpec spec;
  spec.argv = {"/usr/bin/python3", "-c", script};
  spec.environment = {{"PATH", "/usr/bin:/bin"}};
  return spec;
}

std::string line_of(ChildProcess& child) {
  std::string line;
  for (char c; ::read(child.output.get(), &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

TEST_F(SandboxTest, HasALoopbackInterfaceOfItsOwn) {
  make_input();
  int code = -1;
  const std::string seen = run("readlink /proc/self/ns/net; tail -n +3 /proc/net/dev | cut -d: -f1 | tr -d ' '", code);
  EXPECT_THAT(seen, testing::MatchesRegex("net:.[0-9]+.\nlo\n"));
  EXPECT_THAT(seen, testing::Not(testing::StartsWith(std::filesystem::read_symlink("/proc/self/ns/net").string())));
}

/// Sends `text` and the end of it, and reads until the other end is closed.
std::string exchanged(const std::filesystem::path& socket, const std::string& text) {
  const UniqueFd fd(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  socket.string().copy(address.sun_path, sizeof address.sun_path - 1);
  if (::connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) return "no connection";
  char greeting = 0;
  if (::read(fd.get(), &greeting, 1) != 1) return "refused";
  std::thread writer([&] {
    // An end of the other side shows in what is read.
    for (std::size_t at = 0; at < text.size();) {
      const ssize_t n = ::send(fd.get(), text.data() + at, text.size() - at, MSG_NOSIGNAL);
      if (n < 0) break;
      at += static_cast<std::size_t>(n);
    }
    ::shutdown(fd.get(), SHUT_WR);
  });
  std::string answer(text.size() + 1, '\0');
  std::size_t size = 0;
  for (ssize_t n; (n = ::read(fd.get(), answer.data() + size, answer.size() - size)) > 0;)
    size += static_cast<std::size_t>(n);
  writer.join();
  return answer.substr(0, size);
}

TEST_F(SandboxTest, BridgesAPortToASocketAndTheProgramStaysItself) {
  SandboxSpec spec = python(R"(
import os, signal, socket, sys
signal.signal(signal.SIGTERM, lambda *_: sys.exit(7))
try:
    os.wait()
except ChildProcessError:
    print("no children", flush=True)
server = socket.create_server(("127.0.0.1", 8080))
print("listens", flush=True)
while True:
    connection, _ = server.accept()
    text = b""
    while part := connection.recv(65536):
        text += part
    connection.sendall(text[::-1])
    connection.close()
)");
  spec.binds = {{folder.path(), "/run/bridge", true}};
  spec.bridge = {tests::build_folder() / "libexec/clary/port_relay", "/run/bridge/s", 8080};
  ChildProcess child = start_program(spec, false);
  EXPECT_EQ(line_of(child), "no children");
  EXPECT_EQ(line_of(child), "listens");
  std::string text(3'000'000, 'a');
  for (std::size_t i = 0; i < text.size(); ++i) text[i] = static_cast<char>('a' + i % 26);
  for (const std::string& sent : {std::string("abc"), text, std::string()})
    EXPECT_EQ(exchanged(folder.path() / "s", sent), std::string(sent.rbegin(), sent.rend()));
  signal_program(child, SIGTERM);
  int code = -1;
  EXPECT_EQ(output_of(child, code), "");
  EXPECT_EQ(code, 7);
  // The relay ends with it; the kernel takes a moment to end all of a namespace.
  std::string late;
  for (int i = 0; i < 1000 && (late = exchanged(folder.path() / "s", "x")) != "no connection"; ++i) ::usleep(1000);
  EXPECT_EQ(late, "no connection");
}

TEST_F(SandboxTest, BridgeRefusesWhereNobodyListens) {
  SandboxSpec spec = python("import time; print('runs', flush=True); time.sleep(60)");
  spec.binds = {{folder.path(), "/run/bridge", true}};
  spec.bridge = {tests::build_folder() / "libexec/clary/port_relay", "/run/bridge/s", 8080};
  ChildProcess child = start_program(spec, false);
  EXPECT_EQ(line_of(child), "runs");
  EXPECT_EQ(exchanged(folder.path() / "s", "x"), "refused");
  signal_program(child, SIGKILL);
  ::waitpid(child.pid, nullptr, 0);
}

TEST_F(SandboxTest, SeveralShareANetwork) {
#if defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "setns() of a user namespace needs one thread, and the sanitizer starts another after fork()";
#endif
  ChildProcess holder = hold_network();
  const Network network = network_of(holder.init_pid);
  SandboxSpec server = python(
      "import socket; s = socket.create_server(('127.1.2.3', 4000)); print('listens', flush=True);"
      "print(s.accept()[0].recv(9).decode())");
  SandboxSpec client = python("import socket; socket.create_connection(('127.1.2.3', 4000)).sendall(b'hello')");
  server.network = client.network = &network;
  ChildProcess serving = start_program(server, false);
  EXPECT_EQ(line_of(serving), "listens");
  int code = -1;
  client.network = nullptr;  // a network of its own
  ChildProcess stranger = start_program(client, false);
  EXPECT_THAT(output_of(stranger, code), testing::HasSubstr("Connection refused"));
  client.network = &network;
  ChildProcess asking = start_program(client, false);
  EXPECT_EQ(output_of(asking, code), "");
  EXPECT_EQ(output_of(serving, code), "hello\n");
  signal_program(holder, SIGKILL);
  ::waitpid(holder.pid, nullptr, 0);
}

TEST(ComputeEnvironment, GivesTheShareOfThreads) {
  EXPECT_EQ(compute_environment(3).at("OMP_NUM_THREADS"), "3");
  EXPECT_EQ(compute_environment(0).at("OPENBLAS_NUM_THREADS"), "1");
}

/// Kills bubblewrap as soon as it has a child, which is then busy with a long list of mounts.
TEST_F(SandboxTest, WhatAKilledMakerLeftIsEnded) {
  SandboxSpec spec;
  spec.argv = {"/bin/sleep", "infinity"};
  const auto shown = folder.path() / "endpoints/e/model", other = folder.path() / "endpoints2";
  std::filesystem::create_directories(shown);
  std::filesystem::create_directories(other);
  const auto make_orphan = [&](const std::filesystem::path& source) {
    spec.binds.assign(500, {source, "/opt/ml/model", false});
    ChildProcess child = start_program(spec, false);
    program_pid(child);  // waits until bubblewrap has named its child
    ::kill(child.pid, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    return UniqueFd(static_cast<int>(::syscall(SYS_pidfd_open, child.init_pid, 0)));
  };
  const auto runs = [](const UniqueFd& process, int milliseconds) {
    pollfd ended{process.get(), POLLIN, 0};
    return ::poll(&ended, 1, milliseconds) == 0;
  };
  const UniqueFd orphan = make_orphan(shown), another = make_orphan(other);
  ASSERT_TRUE(runs(orphan, 100) && runs(another, 0)) << "they have ended by themselves";
  end_sandboxes_below(folder.path() / "endpoints");
  EXPECT_FALSE(runs(orphan, 0));
  EXPECT_TRUE(runs(another, 0));
  end_sandboxes_below(other);
  EXPECT_FALSE(runs(another, 0));
}

/// Whichever call finds no descriptor left: a program that was started can be watched, or none is left behind.
TEST_F(SandboxTest, ProgramThatCannotBeWatchedIsEnded) {
  rlimit usual{};
  ::getrlimit(RLIMIT_NOFILE, &usual);
  SandboxSpec spec;
  spec.argv = {"/bin/true"};
  for (const bool sandboxed : {false, true}) {
    bool started = false;
    for (rlim_t limit = 3; limit < 64 && !started; ++limit) {
      const rlimit few{limit, usual.rlim_max};
      ::setrlimit(RLIMIT_NOFILE, &few);
      ChildProcess child;
      try {
        child = launch(spec, sandboxed);
        started = true;
      } catch (const std::exception&) {
      }
      ::setrlimit(RLIMIT_NOFILE, &usual);
      if (started) {
        EXPECT_TRUE(child.pid_fd) << limit;
        ::waitpid(child.pid, nullptr, 0);
      }
      EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "a child is left at a limit of " << limit;
    }
    EXPECT_TRUE(started);
  }
}

}  // namespace
}  // namespace clary::sandbox
