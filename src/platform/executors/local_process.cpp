// SPDX-License-Identifier: Apache-2.0
#include "platform/executors/local_process.h"

#include <fcntl.h>
#include <spawn.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "platform/agent/agent.h"

namespace clary::executors {

namespace fs = std::filesystem;

namespace {

// How soon the death (not an event) of an earlier server's agent is seen; also when inotify has no watch left.
constexpr int kPollMs = 200;

/// Locks before the agent exists, so that no two agents (of two servers, even) ever work in one folder. flock() belongs
/// to the open file, which the agent inherits: closing our descriptor afterwards does not release it.
UniqueFd locked_file(const fs::path& folder) {
  UniqueFd fd = open_file(folder / "agent.lock", O_RDWR | O_CREAT);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0)
    throw Error(Kind::kConflict, folder.string() + ": an agent works there already");
  return fd;
}

/// Asks for a shared lock, so that two who ask at once do not take each other for the agent.
bool lock_is_held(const fs::path& folder) {
  const UniqueFd fd(::open((folder / "agent.lock").c_str(), O_RDONLY | O_CLOEXEC));
  // Closing the descriptor releases the shared lock at once, if it was granted.
  return fd && ::flock(fd.get(), LOCK_SH | LOCK_NB) != 0;
}

std::string describe_end(int status) {
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "ended with exit code " + std::to_string(WEXITSTATUS(status));
}

/// argv, environment and descriptors of an agent: standard output goes to agent.log, the lock stays open. Nothing else
/// of the server is inherited: not its environment (credentials), signal mask, open files or session (a terminal's ^C).
pid_t spawn_agent(const fs::path& program, const fs::path& folder, const fs::path& objects, int lock) {
  // posix_spawn(), because the server has many threads: fork() would copy its page tables and needs async-signal-safe
  // code after it.
  std::vector<std::string> words{program.string(), "--job", folder.string(), "--objects", objects.string()};
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  constexpr int kLockFd = 3;
  std::string lock_variable = std::string(agent::kEnvAgentLock) + "=" + std::to_string(kLockFd);
  std::vector<char*> environment{lock_variable.data()};
  std::string path = "PATH=/usr/local/bin:/usr/bin:/bin";
  environment.push_back(path.data());
  environment.push_back(nullptr);

  posix_spawn_file_actions_t files;
  ::posix_spawn_file_actions_init(&files);
  const std::string log = (folder / "agent.log").string();
  // The lock comes to a fixed number; dup2() clears close-on-exec for it. Everything above is closed.
  ::posix_spawn_file_actions_adddup2(&files, lock, kLockFd);
  ::posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
  ::posix_spawn_file_actions_addopen(&files, 1, log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0644);
  ::posix_spawn_file_actions_adddup2(&files, 1, 2);
  ::posix_spawn_file_actions_addclosefrom_np(&files, kLockFd + 1);
  posix_spawnattr_t attributes;
  ::posix_spawnattr_init(&attributes);
  sigset_t none, standard;
  ::sigemptyset(&none);
  ::sigfillset(&standard);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  // Ignored signals stay ignored over exec: the agent starts with default dispositions.
  ::posix_spawnattr_setsigdefault(&attributes, &standard);
  ::posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
  pid_t pid = -1;
  const int code = ::posix_spawn(&pid, argv[0], &files, &attributes, argv.data(), environment.data());
  ::posix_spawnattr_destroy(&attributes);
  ::posix_spawn_file_actions_destroy(&files);
  const std::string what = "cannot start " + program.string();
  if (code == ENOSPC || code == EDQUOT) {  // of agent.log
    errno = code;
    throw_errno(what);
  }
  // A machine that has no process or memory left has some again; a program that is missing stays missing.
  const bool passes = code == EAGAIN || code == ENOMEM;
  if (code != 0) throw Error(passes ? Kind::kUnavailable : Kind::kInternal, what + ": " + std::strerror(code));
  return pid;
}

}  // namespace

LocalProcess::LocalProcess(fs::path program, fs::path objects, catalog::Resources capacity)
    : program_(std::move(program)),
      objects_(std::move(objects)),
      capacity_(capacity),
      inotify_(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)) {
  for (const int fd : {inotify_.get(), wake_.get()}) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = fd;
    if (fd < 0 || ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event) != 0) throw_errno("local executor: epoll");
  }
  thread_ = std::thread([this] { run(); });
}

// Order: no new pass of run() after `stopping_`; no call of the listener after set_listener() has returned; then the
// thread is woken and joined.
LocalProcess::~LocalProcess() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  set_listener(nullptr);
  ::eventfd_write(wake_.get(), 1);
  thread_.join();  // the agents go on
}

void LocalProcess::set_listener(Changed changed) {
  const MutexLock lock(listener_mutex_);
  changed_ = std::move(changed);
}

void LocalProcess::start(const fs::path& folder) {
  // A crash between this line and the spawn leaves a lock file that nobody holds, and no agent.log: recovery starts it.
  const UniqueFd lock = locked_file(folder);
  // A descriptor above those that spawn_agent() uses itself: dup2() to the same number would keep close-on-exec.
  const UniqueFd high(::fcntl(lock.get(), F_DUPFD_CLOEXEC, 10));
  Watched agent;
  agent.folder = folder;
  agent.pid = spawn_agent(program_, folder, objects_, high.get());
  agent.pid_fd.reset(static_cast<int>(::syscall(SYS_pidfd_open, agent.pid, 0)));
  if (!agent.pid_fd) {  // its end would not be seen
    const int error = errno;
    ::kill(agent.pid, SIGKILL);
    ::waitpid(agent.pid, nullptr, 0);
    errno = error;
    throw_errno("pidfd_open of the agent in " + folder.string());
  }
  watch(std::move(agent));
}

void LocalProcess::attach(const fs::path& folder) {
  Watched agent;
  agent.folder = folder;
  watch(std::move(agent));
}

void LocalProcess::watch(Watched agent) {
  // The watch goes first and the listener is notified last: an event written at any moment in between is seen.
  // IN_CREATE: events.jsonl may not exist yet.
  agent.watch = ::inotify_add_watch(inotify_.get(), agent.folder.c_str(), IN_MODIFY | IN_CREATE);
  const int pid_fd = agent.pid_fd.get();
  const fs::path folder = agent.folder;
  {
    const MutexLock lock(mutex_);
    agents_[folder.string()] = std::move(agent);
  }
  // After the map has it: an agent that has ended already makes on_child_end() look there at once.
  if (pid_fd >= 0) {
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.fd = pid_fd;
    if (::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, pid_fd, &event) != 0) throw_errno("local executor: epoll");
  } else {
    ::eventfd_write(wake_.get(), 1);  // run() may be waiting without a limit: from now on it has to poll
  }
  notify_listener(folder);
}

// For a child of this process its exit decides; for an agent of an earlier server there is only the lock.
bool LocalProcess::alive(const fs::path& folder) {
  {
    const MutexLock lock(mutex_);
    const auto found = agents_.find(folder.string());
    if (found != agents_.end() && found->second.pid > 0) return !found->second.ended;
  }
  return lock_is_held(folder);
}

std::string LocalProcess::end_of(const fs::path& folder) {
  const MutexLock lock(mutex_);
  const auto found = agents_.find(folder.string());
  return found == agents_.end() ? "" : found->second.end;
}

void LocalProcess::forget(const fs::path& folder) {
  const MutexLock lock(mutex_);
  const auto found = agents_.find(folder.string());
  if (found == agents_.end()) return;
  if (found->second.watch >= 0) ::inotify_rm_watch(inotify_.get(), found->second.watch);
  if (found->second.pid > 0 && !found->second.ended) {
    // It has reported its end but is still our child: kept under another key, without a folder to notify for, until
    // on_child_end() has reaped it.
    found->second.watch = -1;
    found->second.folder.clear();
    agents_[folder.string() + "#" + std::to_string(found->second.pid)] = std::move(found->second);
  }
  agents_.erase(folder.string());
}

/// Waits without a limit as long as every agent has a pidfd and a watch; the others are polled.
void LocalProcess::run() {
  for (;;) {
    bool polled = false;
    {
      const MutexLock lock(mutex_);
      if (stopping_) return;
      for (const auto& [name, agent] : agents_) polled |= !agent.ended && (agent.pid < 0 || agent.watch < 0);
    }
    epoll_event events[32];
    const int count = ::epoll_wait(epoll_.get(), events, 32, polled ? kPollMs : -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      std::uint64_t ignored = 0;
      if (fd == wake_.get())
        ::eventfd_read(fd, &ignored);
      else if (fd == inotify_.get())
        on_inotify();
      // Lost inotify events (queue overflow) do no harm: every look reads all events from the start of the file.
      else
        on_child_end(fd);
    }
    if (polled) poll_agents();
  }
}

/// Folders are collected under the lock and notified without it, here and in the two functions below.
void LocalProcess::on_inotify() {
  alignas(inotify_event) char buffer[16 * 1024];
  const ssize_t size = ::read(inotify_.get(), buffer, sizeof buffer);
  // A read returns whole events only; each is followed by its padded name.
  std::vector<fs::path> folders;
  for (ssize_t at = 0; at < size;) {
    const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
    at += static_cast<ssize_t>(sizeof *event + event->len);
    if (event->len == 0 || std::strcmp(event->name, "events.jsonl") != 0) continue;
    const MutexLock lock(mutex_);
    for (const auto& [name, agent] : agents_)
      if (agent.watch == event->wd) folders.push_back(agent.folder);
  }
  for (const fs::path& folder : folders) notify_listener(folder);
}

void LocalProcess::on_child_end(int pid_fd) {
  fs::path folder;
  {
    const MutexLock lock(mutex_);
    for (auto it = agents_.begin(); it != agents_.end(); ++it) {
      Watched& agent = it->second;
      if (agent.pid_fd.get() != pid_fd) continue;
      int status = 0;
      // The child must be reaped by its parent, this process; WNOHANG is not needed.
      ::waitpid(agent.pid, &status, 0);  // does not wait: the pidfd is readable when the process has ended
      ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, pid_fd, nullptr);
      agent.pid_fd.reset();
      agent.ended = true;
      agent.end = describe_end(status);
      folder = agent.folder;
      if (folder.empty()) agents_.erase(it);  // forgotten
      break;
    }
  }
  if (!folder.empty()) notify_listener(folder);
}

void LocalProcess::poll_agents() {
  std::vector<fs::path> changed;
  {
    const MutexLock lock(mutex_);
    for (auto& [name, agent] : agents_) {
      if (agent.ended || agent.folder.empty()) continue;
      if (agent.pid < 0 && !lock_is_held(agent.folder)) {
        agent.ended = true;
        changed.push_back(agent.folder);
      } else if (agent.watch < 0) {
        changed.push_back(agent.folder);
      }
    }
  }
  for (const fs::path& folder : changed) notify_listener(folder);
}

// With listener_mutex_ held for the length of the call: set_listener(nullptr) returns only when no call is running.
void LocalProcess::notify_listener(const fs::path& folder) {
  const MutexLock lock(listener_mutex_);
  if (changed_) changed_(folder);
}

}  // namespace clary::executors
