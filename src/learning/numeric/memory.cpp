// SPDX-License-Identifier: Apache-2.0
// See memory.h.
#include "learning/numeric/memory.h"

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

}  // namespace

std::optional<std::int64_t> mem_available(std::string_view meminfo) {
  constexpr std::string_view kKey = "MemAvailable:";
  const std::size_t at = meminfo.find(kKey);
  if (at == std::string_view::npos) return std::nullopt;
  const auto kilobytes = parse_count(meminfo.substr(at + kKey.size()));
  if (!kilobytes) return std::nullopt;
  return *kilobytes * 1024;
}

// The smaller of the two: MemAvailable knows nothing of the container's limit.
std::int64_t available_memory() {
  const std::int64_t system =
      mem_available(text_of("/proc/meminfo")).value_or(std::numeric_limits<std::int64_t>::max());
  return std::min(system, cgroup_left().value_or(system));
}

}  // namespace clary::numeric
