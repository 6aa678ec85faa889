// SPDX-License-Identifier: Apache-2.0
// The service model's regular expressions. They are Java's: look-arounds and large repeats rule RE2 out, so PCRE2 runs
// them, with a bound on its steps.
#pragma once

#include <string_view>

namespace clary::aws {

/// True when the whole text matches. Text that would take more than a bounded number of steps does not match.
/// @param pattern  one of the model's (compiled once per process, kept by address)
bool matches_pattern(const char* pattern, std::string_view text);

/// True when the pattern can be compiled at all.
bool is_valid_pattern(const char* pattern);

}  // namespace clary::aws
