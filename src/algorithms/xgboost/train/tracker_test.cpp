// SPDX-License-Identifier: Apache-2.0
// The tracker with the real library's client in processes of its own, and with peers that do not keep the protocol.
#include "algorithms/xgboost/train/tracker.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>
#include <set>

#include "algorithms/xgboost/train/distributed.h"
#include "base/files.h"
#include "base/text.h"

namespace clary::xgboost {
namespace {

using namespace std::chrono_literals;

TEST(TrackerTopology, IsATreeAndARing) {
  for (const int n : {1, 2, 3, 5, 8}) {
    int edges = 0;
    for (int r = 0; r < n; ++r) {
      const Neighbours near = neighbours_of(r, n);
      for (const int other : near.tree) {
        const auto back = neighbours_of(other, n).tree;
        EXPECT_NE(std::find(back.begin(), back.end(), r), back.end());
        ++edges;
      }
      if (n == 1) continue;
      EXPECT_EQ(neighbours_of(near.next, n).previous, r);
    }
    EXPECT_EQ(edges, 2 * (n - 1)) << n;
  }
  EXPECT_EQ(neighbours_of(0, 1).previous, -1);
}

/// One member: a share of the rows of y = x0, 10 rounds of hist. Writes the model; the exit code says the rest.
int member(std::uint16_t port, int rank, int members, const std::filesystem::path& folder) try {
  const Communicator communicator(communicator_config("127.0.0.1", port, rank, members));
  if (communicator.world_size() != members || communicator.rank() != rank) return 2;
  std::vector<float> values, labels;
  for (int i = rank; i < 300; i += members) {
    values.push_back(static_cast<float>(i % 37)), values.push_back(static_cast<float>(i % 11));
    labels.push_back(static_cast<float>(i % 37 > 17));
  }
  Matrix matrix = Matrix::from_dense(values, static_cast<std::int64_t>(labels.size()), 2, 1);
  matrix.set_labels(labels);
  const Matrix* const cache[] = {&matrix};
  Booster booster(cache);
  for (const auto& [name, value] : {std::pair{"tree_method", "hist"}, {"nthread", "1"}, {"verbosity", "0"}})
    booster.set(name, value);
  for (int round = 0; round < 10; ++round) booster.update(round, matrix);
  write_file_atomically(folder / std::to_string(rank), booster.save_to_buffer(ModelFormat::kJson));
  return 0;
} catch (const std::exception& error) {
  std::fprintf(stderr, "rank %d: %s\n", rank, error.what());
  return 1;
}

/// Not a test: what the processes of train_together() run.
TEST(TrackerMember, DISABLED_Trains) {
  alarm(90);  // members that wait for each other for ever fail the test
  const auto words = split(std::getenv("CLARY_TEST_MEMBER"), ' ');
  ASSERT_EQ(words.size(), 4u);
  const auto number = [&](std::size_t i) { return std::stoi(std::string(words[i])); };
  EXPECT_EQ(member(static_cast<std::uint16_t>(number(0)), number(1), number(2), std::string(words[3])), 0);
}

/// Each member in a process of its own, begun afresh: a fork alone inherits OpenMP threads that no longer exist.
void train_together(Tracker& tracker, int members, const std::filesystem::path& folder) {
  std::vector<pid_t> children;
  for (int rank = members - 1; rank >= 0; --rank) {
    const std::string words = std::to_string(tracker.port()) + " " + std::to_string(rank) + " " +
                              std::to_string(members) + " " + folder.string();
    const pid_t child = fork();
    if (child == 0) {
      setenv("CLARY_TEST_MEMBER", words.c_str(), 1);
      execl("/proc/self/exe", "xgboost_test", "--gtest_also_run_disabled_tests", "--gtest_filter=TrackerMember.*",
            nullptr);
      _exit(98);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

TEST(Tracker, MembersTrainTheSameModel) {
  for (const int members : {1, 2, 3, 5}) {
    SCOPED_TRACE(members);
    const TemporaryFolder folder;
    {
      Tracker tracker({.members = members, .gathering = 30s, .silence = 10s});
      train_together(tracker, members, folder.path());
    }
    std::set<std::string> models;
    for (int rank = 0; rank < members; ++rank) models.insert(read_file(folder.path() / std::to_string(rank)));
    EXPECT_EQ(models.size(), 1u);
  }
}

/// Sends bytes, and answers what came back before the tracker hung up.
std::string say(std::uint16_t port, std::string_view bytes) {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const timeval wait{10, 0};
  setsockopt(fd.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_port = htons(port);
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) return "no connection";
  (void)!send(fd.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
  shutdown(fd.get(), SHUT_WR);
  std::string out;
  char block[256];
  for (ssize_t got; (got = recv(fd.get(), block, sizeof block, 0)) > 0;)
    out.append(block, static_cast<std::size_t>(got));
  return out;
}

std::string integer(std::int32_t value) {
  std::string out(sizeof value, '\0');
  std::memcpy(out.data(), &value, sizeof value);
  return out;
}
std::string text(std::string_view words) {
  return integer(static_cast<std::int32_t>(words.size())) + std::string(words);
}
std::string hello(std::string_view task, std::string_view command) {
  return integer(0xff99) + integer(-1) + integer(-1) + text(task) + text(command);
}

TEST(Tracker, StrangersDoNotDisturbTheMembers) {
  const TemporaryFolder folder;
  std::mutex mutex;
  std::vector<std::string> log;
  {
    Tracker tracker({.members = 2, .gathering = 30s, .silence = 10s, .log = [&](std::string_view line) {
                       const std::lock_guard lock(mutex);
                       log.emplace_back(line);
                     }});
    const std::string magic = integer(0xff99);
    EXPECT_EQ(say(tracker.port(), "GET / HTTP/1.1\r\n\r\n"), "");
    EXPECT_EQ(say(tracker.port(), integer(0x1234)), "");
    for (const std::string& words :
         {magic, magic + integer(-1) + integer(-1) + integer(0x7fffffff),
          magic + integer(-1) + integer(-1) + integer(-5), hello("x", "dance"), hello("x", "recover"),
          hello("x", "shutdown"), hello("x", "print") + integer(0x7fffffff), hello("x", "print") + text("hello")})
      EXPECT_EQ(say(tracker.port(), words), magic);
    const std::string whole = hello("000000", "start");
    for (std::size_t cut = 4; cut < whole.size(); ++cut)
      EXPECT_EQ(say(tracker.port(), whole.substr(0, cut)), magic) << cut;
    train_together(tracker, 2, folder.path());
  }
  EXPECT_EQ(read_file(folder.path() / "0"), read_file(folder.path() / "1"));
  EXPECT_NE(std::find(log.begin(), log.end(), "hello"), log.end());
}

TEST(Tracker, GivesUpWhenMembersDoNotCome) {
  std::string log;
  {
    const Tracker tracker(
        {.members = 3, .gathering = 200ms, .silence = 1s, .log = [&](std::string_view line) { log = line; }});
    std::this_thread::sleep_for(400ms);
  }
  EXPECT_EQ(log, "tracker: 0 of 3 hosts came within 0 s");
}

TEST(Tracker, AMemberThatLiesEndsTheMeeting) {
  std::string log;
  {
    const Tracker tracker(
        {.members = 1, .gathering = 20s, .silence = 1s, .log = [&](std::string_view line) { log = line; }});
    const auto answer = say(tracker.port(), hello("a", "start") + integer(1'000'000));
    EXPECT_EQ(answer, integer(0xff99) + integer(0) + integer(-1) + integer(1) + integer(0) + integer(-1) + integer(-1));
  }
  EXPECT_NE(log.find("number of links 1000000 is not from 0 to 1"), std::string::npos) << log;
}

TEST(Tracker, LeavesATakenPort) {
  const Tracker first({.members = 1}), second({.port = first.port(), .members = 1});
  EXPECT_NE(first.port(), second.port());
}

}  // namespace
}  // namespace clary::xgboost
