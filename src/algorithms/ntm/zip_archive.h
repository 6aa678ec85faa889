// SPDX-License-Identifier: Apache-2.0
// Zip archives in memory, through libarchive: stored entries, no times, so that the same content gives the same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>

namespace clary::ntm {

std::string write_zip(const std::map<std::string, std::string>& members);

/// @throws Error{kMalformed} for what is no zip archive; Error{kLimit} above the limits
std::map<std::string, std::string> read_zip(std::string_view bytes, std::uint64_t max_bytes = 16ULL << 30,
                                            int max_members = 64);

}  // namespace clary::ntm
