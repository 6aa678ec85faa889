// SPDX-License-Identifier: Apache-2.0
// port_relay SOCKET PORT PROGRAM [ARGUMENT...]
//
// The way into a sandbox that has a network of its own: listens on the Unix socket, which a folder shared with the
// outside holds, and joins each connection with one to 127.0.0.1:PORT, where the program listens.
//
// The first byte of each connection is the relay's own: it says that the program listens. A connection that is closed
// before it has been refused by the program, and nothing of a request has got there.
//
// It becomes the program by execvp(), and leaves the relaying to a process that it has forked before. So the program
// keeps the place that the sandbox watches: its exit code, and the signals sent to it, pass nobody else. The forked
// process is no child of the program (which may wait for all its children) but of the namespace's first process, is
// in a session of its own (a program may signal its process group), and ends with the namespace.
//
// One thread, epoll, no memory beyond two buffers a connection. A descriptor that is neither to be read nor to be
// written is taken out of the epoll set: EPOLLHUP cannot be masked, and would be reported without end.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <memory>

namespace {

constexpr std::size_t kMaxConnections = 512;  // the next ones wait in the listening socket's queue
constexpr std::size_t kOtherFiles = 16;       // descriptors besides two a connection
constexpr int kBacklog = 512;
constexpr std::size_t kBufferBytes = 32 * 1024;
constexpr useconds_t kPauseMicroseconds = 10'000;
constexpr int kStepsAtOnce = 16;  // buffers that one connection may move before the others get their turn

/// One direction of a connection: `from` is read into the buffer, the buffer is written to `to`.
struct Way {
  int from = -1, to = -1;
  bool ended = false;  // `from` has nothing more to say
  bool shut = false;   // and `to` knows
  std::size_t begin = 0, end = 0;
  std::array<char, kBufferBytes> buffer;

  bool empty() const { return begin == end; }

  /// Says first of all that the program has been reached.
  void greet() {
    buffer[0] = '+';
    begin = 0;
    end = 1;
  }

  /// Moves what can be moved now. False when the connection is broken.
  bool pump() {
    // A bound on the work for one connection, or a fast pair could starve all others of the single thread.
    for (int step = 0; step < kStepsAtOnce; ++step) {
      // Reads only into an empty buffer: the buffer is the back-pressure, nothing is queued beyond it.
      if (empty() && !ended) {
        const ssize_t n = ::recv(from, buffer.data(), buffer.size(), MSG_DONTWAIT);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        begin = 0;
        end = static_cast<std::size_t>(n);
        ended = n == 0;
      }
      if (!empty()) {
        const ssize_t n = ::send(to, buffer.data() + begin, end - begin, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN || errno == EINTR;
        begin += static_cast<std::size_t>(n);
      }
      if (!empty() || !ended) continue;
      // Half-close: the end of one direction is passed on when its last byte has been written, the other goes on (HTTP
      // clients may shut their side down after the request).
      if (!shut) ::shutdown(to, SHUT_WR);  // the other direction may go on
      shut = true;
      return true;
    }
    return true;
  }
};

struct Connection {
  int outside = -1, inside = -1;
  bool connecting = false;
  Way request, answer;

  Connection() = default;
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() {
    for (const int fd : {outside, inside})
      if (fd >= 0) ::close(fd);
  }
  bool done() const { return request.shut && answer.shut; }
  std::uint32_t wanted(int fd) const {
    // A socket that is connecting becomes writable when the connection is made or has failed.
    if (connecting) return fd == inside ? EPOLLOUT : 0U;
    const Way& reads = fd == outside ? request : answer;
    const Way& writes = fd == outside ? answer : request;
    // Level-triggered epoll: what is not wanted now must not be asked for, or epoll_wait() would return at once, again
    // and again.
    return (reads.empty() && !reads.ended ? EPOLLIN : 0U) | (writes.empty() ? 0U : EPOLLOUT);
  }
};

class Relay {
 public:
  Relay(int listener, std::uint16_t port, std::size_t max_connections)
      : listener_(listener), epoll_(::epoll_create1(EPOLL_CLOEXEC)), max_connections_(max_connections) {
    address_.sin_family = AF_INET;
    address_.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address_.sin_port = htons(port);
  }

  [[noreturn]] void run() {
    for (;;) {
      // Both descriptors of a connection are keys of the map, hence the factor. When full the listener is not watched
      // and the kernel's queue holds the callers.
      watch(listener_, connections_.size() < 2 * max_connections_ ? EPOLLIN : 0U);
      std::array<epoll_event, 64> events;
      const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), -1);
      for (int i = 0; i < count; ++i) {
        const int fd = events[static_cast<std::size_t>(i)].data.fd;
        // A descriptor may be closed by an earlier event of the same batch; its later events find no connection and
        // are dropped.
        if (fd == listener_)
          accept_one();
        else if (const auto found = connections_.find(fd); found != connections_.end())
          serve(*std::shared_ptr<Connection>(found->second));  // kept until serve() has returned
      }
    }
  }

 private:
  void accept_one() {
    const int fd = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0) {
      if (errno != EAGAIN && errno != ECONNABORTED) ::usleep(kPauseMicroseconds);  // the machine is out of something
      return;
    }
    auto connection = std::make_shared<Connection>();
    connection->outside = fd;
    connection->inside = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connection->inside < 0) return;
    // Requests and answers are forwarded as they arrive; Nagle's algorithm would hold the last part of each back for
    // an ACK.
    const int on = 1;
    ::setsockopt(connection->inside, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (::connect(connection->inside, reinterpret_cast<const sockaddr*>(&address_), sizeof address_) != 0) {
      if (errno != EINPROGRESS) return;  // nobody listens (yet): the caller sees the connection closed
      connection->connecting = true;
    }
    if (!connection->connecting) connection->answer.greet();
    connection->request.from = connection->answer.to = connection->outside;
    connection->request.to = connection->answer.from = connection->inside;
    connections_[connection->outside] = connections_[connection->inside] = connection;
    watch_both(*connection);
  }

  void serve(Connection& connection) {
    if (connection.connecting) {
      // SO_ERROR carries the result of the connect() that was in progress.
      int error = 0;
      socklen_t size = sizeof error;
      ::getsockopt(connection.inside, SOL_SOCKET, SO_ERROR, &error, &size);
      if (error != 0) return close(connection);
      connection.connecting = false;
      connection.answer.greet();
    }
    if (!connection.request.pump() || !connection.answer.pump() || connection.done()) return close(connection);
    // A server that writes head and body in two calls waits for the ACK in between: 40 ms a request if it is delayed.
    const int on = 1;
    ::setsockopt(connection.inside, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof on);
    watch_both(connection);
  }

  // Removes both keys, and with them the last shared_ptr but the caller's: the descriptors are closed when that goes.
  void close(Connection& connection) {
    for (const int fd : {connection.outside, connection.inside}) {
      watched_.erase(fd);  // the kernel takes it out of the set when it is closed
      connections_.erase(fd);
    }
  }

  void watch_both(const Connection& connection) {
    watch(connection.outside, connection.wanted(connection.outside));
    watch(connection.inside, connection.wanted(connection.inside));
  }

  void watch(int fd, std::uint32_t wanted) {
    std::uint32_t& now = watched_[fd];
    if (now == wanted) return;
    epoll_event event{};
    event.events = wanted;
    event.data.fd = fd;
    // DEL when nothing is wanted, not MOD with an empty mask: see the top of the file.
    ::epoll_ctl(epoll_, wanted == 0 ? EPOLL_CTL_DEL : now == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &event);
    now = wanted;
  }

  const int listener_, epoll_;
  const std::size_t max_connections_;
  sockaddr_in address_{};
  std::map<int, std::shared_ptr<Connection>> connections_;  // each under both of its descriptors
  std::map<int, std::uint32_t> watched_;                    // what the epoll set holds
};

[[noreturn]] void fail(const char* what, int code) {
  std::fprintf(stderr, "port_relay: %s: %s\n", what, std::strerror(errno));
  ::_exit(code);
}

int listen_on(const char* path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (std::strlen(path) >= sizeof address.sun_path) {
    errno = ENAMETOOLONG;
    fail(path, 125);
  }
  std::strcpy(address.sun_path, path);
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (fd < 0 || ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, kBacklog) != 0)
    fail(path, 125);
  return fd;
}

[[noreturn]] void relay(int listener, std::uint16_t port) {
  // Away from the program's process group and terminal: kill(0, ...) in the program must not end the relay.
  ::setsid();
  for (const int signal : {SIGHUP, SIGINT, SIGTERM, SIGPIPE}) ::signal(signal, SIG_IGN);
  // Not the program's output: its reader waits for the end of it.
  const int null = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  // The program's output pipe would stay open with the relay, and its reader waits for the end of it.
  for (int fd = 0; fd < 3; ++fd) ::dup2(null, fd);
  rlimit files{1024, 1024};
  ::getrlimit(RLIMIT_NOFILE, &files);
  // Two descriptors a connection; the soft limit is often 1,024.
  files.rlim_cur = files.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &files);
  const auto possible = files.rlim_max > 2 * kOtherFiles ? (files.rlim_max - kOtherFiles) / 2 : 1;
  Relay(listener, port, std::min<std::size_t>(kMaxConnections, possible)).run();
}

}  // namespace

int main(int argc, char** argv) {
  std::uint16_t port = 0;
  if (argc < 4 || std::from_chars(argv[2], argv[2] + std::strlen(argv[2]), port).ec != std::errc() || port == 0) {
    std::fputs("usage: port_relay SOCKET PORT PROGRAM [ARGUMENT...]\n", stderr);
    return 125;
  }
  // Listens before the program starts: a connection can be made (and is refused with a close) as soon as the socket's
  // file exists.
  const int listener = listen_on(argv[1]);
  // Two forks: the process between ends at once, so that the relay becomes a child of the namespace's first process,
  // and the program, which this process becomes, has no unknown child.
  const pid_t between = ::fork();
  if (between < 0) fail("fork", 125);
  if (between == 0) {
    const pid_t child = ::fork();
    if (child == 0) relay(listener, port);
    ::_exit(child < 0 ? 1 : 0);
  }
  int status = 0;
  ::waitpid(between, &status, 0);
  if (status != 0) fail("fork", 125);
  ::execvp(argv[3], argv + 3);
  fail(argv[3], 127);
}
