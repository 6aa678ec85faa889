// SPDX-License-Identifier: Apache-2.0
#include "http/server.h"

#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <list>
#include <thread>
#include <unordered_set>
#include <variant>

#include "base/log.h"
#include "base/mutex.h"
#include "http/connection.h"

namespace clary::http {

namespace {

int io_threads_of(const ServerOptions& options) {
  const int cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return options.io_threads > 0 ? options.io_threads : std::min(cpus, 8);
}

std::size_t worker_threads_of(const ServerOptions& options) {
  const int cpus = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  return static_cast<std::size_t>(options.worker_threads > 0 ? options.worker_threads : std::max(8, 4 * cpus));
}

// Deadlines are looked at once a tick: a quarter of the shortest timeout is precise enough, and one timer a connection
// costs little.
std::chrono::milliseconds tick_of(const ServerOptions& o) {
  const auto shortest = std::min({o.head_timeout, o.idle_timeout, o.progress_timeout, o.drain_timeout});
  return std::clamp(shortest / 4, std::chrono::milliseconds(5), std::chrono::milliseconds(1000));
}

/// One I/O thread: its event loop and the connections that live on it.
/// One thread a loop and no strand: a connection's coroutines run on one thread and need no locks.
struct Loop {
  asio::io_context context{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(context);
  std::unordered_set<Connection*> connections;  // touched on its own thread only
  std::atomic<std::size_t> load{0};
};

using TcpAcceptor = asio::ip::tcp::acceptor;
using UnixAcceptor = asio::local::stream_protocol::acceptor;

}  // namespace

struct Server::Core {
  Core(ServerOptions o, Handler h)
      : options(std::move(o)),
        handler(std::move(h)),
        // An embedded server (an algorithm's) shares its owner's pool.
        own_workers(options.workers == nullptr ? std::make_unique<asio::thread_pool>(worker_threads_of(options))
                                               : nullptr),
        workers(own_workers ? *own_workers : *options.workers),
        tick(tick_of(options)),
        environment{options, handler, workers, stopping} {
    for (int i = 0; i < io_threads_of(options); ++i) loops.push_back(std::make_unique<Loop>());
  }

  ServerOptions options;
  Handler handler;
  std::unique_ptr<asio::thread_pool> own_workers;
  asio::thread_pool& workers;
  std::chrono::milliseconds tick;
  // Both are read without the lock, and changed under it so that run() misses no change between its look and its wait.
  std::atomic<bool> stopping{false};
  std::atomic<std::size_t> open{0};
  ConnectionEnvironment environment;
  std::vector<std::unique_ptr<Loop>> loops;
  std::list<std::variant<TcpAcceptor, UnixAcceptor>> acceptors;  // on loops[0]
  std::vector<std::filesystem::path> socket_files;
  std::uint16_t first_port = 0;
  Mutex mutex;
  Condition changed;  // `stopping` was set or `open` went down

  Loop& least_loaded() {
    // By the number of open connections. Only loops[0] reads and decides; a count that is a little old does no harm.
    return **std::min_element(loops.begin(), loops.end(),
                              [](const auto& a, const auto& b) { return a->load.load() < b->load.load(); });
  }

  /// Runs on loops[0]. The new socket is made on the loop that will own it, so that it never changes its event loop.
  template <class Acceptor>
  asio::awaitable<void> accept_all(Acceptor& acceptor) {
    while (!stopping) {
      Loop& loop = least_loaded();
      typename Acceptor::protocol_type::socket socket(loop.context);
      error_code ec;
      co_await acceptor.async_accept(socket, asio::redirect_error(asio::use_awaitable, ec));
      if (stopping || ec == asio::error::operation_aborted) co_return;
      if (ec) {  // out of descriptors, most likely: wait rather than spin
        log::warn("accept: {}", ec.message());
        // The connection that could not be accepted stays in the kernel's queue.
        asio::steady_timer pause(acceptor.get_executor(), std::chrono::milliseconds(50));
        co_await pause.async_wait(asio::redirect_error(asio::use_awaitable, ec));
        continue;
      }
      if (open >= options.max_connections) {
        log::warn("connection refused: {} are open, the most allowed", options.max_connections);
        // By the socket's destructor, before a byte is read.
        continue;  // closes it
      }
      start(loop, std::move(socket));
    }
  }

  static std::string prepare(asio::ip::tcp::socket& socket) {
    error_code ec;
    socket.set_option(asio::ip::tcp::no_delay(true), ec);
    const auto peer = socket.remote_endpoint(ec);
    return ec ? std::string("unknown") : peer.address().to_string();
  }
  static std::string prepare(asio::local::stream_protocol::socket&) { return "unix"; }

  template <class AnySocket>
  void start(Loop& loop, AnySocket socket) {
    std::string peer = prepare(socket);
    // Before co_spawn(), so that the next accept sees the load.
    ++loop.load;
    ++open;
    asio::co_spawn(loop.context, serve(loop, Socket(std::move(socket)), std::move(peer)), asio::detached);
  }

  asio::awaitable<void> serve(Loop& loop, Socket socket, std::string peer) {
    {
      // Destroyed before the counters go down: once `open` is 0 run() may stop the loop.
      Connection connection(Stream::make(std::move(socket), tick), environment, std::move(peer));
      loop.connections.insert(&connection);
      co_await connection.run();
      loop.connections.erase(&connection);
    }
    --loop.load;
    // Under the mutex: run() waits for this change, see `open`.
    const MutexLock lock(mutex);
    --open;
    changed.notify_all();
  }

  /// Posts: connections are touched on their own threads only. The list is copied, because `act` may end and erase one.
  void for_each_connection(void (*act)(Connection&)) {
    for (const auto& loop : loops)
      asio::post(loop->context, [l = loop.get(), act] {
        const std::vector<Connection*> now(l->connections.begin(), l->connections.end());
        for (Connection* c : now) act(*c);
      });
  }

  void close_acceptors() {
    asio::post(loops[0]->context, [this] {
      for (auto& acceptor : acceptors)
        std::visit(
            [](auto& a) {
              error_code ignored;
              a.close(ignored);
            },
            acceptor);
    });
  }
};

Server::Server(ServerOptions options, Handler handler)
    : core_(std::make_shared<Core>(std::move(options), std::move(handler))) {}

// After run() has returned (or was never called).
Server::~Server() {
  if (core_->own_workers) core_->own_workers->join();
  core_->acceptors.clear();
  // Only those that this server made.
  for (const auto& file : core_->socket_files) ::unlink(file.c_str());
}

void Server::listen_tcp(const std::string& host, std::uint16_t port) {
  error_code ec;
  auto& context = core_->loops[0]->context;
  asio::ip::tcp::resolver resolver(context);
  const auto found = resolver.resolve(host, std::to_string(port), asio::ip::tcp::resolver::passive, ec);
  const std::string where = host + ":" + std::to_string(port);
  if (ec || found.empty()) throw Error(Kind::kInvalid, "listen on " + where + ": " + ec.message());
  const asio::ip::tcp::endpoint endpoint = found.begin()->endpoint();
  TcpAcceptor acceptor(context);
  acceptor.open(endpoint.protocol(), ec);
  // A restarted server must not wait for old connections in TIME_WAIT.
  if (!ec) acceptor.set_option(TcpAcceptor::reuse_address(true), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(1024, ec);
  if (ec) throw Error(Kind::kConflict, "listen on " + where + ": " + ec.message());
  if (core_->first_port == 0) core_->first_port = acceptor.local_endpoint().port();
  core_->acceptors.emplace_back(std::move(acceptor));
}

void Server::listen_unix(const std::filesystem::path& path) {
  if (path.native().size() >= sizeof(sockaddr_un{}.sun_path))
    throw Error(Kind::kInvalid, "socket path " + path.string() + " is longer than 107 bytes");
  error_code ec;
  auto& context = core_->loops[0]->context;
  const asio::local::stream_protocol::endpoint endpoint(path.string());
  asio::local::stream_protocol::socket probe(context);
  // A socket file that is left over from a crash refuses connections; one that accepts belongs to a living server.
  probe.connect(endpoint, ec);
  if (!ec) throw Error(Kind::kConflict, "listen on " + path.string() + ": another server listens there already");
  // bind() fails on an existing name. Between probe and bind another server could come; the bind then fails.
  ::unlink(path.c_str());
  UnixAcceptor acceptor(context);
  ec = {};
  acceptor.open(endpoint.protocol(), ec);
  if (!ec) acceptor.bind(endpoint, ec);
  if (!ec) acceptor.listen(1024, ec);
  if (ec) throw Error(Kind::kConflict, "listen on " + path.string() + ": " + ec.message());
  core_->socket_files.push_back(path);
  core_->acceptors.emplace_back(std::move(acceptor));
}

std::uint16_t Server::port() const { return core_->first_port; }

// Blocks the calling thread until stop(). The loops get their threads here, so that nothing runs before all is set up.
void Server::run() {
  Core& core = *core_;
  for (auto& acceptor : core.acceptors)
    std::visit([&](auto& a) { asio::co_spawn(core.loops[0]->context, core.accept_all(a), asio::detached); }, acceptor);
  std::vector<std::thread> threads;
  for (const auto& loop : core.loops) threads.emplace_back([l = loop.get()] { l->context.run(); });
  {
    MutexLock lock(core.mutex);
    core.changed.wait(lock, [&] { return core.stopping.load(); });
    core.close_acceptors();
    // Idle connections end now, busy ones with their answer.
    core.for_each_connection([](Connection& c) { c.stop(); });
    const auto ended = [&] { return core.open == 0; };
    if (!core.changed.wait_for(lock, core.options.stop_grace, ended)) {
      log::warn("{} connections did not end in time and are cut", core.open.load());
      lock.unlock();
      // abort() makes every pending read and write fail; the handlers then unwind. A handler that waits for something
      // else is waited for once more and then destroyed with its loop.
      core.for_each_connection([](Connection& c) { c.abort(); });
      lock.lock();
      core.changed.wait_for(lock, core.options.stop_grace, ended);
    }
  }
  // First the workers: what a cut connection offloaded points into its coroutine, and posts to its event loop at the
  // end.
  core.workers.join();
  for (const auto& loop : core.loops) loop->context.stop();
  for (auto& thread : threads) thread.join();
}

void Server::stop() {
  // run() does the rest: the unlock below must be the last that this thread does with the server, because run() may
  // return and the server be destroyed from then on.
  const MutexLock lock(core_->mutex);
  core_->stopping = true;
  core_->changed.notify_all();
}

asio::thread_pool& Server::workers() { return core_->workers; }
std::size_t Server::connections() const noexcept { return core_->open; }

}  // namespace clary::http
