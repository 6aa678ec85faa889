// SPDX-License-Identifier: Apache-2.0
// What every reader of a weights file gives (MXNet params, safetensors, ONNX, PyTorch): named arrays as spans of the
// file's mapped bytes, so that a file of hundreds of megabytes is not copied before a network takes its numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace clary::artifact {

enum class ElementType { kFloat32, kFloat64, kFloat16, kBFloat16, kUint8, kInt8, kInt32, kInt64, kBool };
std::size_t bytes_of(ElementType type);

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

}  // namespace clary::artifact
