// SPDX-License-Identifier: Apache-2.0
#include "learning/collective/shared_memory.h"

#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstddef>
#include <cstring>
#include <new>

#include "base/error.h"
#include "base/files.h"
#include "base/ids.h"

namespace clary::collective {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kMaxHosts = 8;                 // every host reads every slot: beyond this a ring is better
constexpr std::size_t kSlotBytes = 4 << 20;  // longer arrays go in pieces
constexpr std::size_t kHeaderBytes = 4096;
constexpr std::chrono::microseconds kSpin{30};    // then sleep: the peers may need this CPU
constexpr std::chrono::milliseconds kSleep{100};  // between checks of the peers

// Two slots for each host, used in turn: see all_reduce().
std::size_t total_bytes(int size) { return kHeaderBytes + 2 * static_cast<std::size_t>(size) * kSlotBytes; }

/// The same text for processes that can share a memory file and an abstract socket.
/// The boot id distinguishes machines, the network namespace containers: abstract sockets belong to it. "" never
/// equals: agreed() demands text.
std::string machine() {
  try {
    const std::string boot = read_file("/proc/sys/kernel/random/boot_id");
    return boot + std::filesystem::read_symlink("/proc/self/ns/net").string();
  } catch (const std::exception&) {
    return "";
  }
}

// An abstract socket (a zero byte first) has no file, so that nothing stays behind after a crash.
sockaddr_un abstract_address(const std::string& name, socklen_t& size) {
  sockaddr_un out{};
  out.sun_family = AF_UNIX;
  const std::size_t length = std::min(name.size(), sizeof out.sun_path - 1);
  std::memcpy(out.sun_path + 1, name.data(), length);
  size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + 1 + length);
  return out;
}

bool readable(int fd, Clock::time_point deadline) {
  const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
  pollfd waiting{fd, POLLIN, 0};
  return poll(&waiting, 1, static_cast<int>(std::clamp<std::int64_t>(left, 0, INT_MAX))) > 0;
}

/// Sends `fd` to a peer that knows the token: any process of the machine may connect to an abstract socket.
/// SCM_RIGHTS: the receiver gets a descriptor of its own for the same memory.
bool hand_over(int connection, int fd, const std::string& token, Clock::time_point deadline) {
  std::string received(token.size(), '\0');
  if (!readable(connection, deadline) ||
      recv(connection, received.data(), received.size(), MSG_WAITALL) != static_cast<ssize_t>(received.size()) ||
      received != token)
    return false;
  char byte = 0;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  cmsghdr* head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET, head->cmsg_type = SCM_RIGHTS, head->cmsg_len = CMSG_LEN(sizeof(int));
  std::memcpy(CMSG_DATA(head), &fd, sizeof fd);
  return sendmsg(connection, &message, MSG_NOSIGNAL) == 1;
}

UniqueFd take_over(int connection, const std::string& token, Clock::time_point deadline) {
  if (send(connection, token.data(), token.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(token.size())) return {};
  if (!readable(connection, deadline)) return {};
  char byte = 0;
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  iovec piece{&byte, 1};
  msghdr message{};
  message.msg_iov = &piece, message.msg_iovlen = 1;
  message.msg_control = control, message.msg_controllen = sizeof control;
  if (recvmsg(connection, &message, MSG_CMSG_CLOEXEC) != 1) return {};
  const cmsghdr* head = CMSG_FIRSTHDR(&message);
  if (head == nullptr || head->cmsg_type != SCM_RIGHTS || head->cmsg_len != CMSG_LEN(sizeof(int))) return {};
  int fd = -1;
  std::memcpy(&fd, CMSG_DATA(head), sizeof fd);
  return UniqueFd(fd);
}

/// First host: makes the memory and gives it to the others.
UniqueFd offer(const Hosts& hosts, RendezvousClient& client, Clock::time_point deadline) {
  UniqueFd memory(memfd_create("clary-collective", MFD_CLOEXEC));
  const UniqueFd listener(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  const std::string token = random_hex(32), name = "clary-collective-" + random_hex(16);
  socklen_t size = 0;
  const sockaddr_un address = abstract_address(name, size);
  const bool ready = memory && listener &&
                     ftruncate(memory.get(), static_cast<off_t>(total_bytes(hosts.size()))) == 0 &&
                     bind(listener.get(), reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
                     listen(listener.get(), kMaxHosts) == 0;
  // Published even if it failed: the others must not wait for an offer that will not come.
  client.set("shared/where", ready ? name + " " + token : "");
  if (!ready) return {};
  // A connection that does not know the token is closed and not counted.
  for (int given = 1; given < hosts.size();) {
    if (!readable(listener.get(), deadline)) return {};
    const UniqueFd connection(accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (connection && hand_over(connection.get(), memory.get(), token, deadline)) ++given;
  }
  return memory;
}

UniqueFd accept_offer(RendezvousClient& client, Clock::time_point deadline, std::chrono::milliseconds wait) {
  std::string where;
  if (!client.get("shared/where", where, wait) || where.empty()) return {};
  const std::size_t space = where.find(' ');
  const UniqueFd connection(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  socklen_t size = 0;
  const sockaddr_un address = abstract_address(where.substr(0, space), size);
  if (!connection || space == std::string::npos ||
      ::connect(connection.get(), reinterpret_cast<const sockaddr*>(&address), size) != 0)
    return {};
  return take_over(connection.get(), where.substr(space + 1), deadline);
}

// The pause instruction leaves the core to its sibling thread while this one spins.
void relax() noexcept {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

}  // namespace

struct SharedMemory::Header {
  alignas(64) std::atomic<std::uint32_t> arrived;
  alignas(64) std::atomic<std::uint32_t> generation;
};

SharedMemory::Header& SharedMemory::header() const noexcept {
  static_assert(sizeof(Header) <= kHeaderBytes && std::atomic<std::uint32_t>::is_always_lock_free);
  return *std::launder(reinterpret_cast<Header*>(memory_));  // zero pages of a fresh memory file are its initial state
}

std::byte* SharedMemory::slot(int rank, unsigned parity) const noexcept {
  return memory_ + kHeaderBytes + (static_cast<std::size_t>(rank) * 2 + parity) * kSlotBytes;
}

// Both decisions (same machine, memory mapped) are made from all hosts' answers, so that every host reaches the same
// one; a mixture of transports would deadlock.
std::unique_ptr<SharedMemory> SharedMemory::meet(const Hosts& hosts, RendezvousClient& client,
                                                 Clock::time_point deadline) {
  const auto left = [&] {
    return std::max(std::chrono::milliseconds(0),
                    std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()));
  };
  const auto agreed = [&](const std::string& key, const std::string& mine) {
    client.set(key + "/" + hosts.current, mine);
    bool all = !mine.empty();
    std::string theirs;
    for (const std::string& name : hosts.names)
      all = client.get(key + "/" + name, theirs, left()) && theirs == mine && all;
    return all;
  };
  if (hosts.size() > kMaxHosts || !agreed("shared/machine", machine())) return nullptr;
  const UniqueFd fd = hosts.is_first() ? offer(hosts, client, deadline) : accept_offer(client, deadline, left());
  void* memory = MAP_FAILED;
  const std::size_t bytes = total_bytes(hosts.size());
  if (fd) memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd.get(), 0);
  std::unique_ptr<SharedMemory> out;
  if (memory != MAP_FAILED) out.reset(new SharedMemory(hosts.rank(), hosts.size(), static_cast<std::byte*>(memory)));
  if (!agreed("shared/mapped", out ? "yes" : "")) return nullptr;
  return out;
}

SharedMemory::~SharedMemory() { munmap(memory_, total_bytes(size_)); }

// A sense-reversing barrier with a generation count. `now` is read before this host arrives, so it cannot miss the
// change. The last to arrive resets the counter before it publishes the new generation: no host can arrive at the next
// barrier earlier.
void SharedMemory::barrier(const std::function<void()>& check) {
  auto& [arrived, generation] = header();
  const std::uint32_t now = generation.load(std::memory_order_acquire);
  auto* word = reinterpret_cast<std::uint32_t*>(&generation);
  if (arrived.fetch_add(1, std::memory_order_acq_rel) + 1 == static_cast<std::uint32_t>(size_)) {
    arrived.store(0, std::memory_order_relaxed);
    generation.store(now + 1, std::memory_order_release);
    syscall(SYS_futex, word, FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
    return;
  }
  const auto spin_end = Clock::now() + kSpin;
  while (generation.load(std::memory_order_acquire) == now) {
    if (Clock::now() < spin_end) {
      for (int i = 0; i < 50; ++i) relax();
      continue;
    }
    const timespec sleep{0, std::chrono::nanoseconds(kSleep).count()};
    // The kernel compares the word with `now` before it sleeps: a wake-up between the load and the call is not lost.
    // Not FUTEX_PRIVATE, since the word lies in memory of several processes.
    const long status = syscall(SYS_futex, word, FUTEX_WAIT, now, &sleep, nullptr, 0);
    if (status != 0 && errno == ETIMEDOUT) check();
  }
}

template <class T, class Op>
// One barrier a piece suffices because slots alternate: a host writes slot `parity` again only after the barrier of
// the piece between, which no host enters before it has read the slot.
void SharedMemory::all_reduce(std::span<T> values, Op op, const std::function<void()>& check) {
  constexpr std::size_t kPiece = kSlotBytes / sizeof(T);
  for (std::size_t at = 0; at < values.size(); at += kPiece, parity_ ^= 1U) {
    const std::span<T> piece = values.subspan(at, std::min(kPiece, values.size() - at));
    std::memcpy(slot(rank_, parity_), piece.data(), piece.size_bytes());
    barrier(check);
    // In rank order on every host: the same bytes everywhere.
    const T* first = reinterpret_cast<const T*>(slot(0, parity_));
    const T* second = reinterpret_cast<const T*>(slot(1, parity_));
    T* out = piece.data();
    for (std::size_t i = 0; i < piece.size(); ++i) out[i] = op(first[i], second[i]);
    for (int rank = 2; rank < size_; ++rank) {
      const T* next = reinterpret_cast<const T*>(slot(rank, parity_));
      for (std::size_t i = 0; i < piece.size(); ++i) out[i] = op(out[i], next[i]);
    }
  }
}

template void SharedMemory::all_reduce(std::span<float>, std::plus<float>, const std::function<void()>&);
template void SharedMemory::all_reduce(std::span<double>, std::plus<double>, const std::function<void()>&);
template void SharedMemory::all_reduce(std::span<std::int64_t>, std::plus<std::int64_t>, const std::function<void()>&);
template void SharedMemory::all_reduce(std::span<double>, Max, const std::function<void()>&);

}  // namespace clary::collective
