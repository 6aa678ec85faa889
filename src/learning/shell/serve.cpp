// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/serve.h"

#include <fmt/format.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <chrono>
#include <cstdlib>
#include <thread>

#include "base/error.h"
#include "base/text.h"
#include "http/server.h"
#include "learning/numeric/threads.h"
#include "learning/shell/train.h"

namespace clary::shell {
namespace {

using Clock = std::chrono::steady_clock;
using http::asio::awaitable;

/// Requests that take less than this are answered on the connection's own thread; handing them to a worker and back
/// costs about 20 us.
constexpr std::chrono::microseconds kInlineLimit{300};
constexpr std::size_t kInlineBodyBytes = 64 << 10;
constexpr std::chrono::milliseconds kStopGrace{25'000};  // the contract kills 30 s after SIGTERM

/// 1 .. 65535 or `high`; 0 when unset. @throws Error{kInvalid}
std::uint64_t number_from_environment(const char* name, std::uint64_t high) {
  const char* text = std::getenv(name);
  if (text == nullptr || *text == '\0') return 0;
  const std::string_view view = text;
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  if (error != std::errc() || end != view.data() + view.size() || value > high)
    throw Error(Kind::kInvalid, fmt::format("{}: '{}' is not an integer from 0 to {}", name, view, high));
  return value;
}

// One object for all connections: const access to the model from any thread; usual_ns_ is an atomic without ordering,
// a hint only.
class Service {
 public:
  Service(const ServedModel& model, const Descriptor& descriptor, const ServeOptions& options)
      : model_(model), descriptor_(descriptor), options_(options) {}

  void attach(http::Server& server) { workers_ = &server.workers(); }

  awaitable<http::Response> handle(http::Request& request) {
    const std::string_view path = request.path();
    if (path == "/invocations") co_return co_await invocation(request);
    if (request.method != "GET" && request.method != "HEAD") co_return http::text_response(405, "method not allowed\n");
    if (path == "/ping") co_return http::text_response(200, "\n");
    if (path == "/execution-parameters") co_return http::text_response(200, execution_parameters(), "application/json");
    // Documents of a model (topics of NTM) are pages as well.
    if (model_.document && path.starts_with('/'))
      if (auto found = model_.document(path.substr(1)))
        co_return http::text_response(200, std::move(found->body), found->content_type);
    co_return http::text_response(404, "no such page\n");
  }

 private:
  std::string execution_parameters() const {
    return fmt::format(R"({{"MaxConcurrentTransforms": {}, "BatchStrategy": "{}", "MaxPayloadInMB": {}}})",
                       options_.threads, descriptor_.batch_strategy, options_.max_request_bytes >> 20);
  }

  // Requests run on the connection's thread when they are short (see kInlineLimit): a long one there would delay every
  // other connection of the thread.
  awaitable<http::Response> invocation(http::Request& request) {
    if (request.method != "POST") co_return http::text_response(405, "method not allowed\n");
    const std::string body = co_await http::read_body(request.body, options_.max_request_bytes);
    const bool on_this_thread = body.size() <= kInlineBodyBytes && usual_ns_.load(std::memory_order_relaxed) <
                                                                       std::chrono::nanoseconds(kInlineLimit).count();
    const auto work = [this, &request, &body] { return timed_answer(request, body); };
    // The coroutine holds request and body until the work is done; `work` may refer to them.
    Answer out;
    // Not ?: GCC 12 destroys the operands of a conditional with co_await twice.
    if (on_this_thread)
      out = work();
    else
      out = co_await http::offload(*workers_, work);
    if (out.status == 204) co_return http::Response{.status = 204, .headers = {}, .body = std::string()};
    co_return http::text_response(out.status, std::move(out.body), out.content_type);
  }

  /// Keeps a running average of what a request costs, which decides where the next one runs.
  Answer timed_answer(const http::Request& request, std::string_view body) {
    const auto start = Clock::now();
    Answer out = answer_invocation(model_, descriptor_, request.headers.value_or("content-type", ""),
                                   request.headers.value_or("accept", ""),
                                   request.headers.value_or("x-amzn-sagemaker-custom-attributes", ""), body);
    const std::int64_t took = std::chrono::nanoseconds(Clock::now() - start).count();
    const std::int64_t usual = usual_ns_.load(std::memory_order_relaxed);
    // Exponential average with weight 1/8. Two threads may overwrite each other's update: the next request corrects
    // it.
    usual_ns_.store(usual + (took - usual) / 8, std::memory_order_relaxed);
    return out;
  }

  const ServedModel& model_;
  const Descriptor& descriptor_;
  const ServeOptions& options_;
  http::asio::thread_pool* workers_ = nullptr;
  // Twice the limit, so that the first requests, which are often the slowest, do not block a connection thread.
  std::atomic<std::int64_t> usual_ns_{std::chrono::nanoseconds(kInlineLimit).count() * 2};  // start on the workers
};

/// SIGTERM and SIGINT, blocked in this thread and in all that it starts from now on, until the end of the scope.
/// Signals are blocked before any thread exists, so that none of them is interrupted, and taken by one thread that
/// waits for them: calling stop() in a signal handler would not be safe.
class BlockedStopSignals {
 public:
  BlockedStopSignals() {
    sigemptyset(&signals_);
    sigaddset(&signals_, SIGTERM);
    sigaddset(&signals_, SIGINT);
    pthread_sigmask(SIG_BLOCK, &signals_, &before_);
  }
  BlockedStopSignals(const BlockedStopSignals&) = delete;
  BlockedStopSignals& operator=(const BlockedStopSignals&) = delete;
  // Restored for callers that go on, as tests do.
  ~BlockedStopSignals() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  void wait() const {
    int signal = 0;
    sigwait(&signals_, &signal);
  }

 private:
  sigset_t signals_{}, before_{};
};

/// Stops the server when one of the signals comes. Declared after the server, so that its thread is joined before the
/// server is destroyed.
class StopThread {
 public:
  StopThread(const BlockedStopSignals& signals, http::Server& server)
      : thread_([&signals, &server] {
          signals.wait();
          server.stop();
        }) {}
  StopThread(const StopThread&) = delete;
  StopThread& operator=(const StopThread&) = delete;
  ~StopThread() {
    pthread_kill(thread_.native_handle(),
                 SIGTERM);  // in case run() threw; a thread that has its signal does not see it
    thread_.join();
  }

 private:
  std::thread thread_;
};

}  // namespace

ServeOptions serve_options_from_environment() {
  ServeOptions out;
  if (const char* socket = std::getenv(contract::kEnvBindSocket)) out.socket = socket;
  if (const auto port = number_from_environment(contract::kEnvBindPort, 65535); port > 0)
    out.port = static_cast<std::uint16_t>(port);
  if (const auto bytes = number_from_environment("MAX_CONTENT_LENGTH", 1ULL << 30); bytes > 0)
    out.max_request_bytes = bytes;  // the published serving containers' own name
  if (const auto megabytes = number_from_environment(contract::kEnvMaxPayloadInMb, 1024); megabytes > 0)
    // Batch transform announces its payload size in a variable of its own; the larger of the two holds.
    out.max_request_bytes = std::max(out.max_request_bytes, megabytes << 20);
  out.threads = numeric::available_threads();
  return out;
}

void serve(const ServedModel& model, const Descriptor& descriptor, const ServeOptions& options) {
  // A client that closes early must not end the process.
  signal(SIGPIPE, SIG_IGN);
  const BlockedStopSignals signals;  // before the server, which starts threads
  Service service(model, descriptor, options);
  // No more threads than the container was given.
  http::ServerOptions server_options;
  server_options.io_threads = std::min(options.threads, 8);
  server_options.worker_threads = options.threads;
  server_options.stop_grace = kStopGrace;
  http::Server server(server_options, [&service](http::Request& request) { return service.handle(request); });
  service.attach(server);
  if (options.socket.empty())
    server.listen_tcp(options.host, options.port);
  else
    server.listen_unix(options.socket);
  std::printf("Serving %s\n",
              options.socket.empty() ? fmt::format("on port {}", server.port()).c_str() : options.socket.c_str());
  std::fflush(stdout);
  const StopThread stop_thread(signals, server);
  server.run();
}

}  // namespace clary::shell
