// SPDX-License-Identifier: Apache-2.0
// Starting and signalling programs, sandboxed or plain. Between here and the program there may be two more processes:
//   this process -> bubblewrap (child.pid) -> first process of the PID namespace (child.init_pid) -> the program
// Each dies with its parent (PR_SET_PDEATHSIG, --die-with-parent), so a crash of this process leaves nothing behind,
// but for one that comes while bubblewrap works: orphans.cpp. The caller waits for child.pid, whose status bubblewrap
// makes the program's. No lock: a ChildProcess is one thread's.
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstring>

#include "base/error.h"
#include "base/json.h"
#include "base/text.h"
#include "platform/sandbox/sandbox.h"

namespace clary::sandbox {

namespace fs = std::filesystem;

namespace {

struct Pipe {
  UniqueFd read, write;
};

Pipe make_pipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) throw_errno("pipe");
  return {UniqueFd(fds[0]), UniqueFd(fds[1])};
}

// The pointers refer to the strings of the argument, which must live until execve().
std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> out;
  for (std::string& text : texts) out.push_back(text.data());
  out.push_back(nullptr);
  return out;
}

/// A file of NUL-separated arguments for bubblewrap, so that the environment is neither bubblewrap's own (LD_PRELOAD!)
/// nor to be seen in its command line.
UniqueFd environment_arguments(const std::map<std::string, std::string>& environment) {
  // A memfd: it has no name, so that nothing of it stays after a crash.
  UniqueFd fd(::memfd_create("environment", MFD_CLOEXEC));
  if (!fd) throw_errno("memfd_create");
  std::string text;
  for (const auto& [name, value] : environment)
    for (const std::string_view part : {std::string_view("--setenv"), std::string_view(name), std::string_view(value)})
      text.append(part).push_back('\0');
  write_all(fd.get(), text, "the program's environment");
  ::lseek(fd.get(), 0, SEEK_SET);
  return fd;
}

/// "cannot start the program: <reason>" to standard error; async-signal-safe.
[[noreturn]] void give_up() {
  constexpr char kText[] = "cannot start the program: ";
  const char* reason = ::strerror(errno);
  ::write(2, kText, sizeof kText - 1);
  ::write(2, reason, ::strlen(reason));
  ::write(2, "\n", 1);
  ::_exit(127);
}

/// Between fork and exec: async-signal-safe calls only, since another thread may have held any lock (of malloc, say)
/// when the process was copied; all memory is prepared by the caller. `keep` stay open besides 0, 1, 2.
[[noreturn]] void run_child(char** argv, char** envp, int output, std::array<int, 2> keep, const Network* network,
                            std::uint64_t memory, pid_t parent) {
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::signal(SIGPIPE, SIG_DFL);  // ignored dispositions survive exec, and this process ignores it
  const int null = ::open("/dev/null", O_RDONLY);
  ::dup2(null, 0);
  ::dup2(output, 1);
  ::dup2(output, 2);
  // The user namespace first: it owns the other, and without root only its capabilities allow to enter that.
  if (network != nullptr && (::setns(network->user_namespace.get(), CLONE_NEWUSER) != 0 ||
                             ::setns(network->network_namespace.get(), CLONE_NEWNET) != 0))
    give_up();
  // After setns(), which clears it together with the credentials.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(126);  // it ended before the prctl: the signal will never come
  // All are marked close-on-exec, then those to keep are unmarked: whatever else this process has open stays outside.
  ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
  for (const int fd : keep)
    if (fd >= 0) ::fcntl(fd, F_SETFD, 0);
  // Inherited by all that the program starts; it bounds each process, not their sum.
  if (memory != 0) {
    const rlimit limit{memory, memory};
    ::setrlimit(RLIMIT_DATA, &limit);
  }
  const rlimit no_core{0, 0};
  ::setrlimit(RLIMIT_CORE, &no_core);
  ::execve(argv[0], argv, envp);
  give_up();
}

/// Parent PID from /proc/<pid>/stat: the second field after the command's closing parenthesis.
pid_t parent_of(const std::string& pid) {
  std::string stat;
  try {
    stat = read_file("/proc/" + pid + "/stat", 1 << 16);
  } catch (const Error&) {
    return -1;  // it has just ended
  }
  const auto close = stat.rfind(')');
  if (close == std::string::npos || close + 4 >= stat.size()) return -1;
  // The command may contain blanks and parentheses, so the fields are counted from the last ')': state first, then the
  // parent.
  pid_t parent = -1;
  std::from_chars(stat.data() + close + 4, stat.data() + stat.size(), parent);
  return parent;
}

/// True for the second process of a PID namespace: the program itself. The first, bubblewrap's, has more children when
/// processes inside have lost their parents, the relay of a port always.
bool is_second_inside(const std::string& pid) {
  std::string status;
  try {
    status = read_file("/proc/" + pid + "/status", 1 << 16);
  } catch (const Error&) {
    return false;  // it has just ended
  }
  const auto line = status.find("\nNSpid:");  // one number for each namespace, the innermost last
  if (line == std::string::npos) return false;
  const auto end = status.find('\n', line + 1);
  const auto last = status.find_last_of(" \t", end);
  return status.substr(last + 1, end - last - 1) == "2";
}

// Walks /proc because a PID namespace can't be asked for its members from outside. The program is the child of `init`
// whose PID inside is 2.
std::optional<pid_t> program_under(pid_t init) {
  for (const auto& entry : fs::directory_iterator("/proc")) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    if (std::from_chars(name.data(), name.data() + name.size(), pid).ec != std::errc()) continue;
    if (parent_of(name) == init && is_second_inside(name)) return pid;
  }
  return std::nullopt;
}

/// The name of the program that a process runs, "" when it has ended.
std::string running_program(pid_t pid) {
  try {
    return std::string(trimmed(read_file("/proc/" + std::to_string(pid) + "/comm", 64)));
  } catch (const Error&) {
    return "";
  }
}

bool readable_within(const UniqueFd& fd, int milliseconds) {
  pollfd waiting{fd.get(), POLLIN, 0};
  return ::poll(&waiting, 1, milliseconds) > 0;
}

bool is_running(const ChildProcess& child) { return !readable_within(child.pid_fd, 0); }

constexpr int kInfoLimitMs = 2000;  // bubblewrap writes its child's PID within some milliseconds, unless it hangs

}  // namespace

ChildProcess start_program(const SandboxSpec& spec, bool allow_plain,
                           const std::map<std::string, std::string>& plain_environment) {
  const bool sandboxed = sandbox_available();
  if (!sandboxed && !allow_plain) throw no_sandbox();
  return launch(spec, sandboxed, plain_environment);
}

ChildProcess launch(const SandboxSpec& spec, bool sandboxed,
                    const std::map<std::string, std::string>& plain_environment) {
  if (const auto problem = environment_problem(spec.environment))
    throw Error(Kind::kInvalid, "environment of " + spec.argv.front() + ": " + *problem);
  // The write ends are this function's and close when it returns: output ends when the program's last process has
  // ended.
  // Both ends are close-on-exec from their creation (pipe2): a program that another thread starts at the same time
  // does not keep them open.
  Pipe output = make_pipe();
  Pipe info;
  // Prepared before fork(): the child may not allocate.
  UniqueFd arguments;
  std::vector<std::string> environment;
  if (sandboxed) {
    info = make_pipe();
    arguments = environment_arguments(spec.environment);
  } else {
    for (const auto& [name, value] : spec.environment) environment.push_back(name + "=" + value);
    for (const auto& [name, value] : plain_environment) environment.push_back(name + "=" + value);
  }
  std::vector<std::string> argv = sandboxed ? sandbox_command(spec, info.write.get(), arguments.get()) : spec.argv;
  const std::vector<char*> argv_pointers = pointers(argv), environment_pointers = pointers(environment);
  const pid_t parent = ::getpid();
  ChildProcess child;
  // fork(), not posix_spawn(): setns(), prctl() and the check of the parent happen between fork and exec.
  child.sandboxed = sandboxed;
  child.pid = ::fork();
  if (child.pid < 0) throw_errno("fork");
  if (child.pid == 0)
    run_child(const_cast<char**>(argv_pointers.data()), const_cast<char**>(environment_pointers.data()),
              output.write.get(), {info.write.get(), arguments.get()}, sandboxed ? spec.network : nullptr,
              spec.memory_bytes, parent);
  // The child is not reaped before its caller waits for it, so the PID cannot be another process's yet.
  child.pid_fd.reset(static_cast<int>(::syscall(SYS_pidfd_open, child.pid, 0)));
  if (!child.pid_fd) {  // its end would not be seen
    const int error = errno;
    child.info = std::move(info.read);
    info.write.reset();  // or reading it would wait for ever
    signal_program(child, SIGKILL);
    ::waitpid(child.pid, nullptr, 0);
    errno = error;
    throw_errno("pidfd_open of " + spec.argv.front());
  }
  child.output = std::move(output.read);
  child.info = std::move(info.read);
  return child;
}

// The program does nothing; only its namespaces are of use. It is killed with the agent (PR_SET_PDEATHSIG).
ChildProcess hold_network() {
  SandboxSpec spec;
  spec.argv = {"/bin/sleep", "infinity"};
  ChildProcess holder = launch(spec, true);
  // Its namespaces are there once bubblewrap has named its child, and the loopback interface is up once that child has
  // become the program.
  for (int i = 0; i < kInfoLimitMs && is_running(holder); ++i) {
    const auto pid = program_pid(holder);
    if (pid && running_program(*pid) == "sleep") return holder;
    ::usleep(1000);
  }
  signal_program(holder, SIGKILL);
  ::waitpid(holder.pid, nullptr, 0);
  throw Error(Kind::kUnavailable, "no network namespace for the instances of the job could be made");
}

// The descriptors keep the namespaces alive even if every process in them ends.
Network network_of(pid_t init_pid) {
  const std::string folder = "/proc/" + std::to_string(init_pid) + "/ns/";
  Network network;
  network.user_namespace.reset(::open((folder + "user").c_str(), O_RDONLY | O_CLOEXEC));
  network.network_namespace.reset(::open((folder + "net").c_str(), O_RDONLY | O_CLOEXEC));
  if (!network.user_namespace || !network.network_namespace)
    throw Error(Kind::kUnavailable, folder + ": " + std::strerror(errno));
  return network;
}

std::uint64_t network_id(const Network& network) {
  struct stat status {};
  if (::fstat(network.network_namespace.get(), &status) != 0) throw_errno("fstat of a network namespace");
  return status.st_ino;
}

std::optional<pid_t> program_pid(ChildProcess& child) {
  if (!child.sandboxed) return child.pid;
  // Blocks until bubblewrap has written or ended; signal_program() asks first whether it has.
  if (child.init_pid < 0) {
    // bubblewrap writes this once, before the program starts, and closes the pipe.
    std::string text;
    char buffer[256];
    for (ssize_t n; (n = ::read(child.info.get(), buffer, sizeof buffer)) > 0 || (n < 0 && errno == EINTR);)
      if (n > 0) text.append(buffer, static_cast<std::size_t>(n));
    if (text.empty()) return std::nullopt;
    child.init_pid = parse_json(text).value("child-pid", -1);
  }
  return program_under(child.init_pid);
}

// The PID cannot be another process's: as long as the caller has not waited for child.pid, bubblewrap's child-pid is
// alive or a zombie of bubblewrap's, unless bubblewrap has ended, which is_running() checks.
void signal_program(ChildProcess& child, int signal_number) {
  if (signal_number == SIGKILL) {
    // The kernel ends a PID namespace with its first process. --die-with-parent alone would not do: a bubblewrap killed
    // before its child has asked for that signal leaves the child running.
    try {
      if (child.sandboxed && child.init_pid < 0 && readable_within(child.info, kInfoLimitMs)) program_pid(child);
      if (child.init_pid > 0 && is_running(child)) ::kill(child.init_pid, SIGKILL);
    } catch (const Error&) {  // bubblewrap ended while it was writing
    }
    ::kill(child.pid, SIGKILL);
    return;
  }
  // A program that has not started yet gets no signal; the caller's deadline then ends it by SIGKILL.
  if (const auto pid = program_pid(child)) ::kill(*pid, signal_number);
}

int exit_code(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

}  // namespace clary::sandbox
