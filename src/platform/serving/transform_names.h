// SPDX-License-Identifier: Apache-2.0
// Names of batch transform's output objects (container contract, section 8.1).
#pragma once

#include <string>
#include <string_view>

namespace clary::serving {

/// "<S3OutputPath>/<relative>.out" with exactly one slash between; `relative` as for a File channel.
inline std::string output_uri(std::string_view output_path, std::string_view relative) {
  std::string uri(output_path);
  if (!uri.ends_with('/')) uri += '/';
  uri += relative;
  uri += ".out";
  return uri;
}

}  // namespace clary::serving
