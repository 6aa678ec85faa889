// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/field_spec.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

#include "base/text.h"

namespace clary::hyper {
namespace {

constexpr std::size_t kMaxListLength = 1000;  // ours: layers of a network, cut points

std::optional<double> number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> whole_number(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size()) return value;
  const auto real = number(text);  // "1e3", "10.0": scripts print them
  if (!real || std::abs(*real) > 9e15 || std::floor(*real) != *real) return std::nullopt;
  return static_cast<std::int64_t>(*real);
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

const char* type_name(FieldType type) {
  switch (type) {
    case FieldType::kInteger:
      return "Integer";
    case FieldType::kContinuous:
      return "Continuous";
    case FieldType::kCategorical:
    case FieldType::kBoolean:
      return "Categorical";
    case FieldType::kFreeText:
    case FieldType::kIntegerList:
      return "FreeText";
  }
  return "FreeText";
}

const char* scaling_name(Scaling scaling) {
  switch (scaling) {
    case Scaling::kLinear:
      return "Linear";
    case Scaling::kLogarithmic:
      return "Logarithmic";
    case Scaling::kReverseLogarithmic:
      return "ReverseLogarithmic";
    case Scaling::kAuto:
      break;
  }
  return "Auto";
}

std::vector<std::string> categories_of(const FieldSpec& spec) {
  return spec.type == FieldType::kBoolean ? std::vector<std::string>{"true", "false"} : spec.choices;
}

std::string tunable_words(const FieldSpec& spec) {
  if (!spec.tunable) return "no";
  if (spec.tunable_min.empty()) return "yes";
  return spec.tunable_min + " .. " + spec.tunable_max;
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t above = row[j];
      row[j] = std::min({above + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

}  // namespace

std::optional<std::int64_t> read_integer(const FieldSpec& spec, std::string_view text) {
  const auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  const auto value = whole_number(resolved);
  if (!value || literal) return value;
  return *value < spec.min_integer || *value > spec.max_integer ? std::nullopt : value;
}

std::optional<double> read_continuous(const FieldSpec& spec, std::string_view text) {
  const auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  const auto value = number(resolved);
  if (!value || literal) return value;
  if (!std::isfinite(*value) || *value < spec.min || *value > spec.max) return std::nullopt;
  if ((spec.above_min && *value == spec.min) || (spec.below_max && *value == spec.max)) return std::nullopt;
  return value;
}

std::optional<bool> read_boolean(std::string_view text) {
  const std::string word = lower(trimmed(text));
  if (word == "true" || word == "1") return true;
  if (word == "false" || word == "0") return false;
  return std::nullopt;
}

std::optional<std::vector<std::int64_t>> read_integer_list(const FieldSpec& spec, std::string_view text) {
  auto [resolved, literal] = resolve_literal(spec, trimmed(text));
  if (resolved.size() >= 2 &&
      ((resolved.front() == '[' && resolved.back() == ']') || (resolved.front() == '(' && resolved.back() == ')')))
    resolved = trimmed(resolved.substr(1, resolved.size() - 2));
  std::vector<std::int64_t> out;
  if (resolved.empty()) return literal ? std::optional(out) : std::nullopt;
  for (const std::string_view part : split(resolved, ',')) {
    const auto value = whole_number(trimmed(part));
    if (!value || *value < spec.min_integer || *value > spec.max_integer) return std::nullopt;
    if (out.size() == kMaxListLength) return std::nullopt;
    out.push_back(*value);
  }
  return out;
}

std::string show(double value) {
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  return fmt::format("{}", value);
}

std::string show(const std::vector<std::int64_t>& values) { return fmt::format("{}", fmt::join(values, ",")); }

bool is_absent(const FieldSpec& spec, std::string_view text) {
  const auto [resolved, literal] = resolve_literal(spec, trimmed(text));
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
    case FieldType::kFreeText:
      rule = "text";
      break;
  }
  if (spec.type != FieldType::kCategorical)
    for (const auto& [spelling, meaning] : spec.literals) rule += " or '" + spelling + "'";
  return rule;
}

Json describe(const FieldSpec& spec) {
  Json out = {{"Name", spec.name},
              {"Type", type_name(spec.type)},
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
    out["TunableRange"] = {
        {"MinValue", spec.tunable_min}, {"MaxValue", spec.tunable_max}, {"ScalingType", scaling_name(spec.scaling)}};
  for (const auto& [spelling, meaning] : spec.literals) out["AlsoAccepted"].push_back(spelling);
  if (spec.hidden) out["IsInternal"] = true;
  return out;
}

std::string to_markdown(const std::vector<const FieldSpec*>& table) {
  std::string out = "| name | required | value | default | tunable | meaning |\n|---|---|---|---|---|---|\n";
  for (const FieldSpec* spec : table) {
    if (spec->hidden) continue;
    const std::string shown = spec->required || spec->default_text.empty() ? "-" : "`" + spec->default_text + "`";
    out += fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", spec->name, spec->required ? "yes" : "no", rule_of(*spec),
                       shown, tunable_words(*spec), spec->about);
  }
  return out;
}

std::string to_help(const std::vector<const FieldSpec*>& table) {
  std::string out;
  for (const FieldSpec* spec : table) {
    if (spec->hidden) continue;
    const std::string fallback =
        spec->required ? "required" : (spec->default_text.empty() ? "optional" : "default " + spec->default_text);
    out += fmt::format("  {:<28} {} ({})\n  {:<28} {}\n", spec->name, rule_of(*spec), fallback, "", spec->about);
  }
  return out;
}

std::optional<std::string> closest_name(std::string_view name, const std::vector<const FieldSpec*>& table) {
  if (name.size() > 256) return std::nullopt;
  std::optional<std::string> best;
  std::size_t best_distance = std::max<std::size_t>(2, name.size() / 3) + 1;
  for (const FieldSpec* spec : table) {
    const std::size_t distance = edit_distance(name, spec->name);
    if (distance < best_distance && distance < spec->name.size()) best_distance = distance, best = spec->name;
  }
  return best;
}

}  // namespace clary::hyper
