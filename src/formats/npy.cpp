// SPDX-License-Identifier: Apache-2.0
#include "formats/npy.h"

#include <bit>
#include <functional>
#include <numeric>

#include "base/error.h"
#include "base/files.h"

namespace clary::formats {
namespace {

static_assert(std::endian::native == std::endian::little);

/// Layout: NumPy format specification, version 1.0: magic, version, u16 header length, a Python dict padded with
/// blanks so that the data starts at a multiple of 64, and a newline.
template <class T>
std::string encode(std::string_view type, std::span<const T> values, std::span<const std::int64_t> shape) {
  const auto count = std::accumulate(shape.begin(), shape.end(), std::int64_t{1}, std::multiplies<>());
  if (count != static_cast<std::int64_t>(values.size())) {
    throw Error(Kind::kInternal, "npy: the shape does not match the number of values");
  }
  std::string header = "{'descr': '" + std::string(type) + "', 'fortran_order': False, 'shape': (";
  for (const auto extent : shape) header += std::to_string(extent) + ",";
  header += "), }";
  // 10 bytes of magic, version and length, the header and its newline make a multiple of 64.
  header.resize((10 + header.size() + 1 + 63) / 64 * 64 - 10 - 1, ' ');
  header += '\n';

  std::string out("\x93NUMPY\x01\x00", 8);
  out += static_cast<char>(header.size() & 0xff);
  out += static_cast<char>(header.size() >> 8);
  out += header;
  out.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  return out;
}

}  // namespace

std::string npy(std::span<const float> values, std::span<const std::int64_t> shape) {
  return encode("<f4", values, shape);
}

std::string npy(std::span<const std::int64_t> values, std::span<const std::int64_t> shape) {
  return encode("<i8", values, shape);
}

void write_npy(const std::filesystem::path& path, std::span<const float> values, std::span<const std::int64_t> shape) {
  write_file_atomically(path, npy(values, shape));
}

void write_npy(const std::filesystem::path& path, std::span<const std::int64_t> values,
               std::span<const std::int64_t> shape) {
  write_file_atomically(path, npy(values, shape));
}

}  // namespace clary::formats
