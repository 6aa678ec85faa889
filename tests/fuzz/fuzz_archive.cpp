// SPDX-License-Identifier: Apache-2.0
// Unpacking hostile archives: nothing may appear beside the target folder, and only our errors come out.
#include <cstdlib>
#include <filesystem>

#include "base/error.h"
#include "base/files.h"
#include "formats/archive.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  namespace fs = std::filesystem;
  static const clary::TemporaryFolder folder(fs::exists("/dev/shm") ? "/dev/shm" : "/tmp");
  const fs::path archive = folder.path() / "a.tar.gz";
  const fs::path target = folder.path() / "in";
  clary::write_file_atomically(archive, std::string_view(reinterpret_cast<const char*>(data), size));
  fs::create_directories(target);
  try {
    clary::formats::unpack_tar_gz(archive, target, {.max_entries = 50, .max_bytes = 1 << 20});
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  fs::remove_all(target);
  if (std::distance(fs::directory_iterator(folder.path()), fs::directory_iterator()) != 1) std::abort();
  return 0;
}
