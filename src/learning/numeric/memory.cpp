// SPDX-License-Identifier: Apache-2.0
// See memory.h.
#include "learning/numeric/memory.h"

#include <sys/mman.h>
#include <sys/resource.h>

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include "base/text.h"

namespace clary::numeric {
namespace {

std::optional<std::int64_t> parse_count(std::string_view text) {
  text = trimmed(text);
  std::int64_t value = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (problem != std::errc() || end == text.data()) return std::nullopt;
  return value;
}

/// "Name:   123 kB" in bytes.
std::optional<std::int64_t> kilobytes_of(std::string_view key, std::string_view text) {
  const std::size_t at = text.find(key);
  if (at == std::string_view::npos) return std::nullopt;
  const auto kilobytes = parse_count(text.substr(at + key.size()));
  if (!kilobytes) return std::nullopt;
  return *kilobytes * 1024;
}

std::string text_of(const std::filesystem::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

/// What the process's own cgroup (v2, as its container sees it) leaves.
/// memory.max minus memory.current: pages of the file cache count as used here, so that the answer is cautious.
std::optional<std::int64_t> cgroup_left() {
  std::string line = text_of("/proc/self/cgroup");  // "0::/path"
  const std::size_t at = line.find("0::");
  if (at == std::string::npos) return std::nullopt;
  const std::string_view path = trimmed(std::string_view(line).substr(at + 3, line.find('\n', at) - at - 3));
  const std::string folder = "/sys/fs/cgroup" + std::string(path);
  const auto limit = parse_count(text_of(folder + "/memory.max"));  // "max" is no number: no limit
  const auto used = parse_count(text_of(folder + "/memory.current"));
  if (!limit || !used) return std::nullopt;
  return std::max<std::int64_t>(0, *limit - *used);
}

/// What the limit on the process's data (RLIMIT_DATA, by which the server bounds a job to its instance) leaves.
std::optional<std::int64_t> data_limit_left() {
  rlimit limit{};
  if (getrlimit(RLIMIT_DATA, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return std::nullopt;
  const auto used = kilobytes_of("VmData:", text_of("/proc/self/status")).value_or(0);
  return std::max<std::int64_t>(0, static_cast<std::int64_t>(limit.rlim_cur) - used);
}

}  // namespace

std::optional<std::int64_t> mem_available(std::string_view meminfo) { return kilobytes_of("MemAvailable:", meminfo); }

// The smaller of the two: MemAvailable knows nothing of the container's limit.
void prefer_large_pages(void* begin, std::size_t bytes) noexcept {
  constexpr std::uintptr_t kLargePage = std::uintptr_t{2} << 20;
  const auto first = (reinterpret_cast<std::uintptr_t>(begin) + kLargePage - 1) / kLargePage * kLargePage;
  const auto last = (reinterpret_cast<std::uintptr_t>(begin) + bytes) / kLargePage * kLargePage;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_HUGEPAGE);
}

std::int64_t available_memory() {
  const std::int64_t system =
      mem_available(text_of("/proc/meminfo")).value_or(std::numeric_limits<std::int64_t>::max());
  return std::min({system, cgroup_left().value_or(system), data_limit_left().value_or(system)});
}

}  // namespace clary::numeric
