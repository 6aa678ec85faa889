// SPDX-License-Identifier: Apache-2.0
// One thread does everything but the feeding of Pipe channels: it waits in poll() for output, the program's end, a stop
// file, a signal, a feeder's failure or the deadline. What it reports goes into events.jsonl, which the server reads; a
// crash of the agent leaves the file without its last event, and the kernel kills the program (PR_SET_PDEATHSIG).
#include "platform/agent/agent.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "base/mutex.h"
#include "contract/layout.h"
#include "platform/agent/beneath.h"
#include "platform/agent/events.h"
#include "platform/agent/line_relay.h"
#include "platform/agent/pipe_channel.h"
#include "platform/agent/spec.h"
#include "platform/agent/staging.h"
#include "platform/sandbox/sandbox.h"

namespace clary::agent {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

namespace {

constexpr std::chrono::seconds kTerminateGrace{5};  // another instance failed: nothing is kept anyway
constexpr std::chrono::seconds kNetworkLimit{60};   // for the first instance's agent to make the job's network
constexpr int kNetworkPollMs = 20;
constexpr const char* kJoinedFile = "joined";          // of an instance that has opened the job's network
constexpr std::chrono::seconds kDrainLimit{2};         // output still in the pipe when the program has ended
constexpr std::uintmax_t kHardlyAnyBytes = 256 << 10;  // of disk: too little even for a failure file

/// The lock that shows that this agent lives: inherited from the executor, or taken here. The program must not inherit
/// it (close-on-exec), or a process that it leaves behind would look like a living agent.
UniqueFd agent_lock(const fs::path& folder) {
  // The executor took the lock before it forked, so there is no moment at which the agent exists and its lock is free.
  // The number of the descriptor is passed in the environment.
  if (const char* inherited = std::getenv(kEnvAgentLock)) {
    UniqueFd fd(std::atoi(inherited));
    ::fcntl(fd.get(), F_SETFD, FD_CLOEXEC);
    return fd;
  }
  UniqueFd fd = open_file(folder / "agent.lock", O_RDWR | O_CREAT);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error(Kind::kConflict, folder.string() + ": another agent works here");
  return fd;
}

class Agent {
 public:
  Agent(const fs::path& folder, fs::path objects, AgentSpec spec)
      : folder_(folder),
        objects_(std::move(objects)),
        spec_(std::move(spec)),
        relay_(spec_.log_file, folder_ / spec_.metrics_file, MetricExtractor(spec_.metrics)),
        stop_watch_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
        // The watch is on the folder, not on the stop file, which does not exist yet; a rename into the folder
        // (IN_MOVED_TO) is how write_file_atomically() ends.
        feeder_failed_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!stop_watch_ || ::inotify_add_watch(stop_watch_.get(), folder_.c_str(), IN_MOVED_TO | IN_CREATE) < 0)
      throw_errno("inotify " + folder_.string());
    // SIGTERM becomes a descriptor of the loop. Blocked before any thread starts, so that every thread inherits that.
    sigset_t signals;
    ::sigemptyset(&signals);
    ::sigaddset(&signals, SIGTERM);
    ::sigprocmask(SIG_BLOCK, &signals, nullptr);
    signals_.reset(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  }

  // The order is a protocol with the server: Downloading before the first byte, Training after the program was forked,
  // Ended as the last line. Errors of the input are the job's failure, every other exception the agent's.
  AgentEvent run() {
    // Before the download, which may take long: the other instances wait for this file only when they are about to
    // start their programs.
    make_network();
    const bool downloads = std::any_of(spec_.channels.begin(), spec_.channels.end(), [](const AgentChannel& channel) {
      return channel.config.input_mode != contract::InputMode::kPipe;
    });
    if (downloads) report(AgentEventKind::kDownloading);
    lay_out(spec_, folder_);
    try {
      stage_input(spec_, folder_, objects_);
    } catch (const std::exception& error) {
      relay_.add_line(std::string("Data download failed: ") + error.what());
      return ended(EndCause::kDownload, error.what());
    }
    create_fifos();  // a program may open the first epoch as soon as it runs
    // A stop file that came during the download. One that comes after this line wakes the loop: the watch is older.
    if (on_stop_file(); !stop_.empty()) return ended(EndCause::kExit, "");
    join_network();
    if (!stop_.empty()) return ended(EndCause::kExit, "");
    sandbox::SandboxSpec sandbox = sandbox_of(spec_, folder_);
    if (network_.network_namespace) sandbox.network = &network_;
    // Without a sandbox the program sees real paths, and the variable says where its /opt/ml is.
    child_ = launch(sandbox, spec_.sandboxed, {{contract::kEnvRoot, (folder_ / "ml").string()}});
    report(AgentEventKind::kTraining);
    start_feeders();
    // MaxRuntimeInSeconds counts from the program's start, not from the download.
    deadline_ = Clock::now() + std::chrono::seconds(spec_.max_runtime_seconds);
    watch_program();
    const AgentEvent end = end_of_program();
    wait_for_joiners();
    return end;
  }

 private:
  void report(AgentEventKind kind) {
    AgentEvent event = ended(EndCause::kExit, "");
    event.kind = kind;
    append_event(folder_, event);
  }

  AgentEvent ended(EndCause cause, const std::string& text) const {
    AgentEvent event;
    event.time = now_ms();
    event.stop = stop_;
    event.cause = cause;
    event.text = text;
    return event;
  }

  // --- Pipe channels
  void create_fifos() {
    for (const AgentChannel& channel : spec_.channels) {
      if (channel.config.input_mode != contract::InputMode::kPipe) continue;
      feeders_.emplace_back(channel, spec_.host_index, static_cast<int>(spec_.resources.hosts.size()),
                            contract::Layout{folder_ / "ml"}.data_dir(), folder_ / "pipe" / channel.name);
      feeders_.back().create_first();
    }
  }

  /// One thread a channel: each blocks while the program does not read. feeders_ does not change any more.
  /// `feeder` is a reference into feeders_: create_fifos() has filled the vector, which must not grow any more.
  void start_feeders() {
    for (PipeChannel& feeder : feeders_)
      std::thread([this, &feeder] {
        try {
          feeder.serve();
        } catch (const std::exception& error) {
          const MutexLock lock(feeder_mutex_);
          // The error first, then the eventfd: its write and read order the two threads, and the mutex guards the
          // string.
          feeder_error_ = error.what();  // before the eventfd makes the loop read it
          ::eventfd_write(feeder_failed_.get(), 1);
        }
      }).detach();  // ends with the process: it may wait for a reader that never comes
  }

  // --- the network of a job of several instances
  //
  // The first instance's agent keeps it alive by a sandbox in which nothing happens, and writes its PID beside the
  // instances' folders; the others open its namespaces before they start their programs, and then need it no more. The
  // namespaces' inode numbers are compared, in case the PID has gone to another process meanwhile.
  bool has_job_network() const { return spec_.network == AgentNetwork::kJob && spec_.sandboxed; }
  fs::path network_file() const { return folder_.parent_path() / "network"; }

  void make_network() {
    if (!has_job_network() || spec_.host_index != 0) return;
    holder_ = sandbox::hold_network();
    network_ = sandbox::network_of(holder_.init_pid);
    // The file appears by rename when the namespaces exist, so a reader finds it complete.
    write_file_atomically(network_file(),
                          dump_json({{"Pid", holder_.init_pid}, {"Network", sandbox::network_id(network_)}}));
  }

  void join_network() {
    if (!has_job_network() || spec_.host_index == 0) return;
    const fs::path file = network_file();
    const auto limit = Clock::now() + kNetworkLimit;
    while (!fs::exists(file) && stop_.empty()) {
      if (Clock::now() > limit) throw Error(Kind::kUnavailable, "the job's first instance has made no network");
      wait_for_stop(kNetworkPollMs);
    }
    if (!stop_.empty()) return;
    const Json holder = parse_json(read_file(file, 4096));
    network_ = sandbox::network_of(holder.at("Pid").get<pid_t>());
    if (sandbox::network_id(network_) != holder.at("Network").get<std::uint64_t>())
      throw Error(Kind::kUnavailable, "the job's first instance has ended, and its network with it");
    // The descriptors are open from here on: the first instance's agent may end now, the namespaces stay.
    write_file_atomically(folder_ / kJoinedFile, "");
  }

  /// The program of the first instance may end before another instance has opened the namespaces, which would end with
  /// this agent. Its end is already decided; a stop (another instance has failed) or the limit ends the wait.
  void wait_for_joiners() {
    if (holder_.pid <= 0) return;
    const auto limit = Clock::now() + kNetworkLimit;
    const auto joined = [&] {
      // Host 0 is this one.
      return std::all_of(spec_.resources.hosts.begin() + 1, spec_.resources.hosts.end(), [&](const std::string& host) {
        return fs::exists(folder_.parent_path() / host / kJoinedFile);
      });
    };
    while (stop_.empty() && !joined() && Clock::now() < limit) wait_for_stop(kNetworkPollMs);
  }

  void wait_for_stop(int milliseconds) {
    pollfd fds[] = {{stop_watch_.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
    ::poll(fds, std::size(fds), milliseconds);
    if (fds[0].revents != 0) on_stop_file();
    if (fds[1].revents != 0) on_signal();
  }

  // --- the loop
  /// Returns when the program's first process has ended, not at the end of its output: a process that it left behind
  /// may hold the pipe open for ever. Output is read first, so that a program that writes much while it stops does not
  /// block on a full pipe.
  void watch_program() {
    char buffer[1 << 16];
    for (;;) {
      pollfd fds[] = {{child_.output.get(), POLLIN, 0},
                      {child_.pid_fd.get(), POLLIN, 0},
                      {stop_watch_.get(), POLLIN, 0},
                      {feeder_failed_.get(), POLLIN, 0},
                      {signals_.get(), POLLIN, 0}};
      // poll() ignores an entry with a negative descriptor; a closed pipe would be reported readable without end.
      if (output_closed_) fds[0].fd = -1;
      if (::poll(fds, std::size(fds), milliseconds_left()) < 0 && errno != EINTR) throw_errno("poll");
      // The output before the exit: what the program wrote last is in the log before its end is reported.
      if (fds[0].revents != 0) relay_output(buffer, sizeof buffer);
      if (fds[1].revents != 0) return;
      if (fds[2].revents != 0) on_stop_file();
      if (fds[3].revents != 0) on_feeder_failure();
      if (fds[4].revents != 0) on_signal();
      if (Clock::now() >= deadline_) on_deadline();
    }
  }

  /// Rounded up: poll() must not return just before the deadline, again and again.
  int milliseconds_left() const {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(deadline_ - Clock::now()).count() + 1;
    return static_cast<int>(std::clamp<std::int64_t>(left, 0, 3'600'000));
  }

  void relay_output(char* buffer, std::size_t size) {
    const ssize_t n = ::read(child_.output.get(), buffer, size);
    if (n > 0) relay_.add({buffer, static_cast<std::size_t>(n)});
    if (n == 0) output_closed_ = true;
  }

  /// The server replaces the file atomically, so what is read is whole. "Stop" may be followed by "Terminate", with a
  /// shorter grace; any other reason why the program is being stopped is kept.
  void on_stop_file() {
    char ignored[4096];
    while (::read(stop_watch_.get(), ignored, sizeof ignored) > 0) {
    }
    if (!stop_.empty() && stop_ != "Stop") return;
    // Every new name in the folder wakes this loop; what is no file has not been written by the server.
    std::error_code absent;
    if (!fs::is_regular_file(fs::symlink_status(folder_ / "stop", absent))) return;
    try {
      const std::string reason = parse_json(read_file(folder_ / "stop", 4096)).at("Reason");
      if (reason != stop_) stop(reason, reason == "Terminate" ? kTerminateGrace : grace());
    } catch (const Error& error) {
      if (error.kind() != Kind::kNotFound) throw;
    }
  }

  /// The program would wait for ever for data that does not come: no grace.
  void on_feeder_failure() {
    std::uint64_t count = 0;
    ::eventfd_read(feeder_failed_.get(), &count);
    {
      const MutexLock lock(feeder_mutex_);
      relay_.add_line("Data download failed: " + feeder_error_);
    }
    // SIGKILL: the end is then reported as kDownload, because end_of_program() looks at feeder_error_ first.
    sandbox::signal_program(child_, SIGKILL);
  }

  void on_signal() {
    // The queue of the signalfd is emptied, else poll() would return at once again.
    signalfd_siginfo info{};
    while (::read(signals_.get(), &info, sizeof info) > 0) {
    }
    // SIGTERM to the agent itself (an administrator, a shutdown of the machine) stops the program with its grace; the
    // server treats it as a failure of the platform.
    if (stop_.empty()) stop("Signal", grace());
  }

  /// First the end of the allowed runtime, then of the grace after SIGTERM; after SIGKILL there is none.
  void on_deadline() {
    if (stop_.empty()) {
      stop("MaxRuntime", grace());
      report(AgentEventKind::kStopping);
    } else {
      sandbox::signal_program(child_, SIGKILL);
      deadline_ = Clock::now() + std::chrono::hours(1);  // the loop must not spin until the kernel is done
    }
  }

  std::chrono::seconds grace() const { return std::chrono::seconds(spec_.stop_grace_seconds); }

  void stop(const std::string& reason, std::chrono::seconds grace) {
    // Assigned before the signal: were the program to end at once, the event would say why.
    stop_ = reason;
    deadline_ = Clock::now() + grace;
    if (child_.pid > 0) sandbox::signal_program(child_, SIGTERM);
  }

  // --- the end
  AgentEvent end_of_program() {
    int status = 0;
    // The pidfd was readable, so this does not block.
    ::waitpid(child_.pid, &status, 0);
    drain_output();
    relay_.finish();
    {
      const MutexLock lock(feeder_mutex_);
      if (!feeder_error_.empty()) return ended(EndCause::kDownload, feeder_error_);
    }
    AgentEvent event = ended(EndCause::kExit, "");
    event.exit_code = sandbox::exit_code(status);
    // Beneath and without following links: the program wrote that folder and may have put anything there. The size is
    // bounded because the text goes into the database.
    event.failure = read_beneath(folder_ / "ml", "output/failure", 4 * contract::kMaxFailureChars);
    if (event.exit_code != 0 && event.failure.value_or("").empty()) {
      event.failure = full_disk();
      event.text = relay_.last_lines();
    }
    return event;
  }

  /// A program that failed on a full disk could not write its failure file either.
  std::optional<std::string> full_disk() const {
    std::error_code failed;
    const fs::space_info space = fs::space(folder_, failed);
    if (failed || space.available >= kHardlyAnyBytes) return std::nullopt;
    return "The disk is full: " + std::to_string(space.available) + " bytes are left in " + folder_.string();
  }

  /// What the program wrote just before it ended. The limit is for a process of its own that keeps the pipe open.
  void drain_output() {
    const auto limit = Clock::now() + kDrainLimit;
    char buffer[1 << 16];
    while (!output_closed_ && Clock::now() < limit) {
      pollfd fd{child_.output.get(), POLLIN, 0};
      if (::poll(&fd, 1, 100) > 0) relay_output(buffer, sizeof buffer);
    }
  }

  const fs::path folder_, objects_;
  const AgentSpec spec_;
  LineRelay relay_;
  UniqueFd stop_watch_, feeder_failed_, signals_;
  sandbox::ChildProcess child_, holder_;  // the program; what holds the job's network, at its first instance
  sandbox::Network network_;              // the job's
  bool output_closed_ = false;
  std::string stop_;  // why the program was asked to stop
  Clock::time_point deadline_ = Clock::time_point::max();
  std::vector<PipeChannel> feeders_;
  Mutex feeder_mutex_;
  std::string feeder_error_ GUARDED_BY(feeder_mutex_);  // of the last channel that failed
};

}  // namespace

int run_agent(const fs::path& folder, const fs::path& objects) {
  const UniqueFd lock = agent_lock(folder);
  // A feeder whose reader has closed the FIFO gets EPIPE from write() instead.
  ::signal(SIGPIPE, SIG_IGN);
  AgentEvent end;
  try {
    // Never destroyed: detached threads use it until the process ends.
    // A function-local static: there is one agent in a process, and the process's exit frees it.
    static auto* const agent =
        new Agent(folder, objects, parse_agent_spec(parse_json(read_file(folder / "agent.json"))));
    end = agent->run();
  } catch (const std::exception& error) {
    log::error("agent {}: {}", folder.string(), error.what());
    end.time = now_ms();
    end.cause = EndCause::kAgent;
    end.text = error.what();
  }
  // With the lock still held: a server that finds it free finds the last event too.
  append_event(folder, end);
  // 0 also when the program failed: the event carries the result, the exit code only says that it was written.
  return 0;
}

}  // namespace clary::agent
