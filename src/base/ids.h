// SPDX-License-Identifier: Apache-2.0
// Random identifiers from the kernel's generator.
#pragma once

#include <cstddef>
#include <string>

namespace clary {

/// 2 * bytes lower-case hex digits.
std::string random_hex(std::size_t bytes);

/// RFC 4122 version 4, lower case.
std::string random_uuid();

}  // namespace clary
