// SPDX-License-Identifier: Apache-2.0
// Header fields in the order they came, names compared without case. All text lies in one buffer, so a request with
// twenty fields costs two allocations. Views that get() hands out are valid until the next set, add or erase.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace clary::http {

bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept;

class Headers {
 public:
  Headers() = default;
  Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields);

  /// The first field of that name.
  std::optional<std::string_view> get(std::string_view name) const noexcept;
  /// The first field of that name, or `otherwise`.
  std::string_view value_or(std::string_view name, std::string_view otherwise) const noexcept;
  bool has(std::string_view name) const noexcept { return get(name).has_value(); }
  /// Every field of that name, in order.
  std::vector<std::string_view> all(std::string_view name) const;
  /// True when the comma-separated list in the fields of that name holds the token, without case.
  bool has_token(std::string_view name, std::string_view token) const noexcept;

  /// Replaces all fields of that name.
  void set(std::string_view name, std::string_view value);
  void add(std::string_view name, std::string_view value);
  void erase(std::string_view name);
  void clear() noexcept;

  std::size_t size() const noexcept { return fields_.size(); }
  std::pair<std::string_view, std::string_view> at(std::size_t i) const noexcept {
    return {name(fields_[i]), value(fields_[i])};
  }

  class Iterator {
   public:
    Iterator(const Headers* headers, std::size_t i) : headers_(headers), i_(i) {}
    std::pair<std::string_view, std::string_view> operator*() const noexcept { return headers_->at(i_); }
    Iterator& operator++() noexcept {
      ++i_;
      return *this;
    }
    bool operator==(const Iterator& other) const noexcept { return i_ == other.i_; }

   private:
    const Headers* headers_;
    std::size_t i_;
  };
  Iterator begin() const noexcept { return {this, 0}; }
  Iterator end() const noexcept { return {this, fields_.size()}; }

 private:
  struct Field {
    std::uint32_t name_at, name_size, value_at, value_size;
  };
  std::string_view name(const Field& f) const noexcept { return {text_.data() + f.name_at, f.name_size}; }
  std::string_view value(const Field& f) const noexcept { return {text_.data() + f.value_at, f.value_size}; }

  std::string text_;
  std::vector<Field> fields_;
};

}  // namespace clary::http
