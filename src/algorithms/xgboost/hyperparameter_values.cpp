// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/hyperparameter_values.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <nlohmann/json.hpp>
#include <optional>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "base/error.h"
#include "base/text.h"
#include "learning/shell/train_log.h"

namespace clary::xgboost {
namespace {

constexpr std::size_t kShownText = 200;  // a text in a message is cut to this many bytes

[[noreturn]] void refuse(const std::string& message) { throw Error(Kind::kInvalid, message); }

std::string shortened(std::string_view text) {
  return text.size() <= kShownText ? std::string(text) : std::string(text.substr(0, kShownText)) + "...";
}

template <class T>
std::optional<T> number_in(std::string_view text) {
  text = trimmed(text);
  if (text.starts_with('+') && text.size() > 1 && text[1] != '-') text.remove_prefix(1);
  T out{};
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return out;
}

/// "a, b", and what lists become on their way through JSON or Python: "['a', 'b']".
std::vector<std::string> list_of(std::string_view text) {
  std::string bare;
  for (const char c : text)
    if (c != '[' && c != ']' && c != '(' && c != ')' && c != '\'' && c != '"' && c != ' ') bare += c;
  std::vector<std::string> out;
  for (const std::string_view part : split(bare, ',')) out.emplace_back(part);
  if (out.size() > 1 && out.back().empty()) out.pop_back();  // "(1,)"
  return out;
}

std::optional<Value> signs_in(std::string_view text) {
  Value out;
  out.words = list_of(text);
  for (const std::string& word : out.words)
    if (!number_in<int>(word)) return std::nullopt;
  out.text = fmt::format("({})", fmt::join(out.words, ","));
  return out;
}

std::optional<Value> groups_in(std::string_view text) {
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return std::nullopt;
  Value out;
  for (const auto& group : json) {
    if (!group.is_array()) return std::nullopt;
    for (const auto& member : group) {
      if (!member.is_number_integer()) return std::nullopt;
      out.words.push_back(member.dump());
    }
  }
  out.text = json.dump();
  return out;
}

std::optional<Value> read(const Row& row, std::string_view text) {
  switch (row.form) {
    case Form::kInteger:
      if (const auto number = number_in<std::int64_t>(text))
        return Value{static_cast<double>(*number), {}, std::to_string(*number)};
      return std::nullopt;
    case Form::kReal:
      if (const auto number = number_in<double>(text)) return Value{*number, {}, fmt::format("{}", *number)};
      return std::nullopt;
    case Form::kWord: {
      const bool flag = row.spec.choices.front() == "true";  // Python's str(True)
      const std::string word = flag ? lower(trimmed(text)) : std::string(text);
      return Value{0, {word}, word};
    }
    case Form::kWords:
    case Form::kMetrics: {
      Value out;
      out.words = list_of(text);
      out.text = fmt::format("{}", fmt::join(out.words, ","));
      return out;
    }
    case Form::kSigns:
      return signs_in(text);
    case Form::kGroups:
      return groups_in(text);
    case Form::kText:
      break;
  }
  return Value{0, {std::string(text)}, std::string(text)};
}

std::string bound(const Row& row, double value) {
  if (std::isinf(value)) return value > 0 ? "+inf" : "-inf";
  return row.form == Form::kInteger ? std::to_string(static_cast<std::int64_t>(value)) : hyper::show(value);
}

std::string interval(const Row& row) {
  const auto& s = row.spec;
  return fmt::format("{}{}, {}{}", s.above_min || std::isinf(s.min) ? '(' : '[', bound(row, s.min), bound(row, s.max),
                     s.below_max || std::isinf(s.max) ? ')' : ']');
}

void check_number(const Row& row, const Value& value) {
  const auto& s = row.spec;
  const double v = value.number;
  const bool inside =
      (s.above_min ? v > s.min : v >= s.min) && (s.below_max || std::isinf(s.max) ? v < s.max : v <= s.max);
  if (inside) return;
  refuse(fmt::format("Hyperparameter {}: {} is not in {}", s.name,
                     row.form == Form::kInteger ? value.text : shell::python_float(v), interval(row)));
}

/// The row's words that the tag has.
std::vector<std::string> choices_of(const Row& row, Tag tag) {
  std::vector<std::string> out;
  for (const std::string& word : row.spec.choices)
    if (tag_knows(tag, row.spec.name, word)) out.push_back(word);
  return out;
}

bool listed(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

void check_threshold(const std::string& metric) {
  const auto at = metric.find('@');
  const Metric* known = find_metric(metric);
  if (known == nullptr || !known->threshold)
    refuse(
        fmt::format("Metric '{}' is not supported. Parameter 'eval_metric' with customized threshold should be one "
                    "of these options: 'error', 'ndcg', 'map'.",
                    shortened(metric)));
  std::string_view threshold = std::string_view(metric).substr(at + 1);
  if (known->name != "error" && threshold.ends_with('-')) threshold.remove_suffix(1);  // ndcg@5-: the library's own
  if (!number_in<double>(threshold))
    refuse(fmt::format("Threshold value 't' in '{}@t' expects float input.", known->name));
}

void check_words(const Row& row, const Value& value, Tag tag) {
  const auto choices = choices_of(row, tag);
  for (const std::string& word : value.words) {
    if (row.form == Form::kMetrics && word.find('@') != std::string::npos)
      check_threshold(word);
    else if (!listed(choices, word))
      refuse(fmt::format("Hyperparameter {}: value {} not in range {}", row.spec.name,
                         shortened(python_list(value.words)), python_list(choices)));
  }
}

void check_members(const Row& row, const Value& value) {
  for (const std::string& word : value.words) {
    const auto member = number_in<std::int64_t>(word);
    if (row.form == Form::kSigns && (!member || *member < -1 || *member > 1))
      refuse(fmt::format("Hyperparameter {}: value ({}) not in range [-1, 0, 1]", row.spec.name,
                         shortened(fmt::format("{}", fmt::join(value.words, ", ")))));
    if (row.form == Form::kGroups && (!member || *member < 0))
      refuse(fmt::format("Hyperparameter {}: value {} not in range [0, +inf)", row.spec.name, shortened(value.text)));
  }
}

}  // namespace

std::string python_list(const std::vector<std::string>& words) {
  return words.empty() ? "[]" : fmt::format("['{}']", fmt::join(words, "', '"));
}

Value read_value(const Row& row, std::string_view text) {
  auto value = read(row, text);
  if (!value) refuse(fmt::format("Hyperparameter {}: could not parse value (caused by ValueError)", row.spec.name));
  return *std::move(value);
}

void check_range(const Row& row, const Value& value, Tag tag) {
  switch (row.form) {
    case Form::kInteger:
    case Form::kReal:
      return check_number(row, value);
    case Form::kWord:
      if (const auto choices = choices_of(row, tag); !listed(choices, value.words[0]))
        refuse(fmt::format("Hyperparameter {}: {} is not in {}", row.spec.name, shortened(value.words[0]),
                           python_list(choices)));
      return;
    case Form::kWords:
    case Form::kMetrics:
      return check_words(row, value, tag);
    case Form::kSigns:
    case Form::kGroups:
      return check_members(row, value);
    case Form::kText:
      return;
  }
}

}  // namespace clary::xgboost
