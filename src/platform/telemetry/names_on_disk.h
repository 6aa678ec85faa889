// SPDX-License-Identifier: Apache-2.0
// Names of log groups, streams and metrics as file names: percent-encoded, so that every name is one flat, legal entry.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/text.h"

namespace clary::telemetry {

/// "." and ".." and "" cannot be entries: a leading dot is escaped too, and nothing becomes "%".
inline std::string entry_name(std::string_view name) {
  std::string out = percent_encoded(name);
  if (out.empty()) return "%";
  if (out[0] == '.') out.replace(0, 1, "%2E");
  return out;
}

/// The name behind an entry; nothing for files that the stores did not name.
inline std::optional<std::string> name_of_entry(std::string_view entry) {
  if (entry == "%") return "";
  return percent_decoded(entry);
}

}  // namespace clary::telemetry
