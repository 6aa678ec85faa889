// SPDX-License-Identifier: Apache-2.0
// How much memory there is.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace clary::numeric {

/// Bytes this process may still take: the kernel's MemAvailable, or what its cgroup (v2) or its limit on data
/// (RLIMIT_DATA) leaves when that is less.
std::int64_t available_memory();
/// MemAvailable of /proc/meminfo's text; nothing when it has none.
std::optional<std::int64_t> mem_available(std::string_view meminfo);

}  // namespace clary::numeric
