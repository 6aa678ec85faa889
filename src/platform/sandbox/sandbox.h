// SPDX-License-Identifier: Apache-2.0
// The sandbox of algorithm programs: bubblewrap with its own mount, PID, IPC, user and network namespaces, a read-only
// system, no capabilities, and only the folders that are bound here. Of the network there is a loopback interface that
// nothing outside reaches and from which nothing outside is reached; a port of it can be bridged to a Unix socket, and
// several sandboxes can share one such network.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/files.h"

namespace clary::sandbox {

struct Bind {
  std::filesystem::path source, target;
  bool writable = false;
};

/// A way into the sandbox: connections to the Unix socket become connections to 127.0.0.1:port inside (port_relay.cpp).
struct PortBridge {
  std::filesystem::path relay;   // the program port_relay, as seen outside
  std::filesystem::path socket;  // as seen inside, in a folder that is bound there
  std::uint16_t port = 0;
};

/// The namespaces of a network that several sandboxes share, kept by these descriptors.
struct Network {
  UniqueFd user_namespace, network_namespace;
};

struct SandboxSpec {
  std::vector<std::string> argv;                   // absolute program and arguments, as seen inside
  std::vector<Bind> binds;                         // in order: a later one may lie inside an earlier one
  std::map<std::string, std::string> environment;  // the whole environment: nothing is inherited
  std::filesystem::path working_folder = "/";
  std::string host_name;             // what gethostname() answers inside; "" leaves the machine's
  bool machine_network = false;      // the machine's network in place of one of its own
  const Network* network = nullptr;  // a shared one in place of one of its own; must live until launch() returns
  std::optional<PortBridge> bridge;
  bool gpu = false;                // show /dev/nvidia*
  std::uint64_t memory_bytes = 0;  // 0: no limit
};

inline constexpr const char* kBubblewrap = "/usr/bin/bwrap";

/// True when bubblewrap can make its namespaces here (probed once, ~5 ms).
bool sandbox_available();

/// What to throw when a program that is not built in would have to run without a sandbox.
Error no_sandbox();

/// What makes these names and values no environment of a program: an empty name, '=' in a name, NUL anywhere (the
/// kernel and bubblewrap end a string there, and what follows would become an option of bubblewrap). Nothing if all
/// is well.
std::optional<std::string> environment_problem(const std::map<std::string, std::string>& environment);

/// The argv that runs the spec under bubblewrap, with an empty environment of its own: the program's is not in it.
/// `info_fd` >= 0 makes bubblewrap write {"child-pid": n} there; from `arguments_fd` it reads more arguments
/// (NUL-separated `--setenv NAME VALUE`).
std::vector<std::string> sandbox_command(const SandboxSpec& spec, int info_fd = -1, int arguments_fd = -1);

/// OPENBLAS_CORETYPE, ATEN_CPU_CAPABILITY, OMP_NUM_THREADS and the like for `threads` threads on this CPU: Debian's
/// OpenBLAS takes new Xeons for an SSE-only core.
std::map<std::string, std::string> compute_environment(int threads);

/// A running program. Nothing happens on destruction but the closing of descriptors.
struct ChildProcess {
  pid_t pid = -1;       // bubblewrap's (or the program's without a sandbox): wait for this one
  UniqueFd pid_fd;      // readable when pid has ended
  UniqueFd output;      // read end of standard output and standard error, joined
  UniqueFd info;        // bubblewrap's info pipe, while unread
  pid_t init_pid = -1;  // the first process of the PID namespace, once known
  bool sandboxed = false;
};

/// Starts the program with standard input from /dev/null. Call it from a thread that outlives the program: the program
/// is killed when that thread ends (PR_SET_PDEATHSIG). Without a sandbox (allow_plain and no namespaces here) the binds
/// are not there: `plain_environment` is added and argv runs as it is.
/// @throws Error{kUnavailable} when there is no sandbox and allow_plain is false; throw_errno on fork failure
ChildProcess start_program(const SandboxSpec& spec, bool allow_plain,
                           const std::map<std::string, std::string>& plain_environment = {});

/// The same without asking whether there is a sandbox.
/// @throws Error{kInvalid} for an environment_problem()
ChildProcess launch(const SandboxSpec& spec, bool sandboxed,
                    const std::map<std::string, std::string>& plain_environment = {});

/// Starts a sandbox in which nothing happens, whose network others may join as long as it runs.
/// @throws Error{kUnavailable} when it does not start
ChildProcess hold_network();

/// The namespaces of a sandbox, by the PID (as this machine sees it) of its first process, ChildProcess::init_pid.
/// @throws Error{kUnavailable} when it has ended
Network network_of(pid_t init_pid);

/// The inode number by which a network namespace is known.
std::uint64_t network_id(const Network& network);

/// The program's own PID as this machine sees it (not bubblewrap's), for signals; nothing while it has not started.
std::optional<pid_t> program_pid(ChildProcess& child);

/// Signals the program itself. SIGKILL goes to the whole namespace.
void signal_program(ChildProcess& child, int signal_number);

/// Ends every sandbox that shows its program something of this folder (an absolute path), whoever started it, and waits
/// for its end. For folders of which the caller knows that nothing in them is in use: a process that was killed (-9)
/// while it made a sandbox may have left that.
void end_sandboxes_below(const std::filesystem::path& folder);

/// 0..255: exit code, or 128 + signal, of a waitpid() status.
int exit_code(int wait_status);

}  // namespace clary::sandbox
