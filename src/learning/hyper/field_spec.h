// SPDX-License-Identifier: Apache-2.0
// One row of a hyperparameter table without the C++ member it fills: name, type, range, flags, words. Reads values from
// their text form (what the wire carries) and describes itself. Schema<H> ties it to a struct.
#pragma once

#include <compare>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/json.h"

namespace clary::hyper {

inline constexpr std::int64_t kUnbounded = std::numeric_limits<std::int64_t>::max();
inline constexpr double kInfinite = std::numeric_limits<double>::infinity();

/// Names to text, as hyperparameters.json holds them.
using TextMap = std::map<std::string, std::string, std::less<>>;

enum class FieldType { kInteger, kContinuous, kCategorical, kBoolean, kFreeText, kIntegerList, kWordList };
enum class Scaling { kAuto, kLinear, kLogarithmic, kReverseLogarithmic };

/// Of the container that an image names: "1.7-1" is {1, 7}.
struct Version {
  int major = 0, minor = 0;

  friend constexpr auto operator<=>(const Version&, const Version&) = default;
};

/// The versions that have a name, or a word: since <= version < until.
struct Lifetime {
  Version since{};
  Version until{std::numeric_limits<int>::max(), 0};

  constexpr bool covers(Version version) const noexcept { return version >= since && version < until; }
};

struct FieldSpec {
  std::string name;
  std::vector<std::string> aliases;  // other names; messages use `name`
  FieldType type = FieldType::kFreeText;
  std::int64_t min_integer = 0, max_integer = 0;  // kInteger; kIntegerList: of each element
  /// kInteger: what the member that it goes to can hold, whatever the range.
  std::pair<std::int64_t, std::int64_t> held{-kUnbounded, kUnbounded};
  double min = 0, max = 0;                    // kContinuous
  bool above_min = false, below_max = false;  // kInteger, kContinuous: the bound itself is outside the range
  std::vector<std::string> choices;           // kCategorical; kWordList: of each element
  bool any_case = false;                      // kCategorical: a choice in capitals, or between blanks, is the choice
  /// Other spellings: text -> the text it stands for, read without a range check ("auto" -> "0", "Inf" -> "inf").
  std::vector<std::pair<std::string, std::string>> literals;
  bool required = false, tunable = false, hidden = false;
  std::string tunable_min, tunable_max;  // recommended range of a tuning job; empty: the whole range
  Scaling scaling = Scaling::kAuto;
  std::string about;
  std::string default_text;  // filled by Schema from the struct's member initialiser; empty when required
  Lifetime lifetime;
  std::map<std::string, Lifetime> choice_lifetimes;  // of choices that some versions lack
  /// Read as Python's int() and float() read: "10.0" is no integer, and "None" a text like any other.
  bool as_python = false;
};

/// The row as a version has it, with that version's choices; nothing when the version lacks the row.
/// @param version  nothing: all that any version has
std::optional<FieldSpec> as_of(const FieldSpec& spec, const std::optional<Version>& version);

enum class Verdict {
  kTaken,
  kUnreadable,  // not of the row's type: "abc" for an integer
  kOutside,     // outside the range, or not among the choices
};

/// What a row makes of a text.
template <class T>
struct Read {
  Verdict verdict = Verdict::kUnreadable;
  T value{};               // unless kUnreadable
  std::string sentence{};  // kOutside: the message, name and value in it; "": the one for a range or choices

  explicit operator bool() const noexcept { return verdict == Verdict::kTaken; }
};

/// Python's True/False are taken.
Read<std::int64_t> read_integer(const FieldSpec& spec, std::string_view text);
Read<double> read_continuous(const FieldSpec& spec, std::string_view text);
Read<bool> read_boolean(const FieldSpec& spec, std::string_view text);
/// One of the choices.
Read<std::string> read_word(const FieldSpec& spec, std::string_view text);
/// "[1, 2, 3]", "128,64", "" (empty list only through a literal)
Read<std::vector<std::int64_t>> read_integer_list(const FieldSpec& spec, std::string_view text);

/// What is wrong with an element that has a form of its own ("error@0.7"), "" when nothing is; no value for an element
/// that must be one of the choices.
using ElementRule = std::function<std::optional<std::string>(std::string_view element)>;
/// "rmse, auc", "['rmse', 'auc']"; the first element that breaks its rule decides.
Read<std::vector<std::string>> read_word_list(const FieldSpec& spec, std::string_view text, const ElementRule& rule);

/// The elements of "a, b", and of what lists become on their way through JSON or Python: "['a', 'b']", "('a',)".
std::vector<std::string> elements_of(std::string_view list);

std::string show(std::int64_t value);
std::string show(double value);  // shortest text that reads back
std::string show(bool value);
std::string show(const std::string& value);
std::string show(const std::vector<std::int64_t>& values);
std::string show(const std::vector<std::string>& values);

/// "an integer from 1 to 1000", "one of sgd, adam", ...: the rule as the user reads it.
std::string rule_of(const FieldSpec& spec);
/// "[1, +inf)", "(0, 1]": the range of an integer or continuous row as mathematics writes it.
std::string interval_of(const FieldSpec& spec);

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
