// SPDX-License-Identifier: Apache-2.0
#include "learning/numeric/threads.h"

#include <sched.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <string>

#include "base/text.h"

namespace clary::numeric {
namespace {

constexpr int kMaxThreads = 1024;

int positive(const char* text) {
  if (text == nullptr) return 0;
  const std::string_view view = trimmed(text);
  int value = 0;
  const auto [end, error] = std::from_chars(view.data(), view.data() + view.size(), value);
  return error == std::errc() && end == view.data() + view.size() ? std::clamp(value, 0, kMaxThreads) : 0;
}

int affinity_cpus() {
  cpu_set_t set;
  CPU_ZERO(&set);
  return sched_getaffinity(0, sizeof set, &set) == 0 ? std::max(1, CPU_COUNT(&set)) : 1;
}

/// The line "0::/path" of /proc/self/cgroup names our cgroup; its own limit and those above it count.
/// A container's CPU limit is a quota of time (cpu.max), which the affinity mask does not show.
int cgroup_limit() {
  std::ifstream in("/proc/self/cgroup");
  std::string line, path = "/";
  while (std::getline(in, line))
    if (line.starts_with("0::")) path = line.substr(3);
  int limit = 0;
  for (;;) {
    std::ifstream file("/sys/fs/cgroup" + (path == "/" ? "" : path) + "/cpu.max");
    std::string text;
    if (std::getline(file, text))
      if (const int cpus = cgroup_cpus(text); cpus > 0) limit = limit == 0 ? cpus : std::min(limit, cpus);
    // Up to the root: each level may be narrower than those below.
    if (path.size() <= 1) return limit;
    path = path.substr(0, path.rfind('/'));
    if (path.empty()) path = "/";
  }
}

}  // namespace

// "200000 100000": 200 ms of CPU time every 100 ms are two CPUs; parts are rounded up.
int cgroup_cpus(std::string_view cpu_max) {
  const auto words = split(trimmed(cpu_max), ' ');
  if (words.size() != 2 || words[0] == "max") return 0;
  double quota = 0, period = 0;
  const auto read = [](std::string_view word, double& value) {
    return std::from_chars(word.data(), word.data() + word.size(), value).ec == std::errc();
  };
  if (!read(words[0], quota) || !read(words[1], period) || quota <= 0 || period <= 0) return 0;
  return static_cast<int>(std::clamp(std::ceil(quota / period), 1.0, double{kMaxThreads}));
}

int available_threads() {
  // CLARY_THREADS is the agent's, OMP_NUM_THREADS the user's own setting.
  for (const char* name : {"CLARY_THREADS", "OMP_NUM_THREADS"})
    if (const int count = positive(std::getenv(name)); count > 0) return count;
  const int limit = cgroup_limit(), cpus = affinity_cpus();
  return limit > 0 ? std::min(limit, cpus) : cpus;
}

}  // namespace clary::numeric
