// SPDX-License-Identifier: Apache-2.0
// Reading what a program left in its folders. The program is not trusted: it may have put symbolic links anywhere, so
// every path is opened beneath the folder without following one (openat2).
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>

#include "base/files.h"

namespace clary::agent {

/// Nothing when it is not there, or when a link would have to be followed.
std::optional<UniqueFd> open_beneath(const std::filesystem::path& folder, const std::string& relative, int flags);

/// Text of a small regular file beneath the folder, cut at max_bytes; nothing when it is not one.
std::optional<std::string> read_beneath(const std::filesystem::path& folder, const std::string& relative,
                                        std::size_t max_bytes);

/// A path by which other code may use an opened folder, whatever its name points to meanwhile.
std::filesystem::path path_of(const UniqueFd& folder);

/// Calls visit(relative path, status) for every regular file below, in byte order of names. Links are left out.
void walk_beneath(const UniqueFd& folder,
                  const std::function<void(const std::string& relative, const struct stat& status)>& visit);

}  // namespace clary::agent
