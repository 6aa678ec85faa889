// SPDX-License-Identifier: Apache-2.0
#include "base/links.h"

#include <unistd.h>

#include <cerrno>

namespace clary {

namespace fs = std::filesystem;

std::error_code link_or_copy(const fs::path& file, const fs::path& place) {
  if (::link(file.c_str(), place.c_str()) == 0) return {};
  const std::error_code reason(errno, std::generic_category());
  if (reason != std::errc::cross_device_link && reason != std::errc::too_many_links &&
      reason != std::errc::operation_not_permitted)
    return reason;
  std::error_code error;
  if (!fs::copy_file(file, place, error) && error != std::errc::file_exists) {
    std::error_code ignored;
    fs::remove(place, ignored);  // half a copy
  }
  return error;
}

}  // namespace clary
