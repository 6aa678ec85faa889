// SPDX-License-Identifier: Apache-2.0
#include "support/paths.h"

#include <cstdlib>

namespace clary::tests {

std::filesystem::path source_folder() { return CLARY_SOURCE_DIR; }

std::filesystem::path build_folder() { return CLARY_BINARY_DIR; }

std::filesystem::path shared_data() {
  const char* override_path = std::getenv("CLARY_SHARED_DATA");
  return override_path != nullptr && *override_path != '\0' ? std::filesystem::path(override_path)
                                                            : source_folder() / "../shared/data";
}

}  // namespace clary::tests
