// SPDX-License-Identifier: Apache-2.0
// Zip archives in memory, through libarchive: stored entries, no times, so that the same content gives the same bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clary::artifact {

/// Name and content; written in this order.
using ZipMembers = std::vector<std::pair<std::string, std::string>>;

std::string write_zip(const ZipMembers& members);

/// Stored and deflated entries. @throws Error{kMalformed} for what is no zip archive; Error{kLimit} above the limits
std::map<std::string, std::string> read_zip(std::string_view bytes, std::uint64_t max_bytes = 16ULL << 30,
                                            int max_members = 64);

}  // namespace clary::artifact
