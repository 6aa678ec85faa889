// SPDX-License-Identifier: Apache-2.0
// Zip archives in memory, through libarchive: stored entries, no times, so that the same content gives the same bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
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

/// The entries of an archive as spans of its bytes, by the central directory (APPNOTE 6.3.9, sections 4.3.7 to 4.5.3,
/// zip64 included). Checksums are not compared.
/// @throws Error{kMalformed}, also for entries that are compressed or encrypted; Error{kLimit} above max_members
std::map<std::string, std::span<const std::byte>> view_stored_zip(std::span<const std::byte> bytes,
                                                                  std::uint64_t max_members);

}  // namespace clary::artifact
