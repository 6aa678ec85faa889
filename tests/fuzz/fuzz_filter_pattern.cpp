// SPDX-License-Identifier: Apache-2.0
// FilterLogEvents patterns: only Error may escape, and matching ends.
#include <cstdint>
#include <string_view>

#include "base/error.h"
#include "platform/services/logs/filter_pattern.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const clary::services::FilterPattern pattern(text.substr(0, size / 2));
    pattern.matches(text.substr(size / 2));
  } catch (const clary::Error&) {
  }
  return 0;
}
