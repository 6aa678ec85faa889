// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/tracker.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>
#include <set>

#include "base/error.h"

namespace clary::xgboost {
namespace {

using Clock = std::chrono::steady_clock;

// The protocol of rabit's tracker (dmlc-core, tracker/dmlc_tracker/tracker.py): integers in host byte order, texts
// with their length.
constexpr std::int32_t kMagic = 0xff99;
constexpr std::int32_t kMaxName = 1024, kMaxText = 64 << 10;
constexpr int kMaxAttempts = 10;                         // of one member to connect to its neighbours
constexpr std::chrono::milliseconds kFirstWords{5'000};  // of a new connection
constexpr std::chrono::milliseconds kFarewell{5'000};
constexpr std::chrono::milliseconds kTick{50};

/// What a peer sent does not follow the protocol, or did not come.
struct Broken : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class Connection {
 public:
  Connection() = default;
  Connection(UniqueFd fd, std::string host) : fd_(std::move(fd)), host_(std::move(host)) {}

  const std::string& host() const { return host_; }

  // A silent peer ends a read by EAGAIN, which counts as broken.
  void set_silence(std::chrono::milliseconds silence) {
    const timeval wait{silence.count() / 1000, (silence.count() % 1000) * 1000};
    setsockopt(fd_.get(), SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    setsockopt(fd_.get(), SOL_SOCKET, SO_SNDTIMEO, &wait, sizeof wait);
  }

  std::int32_t integer() {
    std::int32_t out = 0;
    read(&out, sizeof out);
    return out;
  }
  std::int32_t integer(std::int32_t low, std::int32_t high, const char* what) {
    const std::int32_t out = integer();
    if (out < low || out > high) throw Broken(fmt::format("{} {} is not from {} to {}", what, out, low, high));
    return out;
  }
  std::string text(std::int32_t max, const char* what) {
    std::string out(static_cast<std::size_t>(integer(0, max, what)), '\0');
    read(out.data(), out.size());
    return out;
  }
  void send(std::int32_t value) { write(&value, sizeof value); }
  void send(std::string_view words) {
    send(static_cast<std::int32_t>(words.size()));
    write(words.data(), words.size());
  }

 private:
  void read(void* into, std::size_t bytes) {
    auto* at = static_cast<char*>(into);
    while (bytes > 0) {
      const ssize_t got = recv(fd_.get(), at, bytes, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) throw Broken(got == 0 ? "hung up" : "sent nothing in time");
      at += got, bytes -= static_cast<std::size_t>(got);
    }
  }
  void write(const void* from, std::size_t bytes) {
    const auto* at = static_cast<const char*>(from);
    while (bytes > 0) {
      const ssize_t sent = ::send(fd_.get(), at, bytes, MSG_NOSIGNAL);
      if (sent < 0 && errno == EINTR) continue;
      if (sent <= 0) throw Broken("does not listen");
      at += sent, bytes -= static_cast<std::size_t>(sent);
    }
  }

  UniqueFd fd_;
  std::string host_;
};

sockaddr_in socket_address(const std::string& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  if (inet_pton(AF_INET, address.c_str(), &out.sin_addr) != 1)
    throw Error(Kind::kInternal, "tracker: " + address + " is not an IPv4 address");
  return out;
}

// The preferred port may be taken by another job on this machine.
UniqueFd listen_on(const std::string& address, std::uint16_t port) {
  UniqueFd out(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!out) throw_errno("tracker: socket");
  const int on = 1;
  setsockopt(out.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in at = socket_address(address, port);
  if (bind(out.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0) {
    if (port != 0 && errno == EADDRINUSE) return listen_on(address, 0);
    throw_errno("tracker: cannot listen on " + address);
  }
  if (listen(out.get(), 256) != 0) throw_errno("tracker: listen");
  return out;
}

}  // namespace

struct Tracker::Member {
  std::string task;
  Connection connection;
  std::int32_t port = 0;  // where it takes connections, once it was introduced
};

// A binary tree for reductions and a ring for broadcasts, numbered as in a heap.
Neighbours neighbours_of(int rank, int members) {
  Neighbours out;
  if (rank > 0) out.parent = (rank + 1) / 2 - 1;
  for (const int near : {out.parent, 2 * rank + 1, 2 * rank + 2})
    if (near >= 0 && near < members) out.tree.push_back(near);
  if (members > 1) out.previous = (rank + members - 1) % members, out.next = (rank + 1) % members;
  return out;
}

Tracker::Tracker(Options options)
    : options_(std::move(options)), listener_(listen_on(options_.address, options_.port)) {
  sockaddr_in at{};
  socklen_t size = sizeof at;
  getsockname(listener_.get(), reinterpret_cast<sockaddr*>(&at), &size);
  port_ = ntohs(at.sin_port);
  thread_ = std::thread([this] { run(); });
}

Tracker::~Tracker() {
  stopping_ = true;
  thread_.join();
}

/// A thread's entry: what goes wrong ends up in the log, and the members see their connections close.
/// One thread; peers are served one after the other, which is enough for a few dozen messages a job.
void Tracker::run() {
  try {
    const auto deadline = Clock::now() + options_.gathering;
    while (!stopping_ && !introduced_ && Clock::now() < deadline) {
      receive(deadline);
      if (static_cast<int>(members_.size()) == options_.members) introduce_all();
    }
    if (!introduced_ && !stopping_)
      options_.log(fmt::format("tracker: {} of {} hosts came within {} s", members_.size(), options_.members,
                               options_.gathering.count() / 1000));
    while (introduced_ && !stopping_ && farewells_ < options_.members) receive(Clock::time_point::max());
    const auto farewell = Clock::now() + kFarewell;
    while (introduced_ && farewells_ < options_.members && Clock::now() < farewell) receive(farewell);
  } catch (const std::exception& error) {
    options_.log(fmt::format("tracker: {}", error.what()));
  }
  members_.clear();
  listener_.reset();
}

bool Tracker::wait_readable(Clock::time_point deadline) {
  // While stopping, the farewells are still waited for, until their own deadline.
  const bool leaving = stopping_;
  while (Clock::now() < deadline && (leaving || !stopping_)) {
    pollfd waiting{listener_.get(), POLLIN, 0};
    if (poll(&waiting, 1, static_cast<int>(kTick.count())) > 0) return true;
  }
  return false;
}

/// One new connection, as far as its command.
void Tracker::receive(Clock::time_point deadline) {
  if (!wait_readable(deadline)) return;
  sockaddr_in from{};
  socklen_t size = sizeof from;
  UniqueFd fd(accept4(listener_.get(), reinterpret_cast<sockaddr*>(&from), &size, SOCK_CLOEXEC));
  if (!fd) return;
  char host[INET_ADDRSTRLEN] = "";
  inet_ntop(AF_INET, &from.sin_addr, host, sizeof host);
  Connection connection(std::move(fd), host);
  try {
    connection.set_silence(kFirstWords);
    if (connection.integer() != kMagic) throw Broken("does not speak the tracker's protocol");
    connection.send(kMagic);
    // What a restarted member would ask for; not needed here.
    connection.integer(), connection.integer();  // rank and world size: what the member hopes for
    std::string task = connection.text(kMaxName, "length of the task id");
    const std::string command = connection.text(kMaxName, "length of the command");
    if (command == "print") {
      options_.log(connection.text(kMaxText, "length of the text"));
    } else if (command == "shutdown") {
      if (introduced_) ++farewells_;
    } else if (command == "start" && !introduced_) {
      if (std::any_of(members_.begin(), members_.end(), [&](const Member& m) { return m.task == task; }))
        throw Broken("task " + task + " is already here");
      connection.set_silence(options_.silence);
      members_.push_back({std::move(task), std::move(connection), 0});
    } else {
      throw Broken("command '" + command.substr(0, 20) + "' is not expected");
    }
  } catch (const Broken& problem) {
    options_.log(fmt::format("tracker: {}: {}", host, problem.what()));
  }
}

// By task id: ranks follow the hosts' order, whatever order they came in.
void Tracker::introduce_all() {
  std::sort(members_.begin(), members_.end(), [](const Member& a, const Member& b) { return a.task < b.task; });
  for (std::size_t rank = 0; rank < members_.size(); ++rank) {
    try {
      introduce(rank);
    } catch (const Broken& problem) {
      throw Error(Kind::kUnavailable, fmt::format("host {}: {}", members_[rank].connection.host(), problem.what()));
    }
  }
  introduced_ = true;
}

/// Rank and neighbours; then, until it works, the addresses of those that are already there.
void Tracker::introduce(std::size_t rank) {
  Member& member = members_[rank];
  Connection& to = member.connection;
  const int self = static_cast<int>(rank), count = options_.members;
  const Neighbours near = neighbours_of(self, count);
  for (const int value : {self, near.parent, count, static_cast<int>(near.tree.size())}) to.send(value);
  for (const int neighbour : near.tree) to.send(neighbour);
  to.send(near.previous);
  to.send(near.next);

  std::set<int> needed(near.tree.begin(), near.tree.end());
  for (const int neighbour : {near.previous, near.next})
    if (neighbour >= 0 && neighbour != self) needed.insert(neighbour);
  // A member connects to neighbours of lower rank, which listen already, and waits for those of higher rank; it
  // reports how many connections failed, and the round is repeated.
  for (int attempt = 0;; ++attempt) {
    if (attempt == kMaxAttempts) throw Broken("cannot reach the other hosts");
    std::set<int> missing = needed;
    const int linked = to.integer(0, count, "number of links");
    for (int i = 0; i < linked; ++i) missing.erase(to.integer(0, count - 1, "rank"));
    const auto known = [&](int other) { return other < self; };  // introduced before, so it listens
    const auto connecting = std::count_if(missing.begin(), missing.end(), known);
    to.send(static_cast<std::int32_t>(connecting));
    to.send(static_cast<std::int32_t>(static_cast<std::ptrdiff_t>(missing.size()) - connecting));
    for (const int other : missing) {
      if (!known(other)) continue;
      const Member& peer = members_[static_cast<std::size_t>(other)];
      to.send(std::string_view(peer.connection.host()));
      to.send(peer.port);
      to.send(other);
    }
    if (to.integer(0, count, "number of errors") == 0) break;
  }
  member.port = to.integer(1, 65535, "port");
}

}  // namespace clary::xgboost
