// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/model_file.h"

#include <algorithm>
#include <vector>

#include "base/error.h"

namespace clary::artifact {

std::filesystem::path find_model_file(const std::filesystem::path& dir, const std::string& kind) {
  std::vector<std::filesystem::path> found;
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(dir, ignored))
    if (entry.path().filename().string().starts_with("model_algo-")) found.push_back(entry.path());
  if (found.empty()) throw Error(Kind::kNotFound, dir.string() + " holds no model_algo-1: not " + kind);
  // The smallest name: algo-1 wrote it when hosts wrote one each.
  return *std::min_element(found.begin(), found.end());
}

}  // namespace clary::artifact
