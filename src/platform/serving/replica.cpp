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
constexpr auto kSilenceLimit = 30s;  // ours: no /ping for so long means that it hangs
constexpr std::chrono::milliseconds kFirstPause = 100ms, kLongestPause = 10s;
constexpr auto kSettled = 30s;             // a process that lived this long starts again without a pause
constexpr int kStartsBeforeGivingUp = 3;   // ours: ended this often before its first /ping
constexpr std::size_t kMaxLastLine = 600;  // ours: AWS ends a FailureReason at 1,024
constexpr const char* kSocketName = "s";   // where a program listens that knows CLARY_BIND_SOCKET
constexpr const char* kRelayName = "p";    // where its relay does, for one that listens on a port
constexpr const char* kRunInside = "/run/clary";

/// The port if it is free (0: any free one), else 0.
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

Replica::~Replica() {
  std::error_code ignored;
  fs::remove_all(spec_.run_folder, ignored);
}

void Replica::start(std::function<void()> changed) {
  changed_ = std::move(changed);
  running_ = true;
  asio::co_spawn(
      loop_.context(), [self = shared_from_this()] { return self->live(); }, asio::detached);
}

asio::awaitable<void> Replica::stop() {
  const auto self = shared_from_this();
  stopping_ = true;
  backend_->set_ready(false);
  timer_.cancel();
  if (running_) {
    http::error_code ignored;
    co_await stopped_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

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

asio::awaitable<void> Replica::live() {
  std::chrono::milliseconds pause = kFirstPause;
  int early_ends = 0;
  while (!stopping_) {
    const auto began = std::chrono::steady_clock::now();
    was_ready_ = false;
    try {
      co_await run_once();
    } catch (const std::exception& e) {
      remember(std::string("cannot serve: ") + e.what());
      log_line(last_line_);
    }
    co_await end_process();
    if (stopping_) break;
    if (!was_ready_ && starts_ == ++early_ends && early_ends >= kStartsBeforeGivingUp) give_up();
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
  for (const char* name : {kSocketName, kRelayName}) fs::remove(spec_.run_folder / name);  // of the process before
  sandbox::SandboxSpec sandbox;
  sandbox.argv = spec_.algorithm->argv;
  sandbox.argv.emplace_back(contract::kServe);
  for (const fs::path& path : spec_.algorithm->read_only) sandbox.binds.push_back({path, path, false});
  sandbox.binds.push_back({spec_.model_folder, fs::path(contract::kRoot) / "model", false});
  sandbox.binds.push_back({spec_.run_folder, kRunInside, true});
  sandbox.environment = sandbox::compute_environment(spec_.threads);
  sandbox.environment.insert(
      {{"PATH", "/usr/local/bin:/usr/bin:/bin"}, {"HOME", "/tmp"}, {"LANG", "C.UTF-8"}, {"PYTHONUNBUFFERED", "1"}});
  for (const auto& [name, value] : spec_.environment) sandbox.environment[name] = value;
  sandbox.environment[contract::kEnvThreads] = std::to_string(spec_.threads);
  sandbox.environment[contract::kEnvBindSocket] = std::string(kRunInside) + "/" + kSocketName;
  sandbox.memory_bytes = spec_.memory_bytes;
  std::map<std::string, std::string> plain{{contract::kEnvBindSocket, socket.string()},
                                           {contract::kEnvRoot, spec_.model_folder.parent_path().string()}};
  const bool sandboxed = sandbox::sandbox_available();
  if (!spec_.algorithm->builtin) {
    // Its own network, where port 8080 is always free. A built-in program takes the Unix socket by itself.
    sandbox.bridge = {spec_.port_relay, fs::path(kRunInside) / kRelayName, contract::kServingPort};
    const std::uint16_t port = sandboxed ? contract::kServingPort : plain_port_.take();
    sandbox.environment[contract::kEnvBindPort] = std::to_string(port);
  }
  if (!sandboxed)
    for (const auto& [name, value] : plain) sandbox.environment.erase(name);
  ++starts_;
  return sandbox::start_program(sandbox, spec_.algorithm->builtin || spec_.allow_plain, plain);
}

asio::awaitable<void> Replica::run_once() {
  child_ = launch();
  exited_ = false;
  backend_->set_client(nullptr);
  output_open_ = true;
  const auto self = shared_from_this();
  asio::co_spawn(
      loop_.context(), [self] { return self->watch_exit(); }, asio::detached);
  asio::co_spawn(
      loop_.context(), [self] { return self->copy_output(std::move(self->child_.output)); }, asio::detached);
  if (co_await wait_for_ping()) co_await serve_until_end();
  backend_->set_ready(false);
  co_await end_process();
}

asio::awaitable<bool> Replica::wait_for_ping() {
  const auto limit = std::chrono::steady_clock::now() + spec_.startup_limit;
  std::chrono::milliseconds pause = 5ms;
  while (!exited_ && !stopping_) {
    if (co_await ping(kPingLimit)) co_return true;
    if (std::chrono::steady_clock::now() > limit) {
      log_line("/ping did not answer within " + std::to_string(spec_.startup_limit / 1s) + " s");
      give_up();
      co_return false;
    }
    if (exited_) break;
    co_await sleep(pause);
    pause = std::min<std::chrono::milliseconds>(pause * 5 / 4, 250ms);
  }
  co_return false;
}

asio::awaitable<void> Replica::serve_until_end() {
  was_ready_ = true;
  backend_->set_ready(true);
  changed_();
  auto last_answer = std::chrono::steady_clock::now();
  while (!exited_ && !stopping_) {
    co_await sleep(kPingPeriod);
    if (exited_ || stopping_) break;
    if (co_await ping(kPingLimit)) last_answer = std::chrono::steady_clock::now();
    if (std::chrono::steady_clock::now() - last_answer < kSilenceLimit) continue;
    log_line("/ping has not answered for 30 s; the process is started again");
    break;
  }
}

/// Where the program listens, as far as it does. A user's own may take the Unix socket too.
std::shared_ptr<http::Client> Replica::find_server() const {
  for (const char* name : {kSocketName, kRelayName})
    if (const fs::path socket = spec_.run_folder / name; fs::exists(socket)) {
      http::ClientOptions options;
      options.greeted = std::string_view(name) == kRelayName;
      return std::make_shared<http::Client>(http::Client::to_unix(socket, options));
    }
  if (plain_port_.number() != 0)
    return std::make_shared<http::Client>(http::Client::to_tcp("127.0.0.1", plain_port_.number()));
  return nullptr;
}

asio::awaitable<bool> Replica::ping(std::chrono::milliseconds timeout) {
  std::shared_ptr<http::Client> client = backend_->client();
  if (!client) client = find_server();
  if (!client) co_return false;
  try {
    http::ClientRequest request;
    request.target = "/ping";
    http::ClientResponse response = co_await client->send(std::move(request), timeout);
    co_await http::read_body(*response.body, 1 << 20);
    if (response.status != 200) co_return false;
    if (!backend_->client()) backend_->set_client(client);
    co_return true;
  } catch (const Error&) {
    co_return false;
  }
}

asio::awaitable<void> Replica::end_process() {
  if (exited_) co_return;
  if (stopping_ && was_ready_) {
    sandbox::signal_program(child_, SIGTERM);
    const auto limit = std::chrono::steady_clock::now() + spec_.stop_grace;
    http::error_code ignored;
    while (!exited_ && std::chrono::steady_clock::now() < limit) {
      timer_.expires_after(20ms);
      co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    }
  }
  if (!exited_) sandbox::signal_program(child_, SIGKILL);
  http::error_code ignored;
  while (!exited_ || output_open_) {
    timer_.expires_after(20ms);
    co_await timer_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
    if (exited_ && output_open_) break;  // a grandchild may hold the pipe
  }
}

asio::awaitable<void> Replica::watch_exit() {
  asio::posix::stream_descriptor descriptor(loop_.context(), child_.pid_fd.release());
  http::error_code ignored;
  co_await descriptor.async_wait(asio::posix::stream_descriptor::wait_read,
                                 asio::redirect_error(asio::use_awaitable, ignored));
  int status = 0;
  ::waitpid(child_.pid, &status, 0);
  if (!stopping_) log_line("the serving process ended with exit code " + std::to_string(sandbox::exit_code(status)));
  backend_->set_ready(false);
  exited_ = true;
  timer_.cancel();
}

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
      if (!events.empty()) log_.append(events);
    } catch (const std::exception& e) {
      log::warn("serving: {}/{}: {}", spec_.log_group, spec_.log_stream, e.what());
    }
  }
  remember(text);
  if (!text.empty()) log_line(text);
  output_open_ = false;
}

}  // namespace clary::serving
