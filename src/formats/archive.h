// SPDX-License-Identifier: Apache-2.0
// model.tar.gz and output.tar.gz. Packing is deterministic: entries sorted, no time, no owner, no "./" in front; same
// folder, same bytes. Unpacking trusts nothing: an archive cannot write outside its folder.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace clary::formats {

struct PackReport {
  std::uint64_t files = 0;
  std::uint64_t bytes = 0;            // of the files' content
  std::vector<std::string> left_out;  // links, sockets, devices: never followed, not packed
};

/// Packs everything below `folder` into `archive` (gzip), replacing it.
/// @throws Error naming the path; Error{kLimit} when the disk is full
PackReport pack_tar_gz(const std::filesystem::path& folder, const std::filesystem::path& archive);

/// The same, for bytes that go elsewhere. @throws also what `sink` throws
PackReport pack_tar_gz(const std::filesystem::path& folder,
                       const std::function<void(std::span<const std::byte>)>& sink);

struct UnpackLimits {
  std::uint64_t max_entries = 100'000;
  std::uint64_t max_bytes = 64ULL << 30;  // of the unpacked files together
};

/// Unpacks a tar or tar.gz into `folder`, which exists. Existing files are an error, not overwritten.
/// @throws Error{kMalformed} for what is no such archive, absolute paths, "..", links and devices, naming the entry;
/// Error{kLimit} above the limits
void unpack_tar_gz(const std::filesystem::path& archive, const std::filesystem::path& folder,
                   const UnpackLimits& limits = {});

}  // namespace clary::formats
