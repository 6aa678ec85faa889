// SPDX-License-Identifier: Apache-2.0
#include "fault_points.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <mutex>

namespace clary::fault {

namespace {

std::atomic<int> g_left{-1};  // calls until the failing one; -1: not armed
std::atomic<int> g_error{0};
std::atomic<bool> g_lasting{false};
std::atomic<bool> g_fired{false};
std::mutex g_calls_mutex;
std::string g_calls;  // guarded by it

/// Whether this call fails (errno is set then).
bool fails(const char* name) {
  if (g_left >= 0) {
    const std::lock_guard lock(g_calls_mutex);
    g_calls += std::string(name) + ' ';
  }
  int left = g_left.load();
  do {
    if (left < 0) return false;
  } while (!g_left.compare_exchange_weak(left, left > 0 ? left - 1 : (g_lasting ? 0 : -1)));
  if (left > 0) return false;
  g_fired = true;
  errno = g_error;
  return true;
}

}  // namespace

void arm(int n, int error, bool lasting) {
  g_error = error;
  g_lasting = lasting;
  g_fired = false;
  {
    const std::lock_guard lock(g_calls_mutex);
    g_calls.clear();
  }
  g_left = n;
}

std::string calls() {
  const std::lock_guard lock(g_calls_mutex);
  return g_calls;
}

bool disarm() {
  g_left = -1;
  return g_fired;
}

}  // namespace clary::fault

using clary::fault::fails;

extern "C" {

ssize_t write(int fd, const void* bytes, size_t size) {
  return fails("write") ? -1 : ::syscall(SYS_write, fd, bytes, size);
}
ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  return fails("pwrite") ? -1 : ::syscall(SYS_pwrite64, fd, bytes, size, offset);
}
int fsync(int fd) { return fails("fsync") ? -1 : static_cast<int>(::syscall(SYS_fsync, fd)); }
int fdatasync(int fd) { return fails("fdatasync") ? -1 : static_cast<int>(::syscall(SYS_fdatasync, fd)); }
int syncfs(int fd) noexcept { return fails("syncfs") ? -1 : static_cast<int>(::syscall(SYS_syncfs, fd)); }
int rename(const char* from, const char* to) noexcept {
  return fails("rename") ? -1 : static_cast<int>(::syscall(SYS_rename, from, to));
}
int ftruncate64(int fd, off64_t size) noexcept {
  return fails("ftruncate") ? -1 : static_cast<int>(::syscall(SYS_ftruncate, fd, size));
}
ssize_t copy_file_range(int in, off64_t* in_at, int out, off64_t* out_at, size_t size, unsigned flags) {
  return fails("copy_file_range") ? -1 : ::syscall(SYS_copy_file_range, in, in_at, out, out_at, size, flags);
}

}  // extern "C"
