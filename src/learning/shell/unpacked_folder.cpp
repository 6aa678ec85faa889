// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/unpacked_folder.h"

#include <algorithm>

#include "formats/archive.h"
#include "learning/numeric/memory.h"

namespace clary::shell {
namespace {

constexpr const char* kArchive = "model.tar.gz";

/// A job's folder of temporary files is memory. An artifact may hold a file of hundreds of megabytes for each epoch
/// that was kept.
formats::UnpackLimits unpack_limits() {
  constexpr std::uint64_t kMaxFiles = 10'000, kMaxBytes = std::uint64_t{16} << 30;
  const auto memory = static_cast<std::uint64_t>(numeric::available_memory());
  return {.max_entries = kMaxFiles, .max_bytes = std::min(kMaxBytes, memory / 2)};
}

}  // namespace

UnpackedFolder::UnpackedFolder(const std::filesystem::path& folder) : path_(folder) {
  const std::filesystem::path archive = folder / kArchive;
  if (!std::filesystem::exists(archive)) return;
  path_ = temporary_.emplace().path();
  formats::unpack_tar_gz(archive, path_, unpack_limits());
}

std::string UnpackedFolder::with_archive(const std::string& message) const {
  const std::string unpacked = path_.string();
  if (!temporary_ || !message.starts_with(unpacked)) return message;
  return kArchive + message.substr(unpacked.size());
}

}  // namespace clary::shell
