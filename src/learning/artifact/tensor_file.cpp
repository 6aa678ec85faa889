// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/tensor_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <bit>
#include <cstring>
#include <utility>

#include "base/error.h"
#include "base/files.h"
#include "base/ids.h"

namespace clary::artifact {
namespace {

/// IEEE 754 binary16 -> binary32, exactly (subnormal numbers, infinities and NaN included).
float from_half(std::uint16_t half) {
  const std::uint32_t sign = std::uint32_t{half} >> 15 << 31;
  const std::uint32_t exponent = half >> 10 & 0x1F, fraction = half & 0x3FF;
  if (exponent == 0) {  // fraction * 2^-24
    const float value = static_cast<float>(fraction) * 0x1p-24F;
    return sign != 0 ? -value : value;
  }
  const std::uint32_t wide = exponent == 0x1F ? 0xFF : exponent + (127 - 15);
  return std::bit_cast<float>(sign | wide << 23 | fraction << 13);
}

/// bfloat16 is the upper half of a binary32.
float from_bfloat16(std::uint16_t value) { return std::bit_cast<float>(std::uint32_t{value} << 16); }

template <class T, class Convert>
void convert(std::span<const std::byte> bytes, std::span<float> out, Convert&& to_float) {
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, bytes.data() + i * sizeof(T), sizeof(T));  // the bytes may be unaligned
    out[i] = to_float(value);
  }
}

}  // namespace

std::size_t bytes_of(ElementType type) {
  switch (type) {
    case ElementType::kFloat64:
    case ElementType::kInt64:
      return 8;
    case ElementType::kFloat32:
    case ElementType::kInt32:
      return 4;
    case ElementType::kFloat16:
    case ElementType::kBFloat16:
      return 2;
    case ElementType::kUint8:
    case ElementType::kInt8:
    case ElementType::kBool:
      return 1;
  }
  return 1;
}

const char* name_of(ElementType type) {
  switch (type) {
    case ElementType::kFloat32:
      return "float32";
    case ElementType::kFloat64:
      return "float64";
    case ElementType::kFloat16:
      return "float16";
    case ElementType::kBFloat16:
      return "bfloat16";
    case ElementType::kUint8:
      return "uint8";
    case ElementType::kInt8:
      return "int8";
    case ElementType::kInt32:
      return "int32";
    case ElementType::kInt64:
      return "int64";
    case ElementType::kBool:
      return "bool";
  }
  return "";
}

std::uint64_t checked_size(const std::string& array, std::span<const std::int64_t> shape, ElementType type,
                           std::uint64_t max_bytes) {
  if (shape.size() > kMaxDimensions)
    throw Error(Kind::kMalformed,
                fmt::format("{}: {} dimensions, at most {} allowed", array, shape.size(), kMaxDimensions));
  const std::uint64_t most = max_bytes / bytes_of(type);
  std::uint64_t size = 1;
  bool fits = true;
  for (const std::int64_t n : shape) {
    if (n < 0) throw Error(Kind::kMalformed, fmt::format("{}: dimension {} does not fit into the file", array, n));
    // Zeros come first: a later zero must not make a product fit that has already overflowed.
    if (n == 0) return 0;
    fits = fits && static_cast<std::uint64_t>(n) <= most / size;
    if (fits) size *= static_cast<std::uint64_t>(n);
  }
  if (!fits || size > most)
    throw Error(Kind::kMalformed,
                fmt::format("{}: shape [{}] does not fit into the file", array, fmt::join(shape, ", ")));
  return size;
}

std::int64_t TensorView::size() const {
  std::int64_t size = 1;
  for (const std::int64_t n : shape) size *= n;  // readers have checked that it fits into the file
  return size;
}

void TensorView::copy_to(std::span<float> out) const {
  if (bytes.size() != out.size() * bytes_of(type))
    throw Error(Kind::kMalformed,
                fmt::format("{}: {} numbers in {} bytes of {}", name, out.size(), bytes.size(), name_of(type)));
  switch (type) {
    case ElementType::kFloat32:
      if (!out.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
      return;
    case ElementType::kFloat64:
      return convert<double>(bytes, out, [](double x) { return static_cast<float>(x); });
    case ElementType::kFloat16:
      return convert<std::uint16_t>(bytes, out, from_half);
    case ElementType::kBFloat16:
      return convert<std::uint16_t>(bytes, out, from_bfloat16);
    default:
      throw Error(Kind::kMalformed,
                  fmt::format("{}: its type is {}, a floating-point one is expected", name, name_of(type)));
  }
}

MappedFile::MappedFile(const std::filesystem::path& path) : path_(path) {
  const UniqueFd fd = open_file(path, O_RDONLY | O_CLOEXEC);
  struct stat status {};
  if (fstat(fd.get(), &status) != 0) throw_errno(path.string());
  if (!S_ISREG(status.st_mode)) throw Error(Kind::kInvalid, path.string() + " is not a plain file");
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return;  // an empty mapping is an error of mmap
  void* start = mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (start == MAP_FAILED) throw_errno("mapping " + path.string());
  bytes_ = {static_cast<const std::byte*>(start), size};
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : path_(std::move(other.path_)), bytes_(std::exchange(other.bytes_, {})) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(bytes_, other.bytes_);
  return *this;
}

MappedFile::~MappedFile() {
  if (!bytes_.empty()) munmap(const_cast<std::byte*>(bytes_.data()), bytes_.size());
}

void write_file_in_pieces(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& write) {
  constexpr std::size_t kPiece = 1 << 20;
  const std::filesystem::path temporary = path.string() + ".tmp-" + random_hex(8);
  try {
    const UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC);
    std::string small;
    const auto flush = [&] {
      write_all(fd.get(), small, temporary.string());
      small.clear();
    };
    write([&](std::span<const std::byte> bytes) {
      const bool large = bytes.size() > kPiece / 2;
      if (large || small.size() + bytes.size() > kPiece) flush();  // what came before goes first
      if (large) return write_all(fd.get(), bytes, temporary.string());
      small.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    });
    flush();
    std::filesystem::rename(temporary, path);
  } catch (...) {
    std::error_code ignored;
    std::filesystem::remove(temporary, ignored);
    throw;
  }
}

}  // namespace clary::artifact
