// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/problems.h"

#include <fmt/format.h>

#include <algorithm>
#include <tuple>

#include "base/error.h"
#include "learning/hyper/python_text.h"

namespace clary::hyper {
namespace {

// A value in a message is cut to this many bytes.
constexpr std::size_t kShownValue = 100, kShownToolkitValue = 200;

constexpr const char* kCausedBy = " (caused by ValidationError)";  // Dialect::kValidationError

std::string shortened(std::string_view value, std::size_t limit = kShownValue) {
  return value.size() <= limit ? std::string(value) : std::string(value.substr(0, limit)) + "...";
}

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

// As a whole word: "k" must not be found in "kernel".
bool names_word(const std::string& sentence, const std::string& word) {
  for (std::size_t at = sentence.find(word); at != std::string::npos; at = sentence.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word_char(sentence[at - 1])) && (end == sentence.size() || !is_word_char(sentence[end])))
      return true;
  }
  return false;
}

bool knows(const Table& table, std::string_view name) {
  // Tables have tens of rows: a linear search is enough.
  return std::any_of(table.begin(), table.end(), [&](const FieldSpec* spec) { return spec->name == name; });
}

/// Of a value that is in the range, and that the struct's member cannot hold.
std::optional<std::string> too_large(const FieldSpec& spec, std::string_view text) {
  const std::int64_t value = spec.type == FieldType::kInteger ? read_integer(spec, text).value : 0;
  if (value <= spec.held.second || value > spec.max_integer) return std::nullopt;
  return fmt::format("{} is above {}", value, spec.held.second);
}

/// "1.5 is not in [0, 1]": what the toolkit says after the name of a value that it could read.
std::string toolkit_range_words(const FieldSpec& spec, std::string_view text) {
  switch (spec.type) {
    case FieldType::kInteger:
      return fmt::format("{} is not in {}", read_integer(spec, text).value, interval_of(spec));
    case FieldType::kContinuous:
      return fmt::format("{} is not in {}", python_float(read_continuous(spec, text).value), interval_of(spec));
    case FieldType::kCategorical:
      return fmt::format("{} is not in {}", shortened(read_word(spec, text).value, kShownToolkitValue),
                         python_list(spec.choices));
    case FieldType::kWordList:
      return fmt::format("value {} not in range {}", shortened(python_list(elements_of(text)), kShownToolkitValue),
                         python_list(spec.choices));
    case FieldType::kBoolean:
    case FieldType::kIntegerList:
    case FieldType::kFreeText:
      break;  // no row of these types is ever out of range without a sentence of its own
  }
  return fmt::format("value {} is not {}", shortened(text, kShownToolkitValue), rule_of(spec));
}

/// "must be a float in the range [0.0, 1.0]": the rule as kValidationError ends its sentence.
std::string validation_words(const FieldSpec& spec) {
  const auto choices = [](const std::vector<std::string>& words) {
    return fmt::format("accepts one of the following: '{}'", fmt::join(words, "', '"));
  };
  switch (spec.type) {
    case FieldType::kCategorical:
      return choices(spec.choices);
    case FieldType::kBoolean:
      return choices({"True", "False"});
    case FieldType::kInteger:
      return "must be an integer in the range " + interval_of(spec);
    case FieldType::kContinuous:
      return fmt::format("must be a float in the range {}{}, {}{}", spec.above_min ? '(' : '[', python_float(spec.min),
                         python_float(spec.max), spec.below_max ? ')' : ']');
    case FieldType::kIntegerList:
    case FieldType::kWordList:
    case FieldType::kFreeText:
      break;
  }
  return "must be " + rule_of(spec);
}

std::string_view toolkit_type(const FieldSpec& spec) {
  switch (spec.type) {
    case FieldType::kInteger:
      return "is not an integer";
    case FieldType::kContinuous:
      return "is not a number";
    default:
      return "is not of its form";
  }
}

}  // namespace

// kToolkit: sentences of the SageMaker algorithms' own toolkit, which reports the first problem only; the other
// dialect is that of the JSON schema validation, which reports all. Which one an algorithm has follows the published
// container.
void Problems::check_names(const TextMap& given) {
  std::vector<std::string> missing;
  for (const FieldSpec* spec : table_)
    if (spec->required && !given_value(*spec, given)) missing.push_back(spec->name);
  if (dialect_ == Dialect::kToolkit) {
    for (const std::string& name : missing)
      found_.push_back({Stage::kMissing, "", "Missing required hyperparameter: " + name});
  } else if (dialect_ == Dialect::kValidationError) {
    for (const std::string& name : missing)
      found_.push_back({Stage::kMissing, "", fmt::format("u'{}' is a required property{}", name, kCausedBy)});
  } else if (!missing.empty()) {
    found_.push_back({Stage::kMissing, "",
                      fmt::format("No value(s) were specified for '{}' which are required hyperparameter(s)",
                                  fmt::join(missing, "', '"))});
  }
  for (const auto& [name, value] : given) {
    if (knows(table_, name)) continue;
    if (dialect_ == Dialect::kToolkit) {
      found_.push_back(
          {Stage::kReading, name, "Extraneous hyperparameter found: " + name.substr(0, kShownToolkitValue)});
      continue;
    }
    const bool python_2 = dialect_ == Dialect::kValidationError;
    std::string text = fmt::format("Additional {} are not allowed ({}'{}' was unexpected)",
                                   python_2 ? "hyperparameters" : "properties", python_2 ? "u" : "", shortened(name));
    if (const auto closest = closest_name(name, table_)) text += fmt::format("; did you mean '{}'?", *closest);
    if (python_2) text += kCausedBy;
    found_.push_back({Stage::kReading, name, std::move(text)});
  }
}

void Problems::bad_value(const FieldSpec& spec, std::string_view text, const Read<std::string>& read) {
  const bool toolkit = dialect_ == Dialect::kToolkit;
  const bool unreadable = toolkit && read.verdict == Verdict::kUnreadable;
  std::string sentence = read.sentence;
  if (!sentence.empty() && dialect_ == Dialect::kValidationError)
    sentence = fmt::format("The value '{}' is not valid for the '{}' hyperparameter which {}{}", shortened(text),
                           spec.name, sentence, kCausedBy);
  if (sentence.empty()) {
    sentence = toolkit ? "Hyperparameter " + spec.name + ": " : spec.name + ": ";
    // A value of the right type that the range excludes is no reading problem.
    if (unreadable)
      sentence += fmt::format("could not parse value (caused by ValueError): '{}' {}",
                              shortened(text, kShownToolkitValue), toolkit_type(spec));
    else if (const auto words = too_large(spec, text))
      sentence += *words;
    else if (toolkit)
      sentence += toolkit_range_words(spec, text);
    else if (dialect_ == Dialect::kValidationError)
      sentence = fmt::format("The value '{}' is not valid for the '{}' hyperparameter which {}{}", shortened(text),
                             spec.name, validation_words(spec), kCausedBy);
    else
      sentence +=
          fmt::format("'{}' is not valid under any of the given schemas: expected {}", shortened(text), rule_of(spec));
  }
  found_.push_back({unreadable ? Stage::kReading : Stage::kRange, spec.name, std::move(sentence)});
}

void Problems::broken_rule(const std::string& sentence, const TextMap& configuration) {
  std::vector<std::string> values;
  // The values that the rule speaks of, since the sentence alone does not show what was given.
  if (dialect_ != Dialect::kToolkit)
    for (const auto& [name, value] : configuration)
      if (names_word(sentence, name)) values.push_back(name + "=" + shortened(value));
  found_.push_back(
      {Stage::kRule, "", values.empty() ? sentence : fmt::format("{} (given {})", sentence, fmt::join(values, ", "))});
}

bool Problems::values_are_valid() const {
  return std::none_of(found_.begin(), found_.end(), [](const Problem& p) { return p.stage < Stage::kRule; });
}

// Stages in the toolkit's order: missing names, unreadable values, ranges, rules.
void Problems::raise() const {
  if (found_.empty()) return;
  if (dialect_ == Dialect::kToolkit) {
    const auto order = [](const Problem& p) { return std::tie(p.stage, p.name); };
    const auto first = std::min_element(found_.begin(), found_.end(),
                                        [&](const Problem& a, const Problem& b) { return order(a) < order(b); });
    throw Error(Kind::kInvalid, first->sentence);
  }
  if (found_.size() == 1)
    throw Error(Kind::kInvalid,
                (dialect_ == Dialect::kValidationError ? "" : algorithm_ + ": ") + found_.front().sentence);
  std::string text = fmt::format("{}: {} problems with the hyperparameters:", algorithm_, found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) text += fmt::format(" ({}) {}.", i + 1, found_[i].sentence);
  throw Error(Kind::kInvalid, text);
}

// "None" means that the value was not given, unless the field itself has such a value.
std::optional<std::string> given_value(const FieldSpec& spec, const TextMap& given) {
  const auto found = given.find(spec.name);
  if (found == given.end()) return std::nullopt;
  if (found->second == "None" && !spec.as_python && spec.type != FieldType::kFreeText &&
      std::find(spec.choices.begin(), spec.choices.end(), "None") == spec.choices.end() &&
      !resolve_literal(spec, "None").second)
    return std::nullopt;
  return found->second;
}

// An alias replaces the name; if both are given, the alias wins.
TextMap without_aliases(const Table& table, const TextMap& given) {
  TextMap out = given;
  for (const FieldSpec* spec : table)
    for (const std::string& alias : spec->aliases)
      if (auto node = out.extract(alias)) out.insert_or_assign(spec->name, std::move(node.mapped()));
  return out;
}

TextMap overlaid(const Table& table, const TextMap& given) {
  const TextMap named = without_aliases(table, given);
  TextMap out;
  for (const FieldSpec* spec : table) {
    const auto value = given_value(*spec, named);
    if (value)
      out[spec->name] = *value;
    else if (!spec->required)
      out[spec->name] = spec->default_text;
  }
  return out;
}

Json describe_table(const Table& table) {
  Json out = Json::array();
  for (const FieldSpec* spec : table) out.push_back(describe(*spec));
  return out;
}

// The seed is no hyperparameter of the table: every algorithm has it.
std::uint64_t seed_of(const TextMap& given) {
  FieldSpec spec;
  spec.min_integer = 0, spec.max_integer = kUnbounded;
  const auto found = given.find(kSeedName);
  const auto seed = found == given.end() ? Read<std::int64_t>() : read_integer(spec, found->second);
  return seed ? static_cast<std::uint64_t>(seed.value) : 1;
}

}  // namespace clary::hyper
