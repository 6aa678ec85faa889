// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/field_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/text.h"

namespace clary::hyper {
namespace {

constexpr std::size_t kMaxListLength = 1000;  // Clary's limit: layers of a network, cut points

/// from_chars() takes no '+'.
/// "+-1" stays as it is and fails.
std::string_view without_plus(std::string_view text) {
  return text.starts_with('+') && !text.starts_with("+-") ? text.substr(1) : text;
}

std::optional<double> number(std::string_view text) {
  text = without_plus(text);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// as_python: what Python's int() takes, hence no "1e3".
std::optional<std::int64_t> whole_number(std::string_view text, bool as_python = false) {
  text = without_plus(text);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  if (as_python) return std::nullopt;
  const auto real = number(text);  // "1e3", "10.0": scripts print them
  // 2^53 is about 9e15: above it doubles skip integers.
  if (!real || std::abs(*real) > 9e15 || std::floor(*real) != *real) return std::nullopt;
  return static_cast<std::int64_t>(*real);
}

/// True when the value is in the range, and no bound that is open.
template <class T>
// NaN fails the first comparison, whatever the bounds.
bool inside(const FieldSpec& spec, T value, T low, T high) {
  if (!(value >= low && value <= high)) return false;  // not a number is in no range
  return !(spec.above_min && value == low) && !(spec.below_max && value == high);
}

bool listed(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string bound(std::int64_t value) { return value == kUnbounded ? "" : std::to_string(value); }

std::pair<std::string, std::string> range_of(const FieldSpec& spec) {
  if (spec.type == FieldType::kContinuous)
    return {std::isinf(spec.min) ? "" : show(spec.min), std::isinf(spec.max) ? "" : show(spec.max)};
  return {spec.min_integer == -kUnbounded ? "" : std::to_string(spec.min_integer), bound(spec.max_integer)};
}

std::string range_words(const FieldSpec& spec) {
  const auto [low, high] = range_of(spec);
  if (low.empty() && high.empty()) return "";
  const std::string from = (spec.above_min ? " above " : " of at least ") + low;
  const std::string to = (spec.below_max ? " below " : " of at most ") + high;
  if (high.empty()) return from;
  if (low.empty()) return to;
  return spec.above_min || spec.below_max ? from + " and" + to : " from " + low + " to " + high;
}

std::string joined(const std::vector<std::string>& words) { return fmt::format("{}", fmt::join(words, ", ")); }

std::vector<std::string> categories_of(const FieldSpec& spec) {
  return spec.type == FieldType::kBoolean ? std::vector<std::string>{"true", "false"} : spec.choices;
}

/// The rule in a table's cell: the words of a list are left to `about`, since there can be dozens.
std::string short_rule(const FieldSpec& spec) { return spec.type == FieldType::kWordList ? "text" : rule_of(spec); }

// In SageMaker's words, by the enums' order.
constexpr std::array kTypeNames{"Integer",  "Continuous", "Categorical", "Categorical",
                                "FreeText", "FreeText",   "FreeText"};
constexpr std::array kScalingNames{"Auto", "Linear", "Logarithmic", "ReverseLogarithmic"};

std::string tunable_words(const FieldSpec& spec) {
  if (!spec.tunable) return "no";
  if (spec.tunable_min.empty()) return "yes";
  return spec.tunable_min + " .. " + spec.tunable_max;
}

// Levenshtein's distance by one row of the table: for "did you mean".
std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      // Deletion, insertion, substitution.
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<FieldSpec> as_of(const FieldSpec& spec, const std::optional<Version>& version) {
  if (version && !spec.lifetime.covers(*version)) return std::nullopt;
  FieldSpec out = spec;
  // A choice may be younger than the hyperparameter.
  if (version)
    for (const auto& [word, lifetime] : spec.choice_lifetimes)
      if (!lifetime.covers(*version)) std::erase(out.choices, word);
  return out;
}

// Literals ("auto") stand for values outside of the range; `held` is what the member's type can hold.
Read<std::int64_t> read_integer(const FieldSpec& spec, std::string_view text) {
  const auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  const auto value = whole_number(resolved, spec.as_python);
  if (!value) return {};
  const bool taken = (literal || inside(spec, *value, spec.min_integer, spec.max_integer)) &&
                     // `held` also guards literals, whose meaning is not checked against the range.
                     *value >= spec.held.first && *value <= spec.held.second;
  return {taken ? Verdict::kTaken : Verdict::kOutside, *value};
}

Read<double> read_continuous(const FieldSpec& spec, std::string_view text) {
  const auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  const auto value = number(resolved);
  if (!value) return {};
  // A literal may be infinite ("Inf" of clip_gradient).
  const bool taken = literal || (std::isfinite(*value) && inside(spec, *value, spec.min, spec.max));
  return {taken ? Verdict::kTaken : Verdict::kOutside, *value};
}

Read<bool> read_boolean(const FieldSpec&, std::string_view text) {
  const std::string word = lower(trimmed(text));
  if (word == "true" || word == "1") return {Verdict::kTaken, true};
  if (word == "false" || word == "0") return {Verdict::kTaken, false};
  return {};
}

Read<std::string> read_word(const FieldSpec& spec, std::string_view text) {
  // Literals are other spellings of a choice.
  std::string word(resolve_literal(spec, text).first);
  if (spec.any_case) word = lower(trimmed(word));
  const Verdict verdict = listed(spec.choices, word) ? Verdict::kTaken : Verdict::kOutside;
  return {verdict, std::move(word)};
}

// "[1,2]", "(1,2)" and "1,2": scripts print lists in each of these forms.
Read<std::vector<std::int64_t>> read_integer_list(const FieldSpec& spec, std::string_view text) {
  auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  if (resolved.size() >= 2 &&
      ((resolved.front() == '[' && resolved.back() == ']') || (resolved.front() == '(' && resolved.back() == ')')))
    resolved = trimmed(resolved.substr(1, resolved.size() - 2));
  Read<std::vector<std::int64_t>> out;
  if (resolved.empty()) return out.verdict = literal ? Verdict::kTaken : Verdict::kUnreadable, out;
  for (const std::string_view part : split(resolved, ',')) {
    const auto value = whole_number(trimmed(part));
    // Ranges of a list apply to its elements.
    if (!value || *value < spec.min_integer || *value > spec.max_integer) return {};
    if (out.value.size() == kMaxListLength) return {};
    out.value.push_back(*value);
  }
  return out.verdict = Verdict::kTaken, out;
}

// As Python's containers read them: brackets, quotes and blanks are dropped.
std::vector<std::string> elements_of(std::string_view list) {
  std::string bare;
  for (const char c : list)
    if (std::string_view("[]()'\" ").find(c) == std::string_view::npos) bare += c;
  std::vector<std::string> out;
  for (const std::string_view element : split(bare, ',')) out.emplace_back(element);
  if (out.size() > 1 && out.back().empty()) out.pop_back();  // "(1,)"
  return out;
}

Read<std::vector<std::string>> read_word_list(const FieldSpec& spec, std::string_view text, const ElementRule& rule) {
  Read<std::vector<std::string>> out{Verdict::kTaken, elements_of(text)};
  // The first bad element decides.
  for (const std::string& element : out.value) {
    const auto problem = rule ? rule(element) : std::nullopt;
    if (problem ? problem->empty() : listed(spec.choices, element)) continue;
    out.verdict = Verdict::kOutside, out.sentence = problem.value_or("");
    break;
  }
  return out;
}

std::string show(std::int64_t value) { return std::to_string(value); }

std::string show(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{}", value);
}

std::string show(bool value) { return value ? "true" : "false"; }
std::string show(const std::string& value) { return value; }
std::string show(const std::vector<std::string>& values) { return fmt::format("{}", fmt::join(values, ",")); }
std::string show(const std::vector<std::int64_t>& values) { return fmt::format("{}", fmt::join(values, ",")); }

bool is_absent(const FieldSpec& spec, std::string_view text) {
  const auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  // "auto" of an optional member: no value.
  return literal && resolved.empty();
}

std::pair<std::string_view, bool> resolve_literal(const FieldSpec& spec, std::string_view text) {
  for (const auto& [spelling, meaning] : spec.literals)
    if (lower(spelling) == lower(text)) return {meaning, true};
  return {text, false};
}

std::string shown_as_literal(const FieldSpec& spec, std::string text) {
  if (spec.type == FieldType::kCategorical) return text;
  for (const auto& [spelling, meaning] : spec.literals)
    if (meaning == text) return spelling;
  return text;
}

std::string rule_of(const FieldSpec& spec) {
  std::string rule;
  switch (spec.type) {
    case FieldType::kInteger:
      rule = "an integer" + range_words(spec);
      break;
    case FieldType::kContinuous:
      rule = "a number" + range_words(spec);
      break;
    case FieldType::kCategorical:
      rule = "one of " + joined(spec.choices);
      break;
    case FieldType::kBoolean:
      rule = "true or false";
      break;
    case FieldType::kIntegerList:
      rule = "a list of integers" + range_words(spec);
      break;
    case FieldType::kWordList:
      rule = "a list of the words " + joined(spec.choices);
      break;
    case FieldType::kFreeText:
      rule = "text";
      break;
  }
  if (spec.type != FieldType::kCategorical)
    for (const auto& [spelling, meaning] : spec.literals) rule += " or '" + spelling + "'";
  return rule;
}

std::string interval_of(const FieldSpec& spec) {
  const auto [low, high] = range_of(spec);
  return fmt::format("{}{}, {}{}", spec.above_min || low.empty() ? '(' : '[', low.empty() ? "-inf" : low,
                     high.empty() ? "+inf" : high, spec.below_max || high.empty() ? ')' : ']');
}

Json describe(const FieldSpec& spec) {
  Json out = {{"Name", spec.name},
              {"Type", kTypeNames.at(static_cast<std::size_t>(spec.type))},
              {"IsRequired", spec.required},
              {"IsTunable", spec.tunable},
              {"Description", spec.about}};
  if (!spec.required) out["DefaultValue"] = spec.default_text;
  if (spec.type == FieldType::kInteger || spec.type == FieldType::kContinuous) {
    const auto [low, high] = range_of(spec);
    const char* key = spec.type == FieldType::kInteger ? "IntegerParameterRangeSpecification"
                                                       : "ContinuousParameterRangeSpecification";
    out["Range"][key] = {{"MinValue", low}, {"MaxValue", high}};
  } else if (!categories_of(spec).empty()) {
    out["Range"]["CategoricalParameterRangeSpecification"] = {{"Values", categories_of(spec)}};
  }
  if (spec.tunable && !spec.tunable_min.empty())
    out["TunableRange"] = {{"MinValue", spec.tunable_min},
                           {"MaxValue", spec.tunable_max},
                           {"ScalingType", kScalingNames.at(static_cast<std::size_t>(spec.scaling))}};
  for (const auto& [spelling, meaning] : spec.literals) out["AlsoAccepted"].push_back(spelling);
  if (spec.hidden) out["IsInternal"] = true;
  return out;
}

std::string to_markdown(const std::vector<const FieldSpec*>& table) {
  std::string out = "| name | required | value | default | tunable | meaning |\n|---|---|---|---|---|---|\n";
  for (const FieldSpec* spec : table) {
    if (spec->hidden) continue;
    const std::string shown = spec->required || spec->default_text.empty() ? "-" : "`" + spec->default_text + "`";
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", spec->name, spec->required ? "yes" : "no",
                       short_rule(*spec), shown, tunable_words(*spec), spec->about);
  }
  return out;
}

std::string to_help(const std::vector<const FieldSpec*>& table) {
  std::string out;
  for (const FieldSpec* spec : table) {
    if (spec->hidden) continue;
    const std::string fallback =
        spec->required ? "required" : (spec->default_text.empty() ? "optional" : "default " + spec->default_text);
    out += fmt::format("  {:<28} {} ({})\n  {:<28} {}\n", spec->name, short_rule(*spec), fallback, "", spec->about);
  }
  return out;
}

// A third of the name may differ, at least two letters; longer names are not compared, since the cost is quadratic.
std::optional<std::string> closest_name(std::string_view name, const std::vector<const FieldSpec*>& table) {
  if (name.size() > 256) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const FieldSpec* spec : table) {
    const std::size_t distance = edit_distance(name, spec->name);
    // A distance of the whole name's length would be no resemblance.
    if (distance < best_distance && distance < spec->name.size()) best_distance = distance, best = spec->name;
  }
  return best;
}

}  // namespace clary::hyper
