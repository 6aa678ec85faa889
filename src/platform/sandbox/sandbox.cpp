// SPDX-License-Identifier: Apache-2.0
#include "platform/sandbox/sandbox.h"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>

#include "base/text.h"

namespace clary::sandbox {

namespace fs = std::filesystem;

namespace {

constexpr const char* kRelayInside = "/run/port_relay";

// The machine's system folders and those files of /etc that programs need to run; nothing with secrets in it.
constexpr const char* kSystem[] = {"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/sys"};
constexpr const char* kEtc[] = {"/etc/alternatives", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
                                "/etc/localtime",    "/etc/passwd",      "/etc/group",      "/etc/nsswitch.conf",
                                "/etc/mime.types",   "/etc/python3",     "/etc/python3.11", "/etc/fonts",
                                "/etc/ssl/certs",    "/etc/resolv.conf", "/etc/host.conf",  "/etc/protocols",
                                "/etc/services",     "/etc/gai.conf",    "/etc/OpenCL",     "/etc/libnl-3"};
constexpr const char* kGpuDevices[] = {
    "/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia-uvm-tools", "/dev/nvidia0", "/dev/nvidia1", "/dev/nvidia2",
    "/dev/nvidia3",   "/dev/nvidia4",    "/dev/nvidia5",          "/dev/nvidia6", "/dev/nvidia7", "/dev/nvidia-caps"};

void add_system(std::vector<std::string>& argv) {
  for (const char* folder : kSystem) {
    std::error_code ec;
    if (fs::is_symlink(folder, ec))  // merged /usr
      argv.insert(argv.end(), {"--symlink", fs::read_symlink(folder).string(), folder});
    else
      argv.insert(argv.end(), {"--ro-bind-try", folder, folder});
  }
  for (const char* file : kEtc) argv.insert(argv.end(), {"--ro-bind-try", file, file});
}

// Starts /bin/true in a sandbox: whether user namespaces are allowed depends on the kernel, sysctls, AppArmor and
// containers around the server, and trying is the only reliable test.
bool probe() {
  if (::access(kBubblewrap, X_OK) != 0) return false;
  SandboxSpec spec;
  spec.argv = {"/bin/true"};
  try {
    const ChildProcess child = launch(spec, true);
    int status = 0;
    return ::waitpid(child.pid, &status, 0) == child.pid && exit_code(status) == 0;
  } catch (const std::exception&) {
    return false;
  }
}

}  // namespace

bool sandbox_available() {
  // A function-local static: probed once, by whichever thread comes first; the others wait for it.
  static const bool available = probe();
  return available;
}

Error no_sandbox() {
  return {
      Kind::kDenied,  // not kUnavailable: it does not pass by itself
      "no sandbox: bubblewrap cannot make namespaces on this machine, so programs that are not built in are refused "
      "(see `clary doctor`)"};
}

std::optional<std::string> environment_problem(const std::map<std::string, std::string>& environment) {
  for (const auto& [name, value] : environment) {
    if (name.empty() || name.find_first_of(std::string_view("=\0", 2)) != std::string::npos)
      return "the name \"" + percent_encoded(name) + "\" must not be empty and must hold neither '=' nor NUL";
    if (value.find('\0') != std::string::npos) return "the value of \"" + name + "\" must not hold NUL (U+0000)";
  }
  return std::nullopt;
}

std::vector<std::string> sandbox_command(const SandboxSpec& spec, int info_fd, int arguments_fd) {
  // uid 0 inside maps to the server's own user outside and has no capabilities there. --new-session: no terminal to
  // push input into (TIOCSTI, CVE-2017-5226). --die-with-parent: see program.cpp.
  std::vector<std::string> argv{kBubblewrap,
                                "--unshare-user",
                                "--uid",
                                "0",
                                "--gid",
                                "0",
                                "--unshare-pid",
                                "--unshare-ipc",
                                "--unshare-uts",
                                "--die-with-parent",
                                "--new-session",
                                "--cap-drop",
                                "ALL"};
  // bubblewrap brings the loopback interface of a new network namespace up.
  // With a shared network the caller has entered the namespace before exec (run_child), so no new one is made.
  if (!spec.machine_network && spec.network == nullptr) argv.emplace_back("--unshare-net");
  if (!spec.host_name.empty()) argv.insert(argv.end(), {"--hostname", spec.host_name});
  if (info_fd >= 0) argv.insert(argv.end(), {"--info-fd", std::to_string(info_fd)});
  if (arguments_fd >= 0) argv.insert(argv.end(), {"--args", std::to_string(arguments_fd)});
  add_system(argv);
  // Order matters in the whole list: bubblewrap applies it from left to right, and later mounts cover earlier ones.
  // A fresh /proc still has the host's /proc/sys, which is writable where the server runs as root (the namespace maps
  // uid 0 to uid 0, and sysctl files ask for the uid only): a read-only bind covers it.
  argv.insert(argv.end(), {"--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys", "--dev", "/dev", "--tmpfs", "/tmp",
                           "--tmpfs", "/run", "--tmpfs", "/root"});
  if (spec.gpu)
    for (const char* device : kGpuDevices) argv.insert(argv.end(), {"--dev-bind-try", device, device});
  for (const Bind& bind : spec.binds)
    argv.insert(argv.end(), {bind.writable ? "--bind" : "--ro-bind", bind.source.string(), bind.target.string()});
  if (spec.bridge) argv.insert(argv.end(), {"--ro-bind", spec.bridge->relay.string(), kRelayInside});
  // The last step: the root becomes read-only once every mount point has been created in it.
  argv.insert(argv.end(), {"--remount-ro", "/", "--chdir", spec.working_folder.string(), "--"});
  // The relay becomes the program: see port_relay.cpp.
  if (spec.bridge)
    argv.insert(argv.end(), {kRelayInside, spec.bridge->socket.string(), std::to_string(spec.bridge->port)});
  argv.insert(argv.end(), spec.argv.begin(), spec.argv.end());
  return argv;
}

}  // namespace clary::sandbox
