// SPDX-License-Identifier: Apache-2.0
// One row of a hyperparameter table without the C++ member it fills: name, type, range, flags, words. Reads values from
// their text form (what the wire carries) and describes itself. Schema<H> ties it to a struct.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace clary::hyper {

inline constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max();
inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

enum class FieldType { kInteger, kContinuous, kCategorical, kBoolean, kFreeText, kIntegerList };
enum class Scaling { kAuto, kLinear, kLogarithmic, kReverseLogarithmic };

struct FieldSpec {
  std::string name;
  FieldType type = FieldType::kFreeText;
  std::int64_t min_integer = 0, max_integer = 0;  // kInteger; kIntegerList: of each element
  double min = 0, max = 0;                        // kContinuous
  bool above_min = false, below_max = false;      // kContinuous: the bound itself is outside the range
  std::vector<std::string> choices;               // kCategorical
  /// Other spellings: text -> the text it stands for, read without a range check ("auto" -> "0", "Inf" -> "inf").
  std::vector<std::pair<std::string, std::string>> literals;
  bool required = false, tunable = false, hidden = false;
  std::string tunable_min, tunable_max;  // recommended range of a tuning job; empty: the whole range
  Scaling scaling = Scaling::kAuto;
  std::string about;
  std::string default_text;  // filled by Schema from the struct's member initialiser; empty when required
};

/// Values from text, nothing when the text breaks the row's type or range. Python's True/False are taken.
std::optional<std::int64_t> read_integer(const FieldSpec& spec, std::string_view text);
std::optional<double> read_continuous(const FieldSpec& spec, std::string_view text);
std::optional<bool> read_boolean(std::string_view text);
/// "[1, 2, 3]", "128,64", "" (empty list only through a literal)
std::optional<std::vector<std::int64_t>> read_integer_list(const FieldSpec& spec, std::string_view text);

std::string show(double value);  // shortest text that reads back
std::string show(const std::vector<std::int64_t>& values);

/// "an integer from 1 to 1000", "one of sgd, adam", ...: the rule as the user reads it.
std::string rule_of(const FieldSpec& spec);

/// {Name, Type, Range, DefaultValue, IsRequired, IsTunable, Description} in SageMaker's words (CreateAlgorithm).
Json describe(const FieldSpec& spec);
std::string to_markdown(const std::vector<const FieldSpec*>& table);
std::string to_help(const std::vector<const FieldSpec*>& table);

/// True for a literal that stands for nothing ("auto" of an optional member).
bool is_absent(const FieldSpec& spec, std::string_view text);

/// The text a literal stands for, or the text itself; second: true when a literal matched.
std::pair<std::string_view, bool> resolve_literal(const FieldSpec& spec, std::string_view text);
/// The literal that stands for `text`, else `text`.
std::string shown_as_literal(const FieldSpec& spec, std::string text);

/// The known name closest to `name` by edit distance, when close enough to be a slip of the finger.
std::optional<std::string> closest_name(std::string_view name, const std::vector<const FieldSpec*>& table);

}  // namespace clary::hyper
