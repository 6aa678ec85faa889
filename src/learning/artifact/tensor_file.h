// SPDX-License-Identifier: Apache-2.0
// What every reader of a weights file gives (MXNet params, safetensors, ONNX, PyTorch): named arrays as spans of the
// file's mapped bytes, so that a file of hundreds of megabytes is not copied before a network takes its numbers; and
// what every writer takes: named arrays as spans of the network's numbers, and a sink for the bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace clary::artifact {

enum class ElementType { kFloat32, kFloat64, kFloat16, kBFloat16, kUint8, kInt8, kInt32, kInt64, kBool };
std::size_t bytes_of(ElementType type);

/// "float32", as it is called in messages.
const char* name_of(ElementType type);

/// Most arrays and most dimensions of one that any reader accepts: ResNet-200 has 1,011 arrays.
inline constexpr std::uint64_t kMaxArrays = 10'000;
inline constexpr std::uint64_t kMaxDimensions = 8;

/// Number of elements of a shape. @throws Error{kMalformed} naming the array when a dimension is negative or the
/// elements take more than max_bytes
std::uint64_t checked_size(const std::string& array, std::span<const std::int64_t> shape, ElementType type,
                           std::uint64_t max_bytes);

/// Row-major, little endian, not necessarily aligned.
struct TensorView {
  std::string name;
  ElementType type = ElementType::kFloat32;
  std::vector<std::int64_t> shape;
  std::span<const std::byte> bytes;  // product of shape times bytes_of(type)

  std::int64_t size() const;
  /// The numbers as float32. @throws Error{kMalformed} unless the type is one of the floating ones and the sizes agree
  void copy_to(std::span<float> out) const;
};

/// A read-only mapping of a whole file. @throws Error{kNotFound}
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  ~MappedFile();
  std::span<const std::byte> bytes() const { return bytes_; }
  const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::span<const std::byte> bytes_;
};

/// Numbers of the caller under the name and shape of a file.
struct ArrayRef {
  std::string name;
  std::vector<std::int64_t> shape;
  std::span<const float> values;  // product of shape
};

/// Takes the next bytes of a file.
using ByteSink = std::function<void(std::span<const std::byte>)>;

/// Replaces `path` by what `write` puts into the sink. Readers see the old file or the whole new one. Large pieces go
/// to the system as they are, small ones are collected.
void write_file_in_pieces(const std::filesystem::path& path, const std::function<void(const ByteSink&)>& write);

}  // namespace clary::artifact
