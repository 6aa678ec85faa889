// SPDX-License-Identifier: Apache-2.0
// Where tests find files that are not compiled in. One translation unit knows the absolute paths, so that every other
// object is the same in every checkout and comes out of the compiler cache.
#pragma once

#include <filesystem>

namespace clary::tests {

/// The root of the checkout.
std::filesystem::path source_folder();

/// Where this build puts its programs: bin, libexec.
std::filesystem::path build_folder();

/// Real datasets beside the checkout; the folder need not exist. The environment variable CLARY_SHARED_DATA overrides
/// it.
std::filesystem::path shared_data();

}  // namespace clary::tests
