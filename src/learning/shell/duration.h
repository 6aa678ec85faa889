// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace clary::shell {

/// "3 h 20 min", "2 min 5 s", "12 s"
std::string duration_words(double seconds);

}  // namespace clary::shell
