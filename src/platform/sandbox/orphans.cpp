// SPDX-License-Identifier: Apache-2.0
// Sandboxes whose owner was killed while bubblewrap made them. Its child asks for the signal that ends it with its
// parent only when the namespaces and mounts are there, some milliseconds after it was born: a bubblewrap that dies
// before that leaves its child, which goes on to start the program.
#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <csignal>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/sandbox/sandbox.h"

namespace clary::sandbox {

namespace fs = std::filesystem;

namespace {

constexpr std::uint64_t kMaxCommandBytes = 4 << 20;
constexpr int kEndLimitMs = 1000;
constexpr int kMaxScans = 20;

/// Also a path that is not there any more.
bool is_below(const fs::path& path, const fs::path& folder) {
  const auto [end, ignored] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  return end == folder.end();
}

/// True for both processes of bubblewrap, outside and inside: its child is a fork that keeps the command line.
bool binds_below(const std::string& command_line, const fs::path& folder) {
  const auto words = split(command_line, '\0');
  if (words.empty() || words[0] != kBubblewrap) return false;
  for (std::size_t i = 1; i + 1 < words.size() && words[i] != "--"; ++i) {
    if (words[i] != "--bind" && words[i] != "--ro-bind") continue;
    std::error_code failed;  // a folder of another user's: the answer is an empty path
    if (is_below(fs::weakly_canonical(words[i + 1], failed), folder)) return true;
  }
  return false;
}

/// @return whether there was one to end
bool end_if_below(pid_t pid, const fs::path& folder) {
  // The descriptor first: what is read afterwards is of this process or of none, never of a later one with its number.
  const UniqueFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  if (!process) return false;
  std::string command_line;
  try {
    command_line = read_file("/proc/" + std::to_string(pid) + "/cmdline", kMaxCommandBytes);
  } catch (const Error&) {
    return false;  // it has just ended
  }
  pollfd ended{process.get(), POLLIN, 0};
  if (!binds_below(command_line, folder) || ::poll(&ended, 1, 0) != 0) return false;
  if (::syscall(SYS_pidfd_send_signal, process.get(), SIGKILL, nullptr, 0) != 0) return false;  // another user's
  ::poll(&ended, 1, kEndLimitMs);
  return true;
}

int end_once(const fs::path& folder) {
  int count = 0;
  std::error_code gone;
  for (const auto& entry : fs::directory_iterator("/proc", gone)) {
    const std::string name = entry.path().filename().string();
    pid_t pid = 0;
    const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), pid);
    if (error == std::errc() && end == name.data() + name.size() && end_if_below(pid, folder)) ++count;
  }
  return count;
}

}  // namespace

void end_sandboxes_below(const fs::path& folder) {
  // Until none is left: one that is ended may have just had a child, whose number has been passed already.
  const fs::path canonical = fs::weakly_canonical(folder);
  for (int scan = 0; scan < kMaxScans; ++scan) {
    const int count = end_once(canonical);
    if (count == 0) return;
    log::warn("ended {} sandbox processes of {} that nobody owned", count, folder.string());
  }
}

}  // namespace clary::sandbox
