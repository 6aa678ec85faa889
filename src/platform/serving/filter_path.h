// SPDX-License-Identifier: Apache-2.0
// The JSONPath subset of batch transform's InputFilter and OutputFilter (DataProcessing):
//   $  .name  .*  ['a']  ['a','b']  .['a','b']  [n]  [-n]  [i,j]  [s:e]  [s:]  [:e]  [i,s:e]
// The end of a slice is inclusive, as the developer guide documents it: $[1:4] is the second to the fifth element.
// A missing member, an index or a start outside, and a slice of nothing are errors; the end of a slice is clipped.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace clary::serving {

/// Keeps members in the order of the text: users expect their columns and members back in order.
using OrderedJson = nlohmann::ordered_json;

/// Ours. A bracket may name an element several times, and does so for each bracket before it: eight times [:,:,:] make
/// 6,561 copies. A path without such a bracket takes nothing twice and is not counted.
inline constexpr std::size_t kMaxRepeatedBytes = std::size_t{128} << 20;

class FilterPath {
 public:
  /// @throws Error{kInvalid} naming the path and the position
  static FilterPath parse(std::string_view text);

  bool is_whole() const noexcept { return steps_.empty(); }
  /// True when a CSV row can be filtered: nothing, or one bracket of indexes and slices.
  bool fits_csv() const noexcept;

  /// @throws Error{kMalformed} on a missing member or element; Error{kLimit} when a path that takes elements several
  ///         times makes more than kMaxRepeatedBytes
  OrderedJson select(const OrderedJson& value) const;

  /// Positions that the path takes from a row of `count` columns. Needs fits_csv(). @throws Error as select()
  std::vector<std::size_t> select_columns(std::size_t count) const;

 private:
  struct Members {
    std::vector<std::string> names;
    bool as_object = false;  // ['a','b'] keeps the members, .a takes the value
  };
  struct Wildcard {};
  struct Range {
    std::int64_t first = 0;
    std::int64_t last = -1;
    bool slice = false;
    bool open_start = false;  // [:e], which also fits an empty array
  };
  struct Elements {
    std::vector<Range> ranges;
    bool many = false;  // result is a list
  };
  using Step = std::variant<Members, Wildcard, Elements>;
  class Parser;

  /// What a result may still take, in bytes of memory.
  struct Budget;
  OrderedJson apply(const OrderedJson& value, std::size_t step, Budget& budget) const;
  std::vector<std::size_t> positions(const Elements& elements, std::size_t count) const;
  bool repeats() const noexcept;
  [[noreturn]] void fail(const std::string& what) const;

  std::string text_;
  std::vector<Step> steps_;
};

}  // namespace clary::serving
