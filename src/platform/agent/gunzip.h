// SPDX-License-Identifier: Apache-2.0
// CompressionType Gzip: the content of an object, piece by piece.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>

namespace clary::agent {

/// Calls sink(bytes, size) until it returns false. Several gzip members in a row are one stream, as gzip reads them.
/// @return what the sink returned last
/// @throws Error{kMalformed} for a file that is not gzip, or is damaged or cut
bool inflate_file(const std::filesystem::path& file, const std::function<bool(const void*, std::size_t)>& sink);

}  // namespace clary::agent
