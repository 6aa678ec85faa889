// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"

namespace clary::agent {

namespace fs = std::filesystem;

namespace {

constexpr int kMaxDepth = 64;

// openat2(2): RESOLVE_BENEATH refuses "..", absolute paths and anything that leaves the folder; RESOLVE_NO_SYMLINKS
// refuses links in every component, not only in the last. O_NONBLOCK: opening a FIFO that the program put there must
// not wait for a writer. glibc 2.36 has no wrapper for the call.
UniqueFd open_at(int folder, const std::string& relative, int flags) {
  open_how how{};
  how.flags = static_cast<std::uint64_t>(flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
  return UniqueFd(static_cast<int>(::syscall(SYS_openat2, folder, relative.c_str(), &how, sizeof how)));
}

void walk(int folder, const std::string& prefix, int depth,
          const std::function<void(const std::string&, const struct stat&)>& visit) {
  // The depth of the tree is the program's choice, and each level takes a descriptor and a stack frame.
  if (depth > kMaxDepth) throw Error(Kind::kLimit, prefix + " is nested deeper than 64 folders");
  // Names are collected before anything is opened: the directory's stream is closed, and the order is fixed.
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd/" + std::to_string(folder)))
    names.push_back(entry.path().filename().string());
  std::sort(names.begin(), names.end());
  for (const std::string& name : names) {
    struct stat status {};
    if (::fstatat(folder, name.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) continue;  // gone meanwhile
    if (S_ISREG(status.st_mode)) visit(prefix + name, status);
    if (!S_ISDIR(status.st_mode)) continue;
    // Opened relative to the descriptor of the folder: renaming a folder above does not lead elsewhere.
    if (const UniqueFd child = open_at(folder, name, O_RDONLY | O_DIRECTORY))
      walk(child.get(), prefix + name + "/", depth + 1, visit);
  }
}

}  // namespace

std::optional<UniqueFd> open_beneath(const fs::path& folder, const std::string& relative, int flags) {
  // O_PATH: the folder's name itself is the server's and trusted, everything below is not.
  const UniqueFd root(::open(folder.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!root) return std::nullopt;
  UniqueFd fd = open_at(root.get(), relative, flags);
  if (!fd) return std::nullopt;
  return fd;
}

std::optional<std::string> read_beneath(const fs::path& folder, const std::string& relative, std::size_t max_bytes) {
  const auto fd = open_beneath(folder, relative, O_RDONLY);
  struct stat status {};
  if (!fd || ::fstat(fd->get(), &status) != 0 || !S_ISREG(status.st_mode)) return std::nullopt;
  std::string text(max_bytes, '\0');
  std::size_t size = 0;
  // A FIFO or a growing file ends the loop as well: read() returns -1 (EAGAIN) or max_bytes is reached.
  for (ssize_t n; size < max_bytes && (n = ::read(fd->get(), text.data() + size, max_bytes - size)) > 0;)
    size += static_cast<std::size_t>(n);
  text.resize(size);
  return text;
}

fs::path path_of(const UniqueFd& folder) { return "/proc/self/fd/" + std::to_string(folder.get()); }

void walk_beneath(const UniqueFd& folder,
                  const std::function<void(const std::string& relative, const struct stat& status)>& visit) {
  walk(folder.get(), "", 0, visit);
}

}  // namespace clary::agent
