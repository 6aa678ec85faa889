// SPDX-License-Identifier: Apache-2.0
// Rows of float32 kept in the container that faiss::IndexFlat uses for its codes, so that the index can take millions
// of them over without a copy.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <vector>

namespace clary::knn {

class Vectors {
 public:
  Vectors() = default;
  explicit Vectors(std::int64_t width) : width_(width) {}
  /// Zeros.
  Vectors(std::int64_t rows, std::int64_t width) : width_(width), bytes_(size_in_bytes(rows)) {}

  std::int64_t width() const noexcept { return width_; }
  std::int64_t rows() const noexcept {
    return width_ == 0 ? 0 : static_cast<std::int64_t>(bytes_.size() / sizeof(float)) / width_;
  }
  // operator new's alignment suffices for float, and float is an implicit-lifetime type.
  float* data() noexcept { return reinterpret_cast<float*>(bytes_.data()); }
  const float* data() const noexcept { return reinterpret_cast<const float*>(bytes_.data()); }
  float* row(std::int64_t r) noexcept { return data() + r * width_; }
  const float* row(std::int64_t r) const noexcept { return data() + r * width_; }

  void reserve(std::int64_t rows) { bytes_.reserve(size_in_bytes(rows)); }
  /// @param values  whole rows
  void append(std::span<const float> values) {
    const auto* first = reinterpret_cast<const std::uint8_t*>(values.data());
    bytes_.insert(bytes_.end(), first, first + values.size_bytes());
  }
  void set_row(std::int64_t r, std::span<const float> values) {
    std::memcpy(row(r), values.data(), values.size_bytes());
  }
  std::vector<std::uint8_t> take_bytes() && { return std::move(bytes_); }

 private:
  std::size_t size_in_bytes(std::int64_t rows) const { return static_cast<std::size_t>(rows * width_) * sizeof(float); }

  std::int64_t width_ = 0;
  std::vector<std::uint8_t> bytes_;
};

}  // namespace clary::knn
