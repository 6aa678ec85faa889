// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/report.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>

namespace clary::xgboost {

void Report::line(std::string_view level, std::string_view text) {
  if (tag_ < Tag{1, 5})
    out_.plain(fmt::format("{}:root:{}", level, text));
  else
    out_.plain(fmt::format("[{:%Y-%m-%d:%H:%M:%S}:{}] {}", fmt::gmtime(std::time(nullptr)), level, text));
}

}  // namespace clary::xgboost
