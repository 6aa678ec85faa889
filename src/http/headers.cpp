// SPDX-License-Identifier: Apache-2.0
#include "http/headers.h"

#include <algorithm>

#include "base/text.h"

namespace clary::http {

namespace {

constexpr char lower_ascii(char c) noexcept { return c >= 'A' && c <= 'Z' ? static_cast<char>(c | 0x20) : c; }

}  // namespace

// ASCII only, never by locale: header names are ASCII, and tolower() depends on the process's locale.
bool equal_ignoring_case(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(),
                                            [](char x, char y) { return x == y || lower_ascii(x) == lower_ascii(y); });
}

Headers::Headers(std::initializer_list<std::pair<std::string_view, std::string_view>> fields) {
  for (const auto& [name, value] : fields) add(name, value);
}

std::optional<std::string_view> Headers::get(std::string_view wanted) const noexcept {
  for (const Field& f : fields_)
    if (equal_ignoring_case(name(f), wanted)) return value(f);
  return std::nullopt;
}

std::string_view Headers::value_or(std::string_view wanted, std::string_view otherwise) const noexcept {
  return get(wanted).value_or(otherwise);
}

std::vector<std::string_view> Headers::all(std::string_view wanted) const {
  std::vector<std::string_view> values;
  for (const Field& f : fields_)
    if (equal_ignoring_case(name(f), wanted)) values.push_back(value(f));
  return values;
}

// A list-valued field may come as several fields or as one with commas (RFC 9110 section 5.3).
bool Headers::has_token(std::string_view wanted, std::string_view token) const noexcept {
  for (const Field& f : fields_) {
    if (!equal_ignoring_case(name(f), wanted)) continue;
    for (std::string_view rest = value(f); !rest.empty();) {
      const std::size_t comma = rest.find(',');
      if (equal_ignoring_case(trimmed(rest.substr(0, comma)), token)) return true;
      rest.remove_prefix(comma == std::string_view::npos ? rest.size() : comma + 1);
    }
  }
  return false;
}

// All fields of that name are replaced by one. Texts stay where they were in text_ until clear(): fields are erased by
// index only.
void Headers::set(std::string_view wanted, std::string_view new_value) {
  const std::string kept(new_value);  // may view our own text
  const std::string kept_name(wanted);
  erase(kept_name);
  add(kept_name, kept);
}

// All names and values lie in one string, addressed by offsets: a message's headers cost two allocations. add() may
// move the string, so views that get() gave out are invalid after it.
void Headers::add(std::string_view new_name, std::string_view new_value) {
  if (text_.capacity() == 0) {
    text_.reserve(1024);
    fields_.reserve(16);
  }
  const auto at = static_cast<std::uint32_t>(text_.size());
  text_.append(new_name).append(new_value);
  fields_.push_back({at, static_cast<std::uint32_t>(new_name.size()), at + static_cast<std::uint32_t>(new_name.size()),
                     static_cast<std::uint32_t>(new_value.size())});
}

void Headers::erase(std::string_view wanted) {
  std::erase_if(fields_, [&](const Field& f) { return equal_ignoring_case(name(f), wanted); });
}

void Headers::clear() noexcept {
  fields_.clear();
  text_.clear();
}

}  // namespace clary::http
