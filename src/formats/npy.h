// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files, format version 1.0: what Python reads of our artifacts with numpy.load.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace clary::formats {

/// A whole .npy file, row-major little-endian. @param shape  its product equals values.size()
std::string npy(std::span<const float> values, std::span<const std::int64_t> shape);
std::string npy(std::span<const std::int64_t> values, std::span<const std::int64_t> shape);

void write_npy(const std::filesystem::path& path, std::span<const float> values, std::span<const std::int64_t> shape);
void write_npy(const std::filesystem::path& path, std::span<const std::int64_t> values,
               std::span<const std::int64_t> shape);

}  // namespace clary::formats
