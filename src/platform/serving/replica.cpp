// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/replica.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <mutex>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "contract/layout.h"

namespace clary::serving {
namespace {

namespace fs = std::filesystem;

constexpr auto kPingPeriod = 1000ms;
constexpr auto kPingLimit = 2000ms;  // AWS: /ping must answer within 2 s
constexpr auto kSilenceLimit = 30s;  // Clary's rule: no /ping for so long means that it hangs
constexpr std::chrono::milliseconds kFirstPause = 100ms, kLongestPause = 10s;
constexpr auto kSettled = 30s;             // a process that lived this long starts again without a pause
constexpr int kStartsBeforeGivingUp = 3;   // Clary's rule: ended this often before its first /ping
constexpr std::size_t kMaxLastLine = 600;  // Clary's limit: AWS ends a FailureReason at 1,024
constexpr const char* kSocketName = "s";   // where a program listens that knows CLARY_BIND_SOCKET
constexpr const char* kRelayName = "p";    // where its relay does, for one that listens on a port
constexpr const char* kRunInside = "/run/clary";

/// The port if it is free (0: any free one), else 0.
/// A probe only: the port may be taken by another program of the machine before the replica listens. The replica then
/// ends, and the restart tries the next port.
std::uint16_t free_port(std::uint16_t wanted) {
  const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_ANY);
  address.sin_port = htons(wanted);
  socklen_t size = sizeof address;
  if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return 0;
  return ::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size) == 0 ? ntohs(address.sin_port) : 0;
}

/// Ports that were given out. Between that and the program's listening, other programs must not get them.
std::mutex& plain_ports_mutex() {
  static std::mutex mutex;
  return mutex;
}
std::set<std::uint16_t>& plain_ports() {  // guarded by plain_ports_mutex()
  static std::set<std::uint16_t> ports;
  return ports;
}

}  // namespace

std::uint16_t PlainPort::take() {
  if (number_ != 0) return number_;
  const std::lock_guard lock(plain_ports_mutex());
  // First 8080, then any port that the kernel offers. One that another replica holds but does not listen on yet is
  // refused by the set.
  for (int attempt = 0; attempt < 100; ++attempt) {
    const std::uint16_t port = free_port(attempt == 0 ? contract::kServingPort : 0);
    if (port != 0 && plain_ports().insert(port).second) return number_ = port;
  }
  throw Error(Kind::kUnavailable, "no free TCP port");
}

void PlainPort::give_back() {
  if (number_ == 0) return;
  const std::lock_guard lock(plain_ports_mutex());
  plain_ports().erase(std::exchange(number_, 0));
}

Replica::Replica(ServingLoop& loop, const telemetry::LogStore& logs, ReplicaSpec spec)
    : loop_(loop),
      log_(logs.writer(spec.log_group, spec.log_stream)),
      spec_(std::move(spec)),
      timer_(loop.context()),
      stopped_(loop.context(), asio::steady_timer::time_point::max()) {}

// Runs when the last shared_ptr goes: stop()'s or live()'s, both on the loop; the process is gone by then.
Replica::~Replica() {
  std::error_code ignored;
  fs::remove_all(spec_.run_folder, ignored);
}

void Replica::start(std::function<void()> changed) {
  // Before start() nothing calls changed_; it must not own the replica, or the two would keep each other alive.
  changed_ = std::move(changed);
  running_ = true;
  // live() holds a reference to the replica until its process is gone; ReplicaSet may drop it earlier.
  asio::co_spawn(
      loop_.context(), [self = shared_from_this()] { return self->live(); }, asio::detached);
}

asio::awaitable<void> Replica::stop() {
  const auto self = shared_from_this();
  stopping_ = true;
  // First: pick() no longer chooses this process while it ends.
  backend_->set_ready(false);
  // Wakes live(), or the sleep that it is in; it then sees stopping_.
  timer_.cancel();
  if (running_) {
    http::error_code ignored;
    co_await stopped_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

// The flag is checked before the timer is armed: cancel() only ends waits that have begun.
asio::awaitable<void> Replica::sleep(std::chrono::milliseconds time) {
  if (stopping_) co_return;
  http::error_code ignored;
  timer_.expires_after(time);
  co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
}

void Replica::log_line(std::string_view text) {
  try {
    log_.append(now_ms(), text);
  } catch (const std::exception& e) {
    log::warn("serving: {}/{}: {}", spec_.log_group, spec_.log_stream, e.what());
  }
}

void Replica::remember(std::string_view line) {
  if (!trimmed(line).empty()) last_line_ = trimmed(line).substr(0, kMaxLastLine);
}

void Replica::give_up() {
  failed_ = true;
  changed_();
}

// The life of the process through its restarts. Exactly one of these runs for a replica, between start() and the
// expiry of stopped_; everything that it and its child coroutines share is touched on the loop's thread only, hence no
// lock.
asio::awaitable<void> Replica::live() {
  std::chrono::milliseconds pause = kFirstPause;
  int early_ends = 0;  // launches and processes that ended before the first /ping of all
  bool served = false;
  while (!stopping_) {
    const auto began = std::chrono::steady_clock::now();
    was_ready_ = false;
    try {
      // A launch that throws (no memory, no sandbox) is followed by the same pause as a process that ended.
      co_await run_once();
    } catch (const std::exception& e) {
      remember(std::string("cannot serve: ") + e.what());
      log_line(last_line_);
    }
    // Also after an exception: the next launch() must not run beside a process of the run before.
    co_await end_process();
    if (stopping_) break;
    // A replica that served once is started again for ever, with pauses that grow, because its cause may pass (memory,
    // a GPU that was busy). A launch that throws counts like a process that ended.
    served = served || was_ready_;
    if (!served && ++early_ends >= kStartsBeforeGivingUp) give_up();
    if (failed_) break;
    if (std::chrono::steady_clock::now() - began > kSettled) pause = kFirstPause;
    co_await sleep(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 2, kLongestPause);
  }
  running_ = false;
  stopped_.cancel();
}

sandbox::ChildProcess Replica::launch() {
  fs::create_directories(spec_.run_folder);
  const fs::path socket = spec_.run_folder / kSocketName;
  // A socket file of the dead process would make find_server() connect to nothing, or bind() in the new one fail.
  for (const char* name : {kSocketName, kRelayName}) fs::remove(spec_.run_folder / name);  // of the process before
  sandbox::SandboxSpec sandbox;
  sandbox.argv = spec_.algorithm->argv;
  sandbox.argv.emplace_back(contract::kServe);
  for (const fs::path& path : spec_.algorithm->read_only) sandbox.binds.push_back({path, path, false});
  sandbox.binds.push_back({spec_.model_folder, fs::path(contract::kRoot) / "model", false});
  sandbox.binds.push_back({spec_.run_folder, kRunInside, true});
  sandbox.environment = sandbox::compute_environment(spec_.threads);
  // insert() does not replace what compute_environment() set. The user's variables come next and may replace both; the
  // thread count, the socket and the port are assigned after them and cannot be replaced.
  sandbox.environment.insert(
      {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"HOME", "/tmp"}, {"LANG", "C.UTF-8"}, {"PYTHONUNBUFFERED", "1"}});
  for (const auto& [name, value] : spec_.environment) sandbox.environment[name] = value;
  sandbox.environment[contract::kEnvThreads] = std::to_string(spec_.threads);
  sandbox.environment[contract::kEnvBindSocket] = std::string(kRunInside) + "/" + kSocketName;
  sandbox.memory_bytes = spec_.memory_bytes;
  // Without a sandbox there is no /run/clary and no /opt/ml: the same things under their real paths.
  std::map<std::string, std::string> plain{{contract::kEnvBindSocket, socket.string()},
                                           {contract::kEnvRoot, spec_.model_folder.parent_path().string()}};
  const bool sandboxed = sandbox::sandbox_available();
  if (!spec_.algorithm->builtin) {
    // Its own network, where port 8080 is always free. A built-in program takes the Unix socket by itself.
    sandbox.bridge = {spec_.port_relay, fs::path(kRunInside) / kRelayName, contract::kServingPort};
    const std::uint16_t port = sandboxed ? contract::kServingPort : plain_port_.take();
    sandbox.environment[contract::kEnvBindPort] = std::to_string(port);
  }
  // launch() lists `plain` after these, and getenv() returns the first of two equal names.
  if (!sandboxed)
    for (const auto& [name, value] : plain) sandbox.environment.erase(name);
  return sandbox::start_program(sandbox, spec_.algorithm->builtin || spec_.allow_plain, plain);
}

asio::awaitable<void> Replica::run_once() {
  child_ = launch();
  exited_ = false;
  backend_->set_client(nullptr);
  output_open_ = true;
  // Both coroutines own the replica, and end when the process and its output do. `exited_` and `output_open_` are
  // their results; they are reset here, before either can run.
  const auto self = shared_from_this();
  asio::co_spawn(
      loop_.context(), [self] { return self->watch_exit(); }, asio::detached);
  asio::co_spawn(
      loop_.context(), [self] { return self->copy_output(std::move(self->child_.output)); }, asio::detached);
  if (co_await wait_for_ping()) co_await serve_until_end();
  backend_->set_ready(false);
  // Returns with the process reaped, so that a restart never has two processes on one socket or one GPU.
  co_await end_process();
}

asio::awaitable<bool> Replica::wait_for_ping() {
  const auto limit = std::chrono::steady_clock::now() + spec_.startup_limit;
  // From 5 ms growing by a quarter to 250 ms: a built-in program answers at once, a large Python program may need
  // minutes.
  std::chrono::milliseconds pause = 5ms;
  while (!exited_ && !stopping_) {
    if (co_await ping(kPingLimit)) co_return true;
    // Over the limit the replica is given up, not started again: AWS fails the deployment at this point as well.
    if (std::chrono::steady_clock::now() > limit) {
      log_line("/ping did not answer within " + std::to_string(spec_.startup_limit / 1s) + " s");
      give_up();
      co_return false;
    }
    // An exit during ping() is seen here without another pause.
    if (exited_) break;
    co_await sleep(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 5 / 4, 250ms);
  }
  co_return false;
}

asio::awaitable<void> Replica::serve_until_end() {
  was_ready_ = true;
  backend_->set_ready(true);
  // Wakes ReplicaSet::wait_ready().
  changed_();
  auto last_answer = std::chrono::steady_clock::now();
  while (!exited_ && !stopping_) {
    // watch_exit() cancels the timer, so that an exit is noticed at once and not after the period.
    co_await sleep(kPingPeriod);
    if (exited_ || stopping_) break;
    // One late /ping is no reason to kill a process that computes: only kSilenceLimit without any answer is.
    if (co_await ping(kPingLimit)) last_answer = std::chrono::steady_clock::now();
    if (std::chrono::steady_clock::now() - last_answer < kSilenceLimit) continue;
    log_line("/ping has not answered for 30 s; the process is started again");
    break;
  }
}

/// Where the program listens, as far as it does. A user's own may take the Unix socket too.
/// The program's own socket wins over the relay: with the first, no byte is copied twice.
std::shared_ptr<http::Client> Replica::find_server() const {
  for (const char* name : {kSocketName, kRelayName})
    if (const fs::path socket = spec_.run_folder / name; fs::exists(socket)) {
      http::ClientOptions options;
      // The relay's socket exists before the program listens behind it; a greeting from the relay says that the
      // connection reached the program.
      options.greeted = std::string_view(name) == kRelayName;
      return std::make_shared<http::Client>(http::Client::to_unix(socket, options));
    }
  if (plain_port_.number() != 0)
    return std::make_shared<http::Client>(http::Client::to_tcp("127.0.0.1", plain_port_.number()));
  return nullptr;
}

asio::awaitable<bool> Replica::ping(std::chrono::milliseconds timeout) {
  // Before the first answer the client is made anew for each try: the program may come up on either socket.
  std::shared_ptr<http::Client> client = backend_->client();
  if (!client) client = find_server();
  if (!client) co_return false;
  try {
    http::ClientRequest request;
    request.target = "/ping";
    http::ClientResponse response = co_await client->send(std::move(request), timeout);
    // The body is read to its end so that the connection can be used again, and bounded because it is the program's.
    co_await http::read_body(*response.body, 1 << 20);
    if (response.status != 200) co_return false;
    // Published only after a 200: requests see a client that has answered once.
    if (!backend_->client()) backend_->set_client(client);
    co_return true;
  } catch (const Error&) {
    co_return false;
  }
}

asio::awaitable<void> Replica::end_process() {
  if (exited_) co_return;
  // Grace only for one that has served: it may have requests to finish. One that is still starting is killed at once.
  if (stopping_ && was_ready_) {
    sandbox::signal_program(child_, SIGTERM);
    const auto limit = std::chrono::steady_clock::now() + spec_.stop_grace;
    http::error_code ignored;
    while (!exited_ && std::chrono::steady_clock::now() < limit) {
      timer_.expires_after(20ms);
      // Polling, because timer_ is also what watch_exit() cancels: either wakes the loop, and the condition decides.
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }
  if (!exited_) sandbox::signal_program(child_, SIGKILL);
  http::error_code ignored;
  // SIGKILL cannot be ignored, but a process in uninterruptible sleep dies late; nothing may be started in its place
  // before.
  while (!exited_ || output_open_) {
    timer_.expires_after(20ms);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (exited_ && output_open_) break;  // a grandchild may hold the pipe
  }
}

// A pidfd becomes readable when the process ends, which Asio can wait for; a SIGCHLD handler would be the whole
// server's. Only this coroutine reaps the process, so that the pid cannot be reused before.
asio::awaitable<void> Replica::watch_exit() {
  asio::posix::stream_descriptor descriptor(loop_.context(), child_.pid_fd.release());
  http::error_code ignored;
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, ignored));
  int status = 0;
  ::waitpid(child_.pid, &status, 0);
  if (!stopping_) log_line("the serving process ended with exit code " + std::to_string(sandbox::exit_code(status)));
  // Before exited_: no request is sent to a process that is known to be dead.
  backend_->set_ready(false);
  exited_ = true;
  timer_.cancel();
}

// The only reader of the program's output. Lines are written with the time at which they were read; a line without an
// end is cut at the size that one log event may have, which also bounds the memory.
asio::awaitable<void> Replica::copy_output(UniqueFd output) {
  asio::posix::stream_descriptor descriptor(loop_.context(), output.release());
  std::string pending(64 * 1024, '\0');
  std::string text;
  http::error_code error;
  while (true) {
    const std::size_t n =
        co_await descriptor.async_read_some(asio::buffer(pending), asio::redirect_error(asio::use_awaitable, error));
    if (error) break;
    text.append(pending, 0, n);
    std::vector<telemetry::LogEvent> events;
    const EpochMs now = now_ms();
    std::size_t begin = 0;
    for (std::size_t end; (end = text.find('\n', begin)) != std::string::npos; begin = end + 1)
      events.push_back({now, text.substr(begin, end - begin)});
    text.erase(0, begin);
    if (text.size() > telemetry::LogWriter::kMaxEventBytes) events.push_back({now, std::exchange(text, {})});
    for (const auto& event : events) remember(event.message);
    try {
      // A log that cannot be written must not stop the reading: the program would block on its full pipe.
      if (!events.empty()) log_.append(events);
    } catch (const std::exception& e) {
      log::warn("serving: {}/{}: {}", spec_.log_group, spec_.log_stream, e.what());
    }
  }
  // The last line may lack its newline, and often is the one that says why the program ended.
  remember(text);
  if (!text.empty()) log_line(text);
  output_open_ = false;
}

}  // namespace clary::serving
