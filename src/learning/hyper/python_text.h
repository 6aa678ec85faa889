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

/// {u'epochs': 30, u'num_layers': u'18'}: the same in Python 2, where texts are unicode. What the user gave is a text;
/// other values are numbers, True and False where they read as such. Values that are empty are left out.
std::string python2_repr(const std::map<std::string, std::string, std::less<>>& configuration,
                         const std::map<std::string, std::string, std::less<>>& given);

}  // namespace clary::hyper
