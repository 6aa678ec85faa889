// SPDX-License-Identifier: Apache-2.0
// Where AWS's algorithms put their model: a file model_algo-<n> of host n.
#pragma once

#include <filesystem>
#include <string>

namespace clary::artifact {

inline constexpr const char* kModelFilePrefix = "model_";  // then the host: model_algo-1

/// model_algo-1, or the first model_algo-* there is.
/// @param kind  "an NTM model", for the message. @throws Error{kNotFound}
std::filesystem::path find_model_file(const std::filesystem::path& dir, const std::string& kind);

}  // namespace clary::artifact
