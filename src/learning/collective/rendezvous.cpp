// SPDX-License-Identifier: Apache-2.0
#include "learning/collective/rendezvous.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

#include "base/error.h"
#include "base/text.h"

namespace clary::collective {
namespace {

using Clock = std::chrono::steady_clock;

// Verbs. kGet's value is the time to wait in milliseconds, as decimal text.
constexpr std::uint8_t kHello = 'h', kSet = 's', kGet = 'g', kGone = 'd', kFound = '+', kNotFound = '-';
// The peers are this job's own processes; the limits only keep a stray connection from allocating without end.
constexpr std::uint32_t kMaxKey = 1024, kMaxValue = 64 << 20;
constexpr std::size_t kMaxKeys = 1 << 20;
constexpr std::chrono::milliseconds kRetry{50};

bool read_exactly(int fd, void* into, std::size_t bytes) {
  auto* at = static_cast<char*>(into);
  while (bytes > 0) {
    const ssize_t got = recv(fd, at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got, bytes -= static_cast<std::size_t>(got);
  }
  return true;
}

bool write_exactly(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t sent = send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

void append_text(std::string& out, std::string_view text) {
  const auto size = static_cast<std::uint32_t>(text.size());
  out.append(reinterpret_cast<const char*>(&size), sizeof size);
  out += text;
}

bool read_text(int fd, std::string& text, std::uint32_t max) {
  std::uint32_t size = 0;
  if (!read_exactly(fd, &size, sizeof size) || size > max) return false;
  text.resize(size);
  return read_exactly(fd, text.data(), size);
}

// Host byte order: all hosts of a job run the same program.
bool send_message(int fd, std::uint8_t verb, std::string_view key, std::string_view value) {
  std::string out(1, static_cast<char>(verb));
  append_text(out, key);
  append_text(out, value);
  return write_exactly(fd, out);
}

bool read_message(int fd, std::uint8_t& verb, std::string& key, std::string& value) {
  return read_exactly(fd, &verb, 1) && read_text(fd, key, kMaxKey) && read_text(fd, value, kMaxValue);
}

sockaddr_in socket_address(const std::string& address, std::uint16_t port) {
  sockaddr_in out{};
  out.sin_family = AF_INET;
  out.sin_port = htons(port);
  inet_pton(AF_INET, address.c_str(), &out.sin_addr);
  return out;
}

std::string seconds_until(Clock::time_point start) {
  return std::to_string(std::chrono::duration_cast<std::chrono::seconds>(Clock::now() - start).count()) + " s";
}

}  // namespace

std::string resolve(const std::string& host, Clock::time_point deadline) {
  const auto start = Clock::now();
  addrinfo hints{};
  hints.ai_family = AF_INET;
  hints.ai_socktype = SOCK_STREAM;
  // Repeated: on a cluster the name may become known after this process has started.
  for (;;) {
    addrinfo* found = nullptr;
    const int status = getaddrinfo(host.c_str(), nullptr, &hints, &found);
    if (status == 0) {
      const std::unique_ptr<addrinfo, decltype(&freeaddrinfo)> owned(found, freeaddrinfo);
      sockaddr_in address{};
      std::memcpy(&address, found->ai_addr, sizeof address);
      char text[INET_ADDRSTRLEN];
      inet_ntop(AF_INET, &address.sin_addr, text, sizeof text);
      return text;
    }
    if (Clock::now() >= deadline)
      throw Error(Kind::kUnavailable,
                  "host " + host + ": does not resolve after " + seconds_until(start) + ": " + gai_strerror(status));
    std::this_thread::sleep_for(kRetry);
  }
}

RendezvousServer::RendezvousServer(const std::string& address, std::uint16_t port)
    : listener_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
  if (!listener_) throw_errno("rendezvous: socket");
  const int on = 1;
  // A job that starts again must not wait for old connections in TIME_WAIT.
  setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in at = socket_address(address, port);
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) != 0 ||
      listen(listener_.get(), 128) != 0)
    throw Error(Kind::kConflict,
                "rendezvous: cannot listen on " + address + ":" + std::to_string(port) + ": " + std::strerror(errno));
  accepting_ = std::thread([this] { accept_loop(); });
}

RendezvousServer::~RendezvousServer() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
    shutdown(listener_.get(), SHUT_RDWR);
    for (auto& [fd, thread] : connections_) shutdown(fd, SHUT_RDWR);
    changed_.notify_all();
  }
  // Without the lock, which these threads take once more; after accepting_ nobody adds connections.
  accepting_.join();
  for (auto& [fd, thread] : connections_) {
    thread.join();
    close(fd);
  }
}

// One thread for each connection: there are as many as hosts, and kGet blocks.
void RendezvousServer::accept_loop() {
  for (;;) {
    const int fd = accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC);
    if (fd < 0) std::this_thread::sleep_for(kRetry / 10);  // out of descriptors, for example: no busy loop
    // Under the lock: either the destructor sees the connection in the list and shuts it down, or this sees stopping_.
    const MutexLock lock(mutex_);
    if (stopping_) {
      if (fd >= 0) close(fd);
      return;
    }
    if (fd >= 0) connections_.emplace_back(fd, std::thread([this, fd] { serve(fd); }));
  }
}

void RendezvousServer::serve(int fd) {
  std::string host, key, value;
  std::uint8_t verb = 0;
  while (read_message(fd, verb, key, value) && answer(fd, verb, std::move(key), std::move(value), host)) {
  }
  // A host keeps its connection to the end of the job: one that closes it earlier has died.
  const MutexLock lock(mutex_);
  if (!host.empty() && !stopping_) gone_.insert(host);
}

bool RendezvousServer::answer(int fd, std::uint8_t verb, std::string key, std::string value, std::string& host) {
  // mutex_ is held while the answer is made and not while it is sent.
  MutexLock lock(mutex_);
  bool found = true;
  if (verb == kHello) {
    host = std::move(key);
    value.clear();
  } else if (verb == kSet) {
    if (values_.size() >= kMaxKeys) return false;
    values_[std::move(key)] = std::move(value);
    changed_.notify_all();
    value.clear();
  } else if (verb == kGet) {
    const std::chrono::milliseconds wait{std::atoll(value.c_str())};
    found =
        // wait_for releases the mutex. At most a day, so that the addition in it cannot overflow.
        changed_.wait_for(lock, std::clamp(wait, std::chrono::milliseconds(0), std::chrono::milliseconds(86'400'000)),
                          [&]() REQUIRES(mutex_) { return stopping_ || values_.contains(key); }) &&
        !stopping_;
    value = found ? values_[key] : "";
  } else if (verb == kGone) {
    value.clear();
    for (const std::string& name : gone_) value += (value.empty() ? "" : "\n") + name;
  } else {
    return false;
  }
  lock.unlock();
  return send_message(fd, found ? kFound : kNotFound, "", value);
}

RendezvousClient::RendezvousClient(const std::string& self, const std::string& first_host, std::uint16_t port,
                                   Clock::time_point deadline)
    : first_host_(first_host) {
  const auto start = Clock::now();
  for (;;) {
    const sockaddr_in at = socket_address(resolve(first_host, deadline), port);
    UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (!fd) throw_errno("rendezvous: socket");
    if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(&at), sizeof at) == 0) {
      // Small requests and answers take turns: Nagle's algorithm would delay each.
      const int on = 1;
      setsockopt(fd.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      fd_ = std::move(fd);
      bool found = false;
      call(kHello, self, "", found);
      return;
    }
    if (Clock::now() >= deadline)
      throw Error(Kind::kUnavailable, "host " + first_host + ": no answer on port " + std::to_string(port) + " after " +
                                          seconds_until(start) + ": " + std::strerror(errno));
    std::this_thread::sleep_for(kRetry);
  }
}

std::string RendezvousClient::call(std::uint8_t verb, std::string_view key, std::string_view value, bool& found) {
  // One call at a time: the answer belongs to the last request on this connection.
  const MutexLock lock(mutex_);
  std::uint8_t status = 0;
  std::string echoed, answer;
  if (!send_message(fd_.get(), verb, key, value) || !read_message(fd_.get(), status, echoed, answer))
    throw Error(Kind::kUnavailable, "host " + first_host_ + ": the connection to it was lost");
  found = status == kFound;
  return answer;
}

void RendezvousClient::set(std::string_view key, std::string_view value) {
  bool found = false;
  call(kSet, key, value, found);
}

bool RendezvousClient::get(std::string_view key, std::string& value, std::chrono::milliseconds timeout) {
  bool found = false;
  value = call(kGet, key, std::to_string(std::max<std::int64_t>(0, timeout.count())), found);
  return found;
}

std::vector<std::string> RendezvousClient::gone() {
  bool found = false;
  const std::string names = call(kGone, "", "", found);
  std::vector<std::string> out;
  for (const std::string_view name : split(names, '\n'))
    if (!name.empty()) out.emplace_back(name);
  return out;
}

}  // namespace clary::collective
