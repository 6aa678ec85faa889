// SPDX-License-Identifier: Apache-2.0
// A whole file mapped read-only: bytes are read from the disk when they are first touched, and shared with other
// processes. The file must not be shortened meanwhile (SIGBUS).
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <utility>

namespace clary {

class MappedFile {
 public:
  /// @throws Error{kNotFound, kInternal} that names the path; kInvalid when it is no regular file
  explicit MappedFile(const std::filesystem::path& path);
  MappedFile(MappedFile&& other) noexcept
      : address_(std::exchange(other.address_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  MappedFile& operator=(MappedFile&& other) noexcept {
    std::swap(address_, other.address_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~MappedFile();

  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(address_), size_}; }

 private:
  void* address_ = nullptr;  // none for an empty file
  std::size_t size_ = 0;
};

}  // namespace clary
