// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/problems.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"

namespace clary::hyper {
namespace {

constexpr std::size_t kShownValue = 100;  // a value in a message is cut to this many bytes

std::string shortened(std::string_view value) {
  return value.size() <= kShownValue ? std::string(value) : std::string(value.substr(0, kShownValue)) + "...";
}

bool is_word_char(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

bool names_word(const std::string& sentence, const std::string& word) {
  for (std::size_t at = sentence.find(word); at != std::string::npos; at = sentence.find(word, at + 1)) {
    const std::size_t end = at + word.size();
    if ((at == 0 || !is_word_char(sentence[at - 1])) && (end == sentence.size() || !is_word_char(sentence[end])))
      return true;
  }
  return false;
}

}  // namespace

void Problems::check_names(const TextMap& given) {
  std::vector<std::string> missing;
  for (const FieldSpec* spec : table_)
    if (spec->required && !given_value(*spec, given)) missing.push_back("'" + spec->name + "'");
  if (!missing.empty())
    found_.push_back(fmt::format("No value(s) were specified for {} which are required hyperparameter(s)",
                                 fmt::join(missing, ", ")));
  for (const auto& [name, value] : given) {
    if (std::any_of(table_.begin(), table_.end(), [&name = name](const FieldSpec* spec) { return spec->name == name; }))
      continue;
    std::string text = fmt::format("Additional properties are not allowed ('{}' was unexpected)", shortened(name));
    if (const auto closest = closest_name(name, table_)) text += fmt::format("; did you mean '{}'?", *closest);
    found_.push_back(std::move(text));
  }
}

void Problems::bad_value(const FieldSpec& spec, std::string_view value) {
  found_.push_back(fmt::format("{}: '{}' is not valid under any of the given schemas: expected {}", spec.name,
                               shortened(value), rule_of(spec)));
}

void Problems::broken_rule(const std::string& sentence, const TextMap& configuration) {
  std::vector<std::string> values;
  for (const auto& [name, value] : configuration)
    if (names_word(sentence, name)) values.push_back(name + "=" + shortened(value));
  found_.push_back(values.empty() ? sentence : fmt::format("{} (given {})", sentence, fmt::join(values, ", ")));
}

void Problems::raise() const {
  if (found_.empty()) return;
  if (found_.size() == 1) throw Error(Kind::kInvalid, algorithm_ + ": " + found_.front());
  std::string text = fmt::format("{}: {} problems with the hyperparameters:", algorithm_, found_.size());
  for (std::size_t i = 0; i < found_.size(); ++i) text += fmt::format(" ({}) {}.", i + 1, found_[i]);
  throw Error(Kind::kInvalid, text);
}

std::optional<std::string> given_value(const FieldSpec& spec, const TextMap& given) {
  const auto found = given.find(spec.name);
  if (found == given.end()) return std::nullopt;
  if (found->second == "None" && spec.type != FieldType::kFreeText &&
      std::find(spec.choices.begin(), spec.choices.end(), "None") == spec.choices.end() &&
      !resolve_literal(spec, "None").second)
    return std::nullopt;
  return found->second;
}

TextMap overlaid(const Table& table, const TextMap& given) {
  TextMap out;
  for (const FieldSpec* spec : table) {
    const auto value = given_value(*spec, given);
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

std::uint64_t seed_of(const TextMap& given) {
  FieldSpec spec;
  spec.min_integer = 0, spec.max_integer = kUnbounded;
  const auto found = given.find(kSeedName);
  if (found == given.end()) return 1;
  return static_cast<std::uint64_t>(read_integer(spec, found->second).value_or(1));
}

std::string python_repr(const TextMap& map) {
  std::string out = "{";
  const auto quoted = [&out](std::string_view text) {
    out += '\'';
    for (const char c : text) {
      if (c == '\\' || c == '\'') out += '\\';
      if (c == '\n')
        out += "\\n";
      else if (static_cast<unsigned char>(c) < 0x20)
        out += fmt::format("\\x{:02x}", c);
      else
        out += c;
    }
    out += '\'';
  };
  for (const auto& [name, value] : map) {
    if (out.size() > 1) out += ", ";
    quoted(name);
    out += ": ";
    quoted(value);
  }
  return out + "}";
}

}  // namespace clary::hyper
