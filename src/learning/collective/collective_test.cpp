// SPDX-License-Identifier: Apache-2.0
// Hosts are forked processes on 127.0.0.1; each test takes a free port for the rendezvous.
#include "learning/collective/collective.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/files.h"

namespace clary::collective {
namespace {

std::uint16_t free_port() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// Loopback addresses serve as host names; the first sorts first.
Hosts hosts_of(int count, int rank) {
  Hosts out;
  out.names.clear();
  for (int i = 0; i < count; ++i) out.names.push_back("127.0.0." + std::to_string(i + 1));
  out.current = out.names[static_cast<std::size_t>(rank)];
  return out;
}

ConnectOptions quick(std::uint16_t port, bool shared_memory = true) {
  ConnectOptions out;
  out.shared_memory = shared_memory;
  out.port = port;
  out.connect_timeout = std::chrono::seconds(20);
  out.timeout = std::chrono::seconds(10);
  return out;
}

/// Runs f(rank) in one process per host; each gives back whether it was content.
void on_hosts(int count, const std::function<bool(int)>& f) {
  std::vector<pid_t> children;
  for (int rank = 0; rank < count; ++rank) {
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      bool good = false;
      try {
        good = f(rank);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "host %d: %s\n", rank, error.what());
      }
      _exit(good ? 0 : 1);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << "host " << child << " failed";
  }
}

TEST(Collective, OneHostNeedsNoNetwork) {
  const auto one = connect(Hosts{});
  std::vector<float> values{1, 2};
  one->all_reduce_sum(std::span(values));
  EXPECT_EQ(values, (std::vector<float>{1, 2}));
  EXPECT_EQ(one->gather("abc", 0), (std::vector<std::string>{"abc"}));
  EXPECT_EQ(one->broadcast_text("x", 0), "x");
  one->barrier();
}

/// Parameter: shared memory, or gloo alone.
class Transport : public testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(All, Transport, testing::Bool(),
                         [](const auto& row) { return row.param ? "SharedMemory" : "Gloo"; });

TEST(Hosts, RankIsThePlaceInTheSortedNames) {
  const Hosts hosts{{"algo-1", "algo-10", "algo-2"}, "algo-2", "lo"};
  EXPECT_EQ(hosts.rank(), 2);
  EXPECT_FALSE(hosts.is_first());
}

TEST_P(Transport, SumsFloatsOfAnySizeOverTwoAndThreeHosts) {
  for (const int count : {2, 3}) {
    const auto port = free_port();
    on_hosts(count, [&](int rank) {
      const auto all = connect(hosts_of(count, rank), quick(port, GetParam()));
      bool good = all->rank() == rank && all->size() == count;
      for (const std::size_t size : {1UL, 7UL, 1000UL, 3000003UL}) {
        std::vector<float> values(size);
        for (std::size_t i = 0; i < size; ++i) values[i] = static_cast<float>(i % 1000) * static_cast<float>(rank + 1);
        all->all_reduce_sum(std::span(values));
        const auto factor = static_cast<float>(count * (count + 1) / 2);
        for (std::size_t i = 0; i < size; ++i) good = good && values[i] == static_cast<float>(i % 1000) * factor;
      }
      return good;
    });
  }
}

TEST_P(Transport, ReducesBroadcastsGathersAndMeets) {
  const auto port = free_port();
  on_hosts(3, [&](int rank) {
    const auto all = connect(hosts_of(3, rank), quick(port, GetParam()));
    std::vector<double> sums{1.5, static_cast<double>(rank)}, most{static_cast<double>(rank), -1.0};
    std::vector<std::int64_t> counts{rank, 1LL << 40};
    all->all_reduce_sum(std::span(sums));
    all->all_reduce_sum(std::span(counts));
    all->all_reduce_max(most);
    bool good = sums == std::vector<double>{4.5, 3} && counts == std::vector<std::int64_t>{3, 3LL << 40} &&
                most == std::vector<double>{2, -1};
    std::vector<std::byte> bytes(100'000, static_cast<std::byte>(rank));
    all->broadcast(bytes, 1);
    good = good && bytes == std::vector<std::byte>(100'000, std::byte{1});
    good = good && all->broadcast_text(rank == 2 ? "from two" : "", 2) == "from two";
    const auto blobs = all->gather(std::string(static_cast<std::size_t>(rank) * 3'000'000, 'x'), 0);
    good = good && (rank == 0 ? blobs.size() == 3 && blobs[0].empty() && blobs[2].size() == 6'000'000 : blobs.empty());
    all->barrier();
    return good;
  });
}

TEST_P(Transport, ResultsAreTheSameBytesOnEveryHostAndEveryRun) {
  const auto port = free_port();
  on_hosts(3, [&](int rank) {
    const auto all = connect(hosts_of(3, rank), quick(port, GetParam()));
    std::vector<std::string> runs;
    for (int run = 0; run < 3; ++run) {
      std::vector<float> values(10'007);
      for (std::size_t i = 0; i < values.size(); ++i)
        values[i] = 1.0F / static_cast<float>(i * 3 + static_cast<std::size_t>(rank) + 1);
      all->all_reduce_sum(std::span(values));
      runs.emplace_back(reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float));
    }
    return runs[0] == runs[1] && runs[1] == runs[2] && all->broadcast_text(runs[0], 0) == runs[0];
  });
}

TEST(Collective, AHostThatNeverComesIsNamed) {
  const auto port = free_port();
  on_hosts(1, [&](int) {
    auto options = quick(port);
    options.connect_timeout = std::chrono::milliseconds(300);
    try {
      connect(hosts_of(2, 0), options);
    } catch (const Error& error) {
      return error.kind() == Kind::kUnavailable && std::string(error.what()).find("host 127.0.0.2") == 0;
    }
    return false;
  });
}

TEST_P(Transport, AHostThatDiesIsNamed) {
  const auto port = free_port();
  on_hosts(3, [&](int rank) {
    const auto all = connect(hosts_of(3, rank), quick(port, GetParam()));
    all->barrier();
    if (rank == 2) _exit(0);  // without a message to its peers
    std::vector<float> values(1000);
    try {
      for (int i = 0; i < 100; ++i) all->all_reduce_sum(std::span(values));
    } catch (const Error& error) {
      const bool named = std::string(error.what()).find("127.0.0.3") != std::string::npos;
      if (!named) std::fprintf(stderr, "%s\n", error.what());
      return error.kind() == Kind::kUnavailable;
    }
    return false;
  });
}

TEST(Collective, AnUnknownFirstHostIsNamed) {
  auto options = quick(free_port());
  options.connect_timeout = std::chrono::milliseconds(200);
  try {
    connect(Hosts{{"algo-1.invalid", "algo-2"}, "algo-2", "lo"}, options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kUnavailable);
    EXPECT_NE(std::string(error.what()).find("algo-1.invalid: does not resolve"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace clary::collective
