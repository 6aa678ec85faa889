// SPDX-License-Identifier: Apache-2.0
// Hard links of files that never change, which cost no bytes.
#pragma once

#include <filesystem>
#include <system_error>

namespace clary {

/// A hard link `place` of `file`, or a copy where there can be no link: on another file system (EXDEV), with too many
/// links of one file (EMLINK: 65,000 on ext4), under a kernel that restricts links to foreign files (EPERM,
/// fs.protected_hardlinks).
/// @return why there is neither; no error otherwise
std::error_code link_or_copy(const std::filesystem::path& file, const std::filesystem::path& place);

}  // namespace clary
