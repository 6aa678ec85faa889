// SPDX-License-Identifier: Apache-2.0
// How much memory there is, and in which pages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace clary::numeric {

/// Bytes this process may still take: the kernel's MemAvailable, or what its cgroup (v2) or its limit on data
/// (RLIMIT_DATA) leaves when that is less.
std::int64_t available_memory();
/// Asks the system for 2 MiB pages where [begin, begin + bytes) has whole ones; to be called before they are written
/// to. Without effect where the system has none.
void prefer_large_pages(void* begin, std::size_t bytes) noexcept;

/// MemAvailable of /proc/meminfo's text; nothing when it has none.
std::optional<std::int64_t> mem_available(std::string_view meminfo);

}  // namespace clary::numeric
