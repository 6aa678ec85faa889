// SPDX-License-Identifier: Apache-2.0
// Values as Python prints them: AWS's containers are written in it, and so are their log lines and messages.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace clary::hyper {

/// A number: 7.0, 1e-05, nan, inf.
std::string python_float(double value);

/// ['a', 'b'], without escapes.
std::string python_list(const std::vector<std::string>& words);

/// {'k': '10', 'seed': '1'}: how AWS's containers print a configuration (Python's repr of a dict).
std::string python_repr(const std::map<std::string, std::string, std::less<>>& map);

}  // namespace clary::hyper
