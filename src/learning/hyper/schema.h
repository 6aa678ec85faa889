// SPDX-License-Identifier: Apache-2.0
// An algorithm's hyperparameters, declared once as a table that ties names to members of a plain struct (whose member
// initialisers are the defaults). Everything else (parsing, the error texts, `describe`, the manual's table, --help)
// comes from it. Usage: docs/algorithms.md. Schemas are immutable after construction and may be shared by threads.
//
// A member may be
//   the value's own type   an integer, a double, an enum, a bool, ...; its initialiser is the default
//   an optional of it      empty unless given, or when given as "auto" (a word of Dialect::kJsonSchema only)
//   a TextMap              has the value as text under the row's name, if it was given: many rows can share the map
//                          that a library gets; what it does without the value is said by .or_else()
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "learning/hyper/field_spec.h"
#include "learning/hyper/problems.h"

namespace clary::hyper {

/// One row of the table: spec plus how to store a text in H and show what H holds.
template <class H>
class Field {
 public:
  Field(std::string name, FieldType type) { spec.name = std::move(name), spec.type = type; }

  FieldSpec spec;
  /// Reads a text and stores its value; answers the value as text, as show() writes it.
  std::function<Read<std::string>(const FieldSpec&, std::string_view, H&)> assign;
  std::function<std::string(const H&)> shown;

  Field required() && { return spec.required = true, std::move(*this); }
  Field about(std::string words) && { return spec.about = std::move(words), std::move(*this); }
  /// Accepted and described, but not in the manual: what the platform injects (`_kvstore`).
  Field hidden() && { return spec.hidden = true, std::move(*this); }
  Field tunable() && { return spec.tunable = true, std::move(*this); }
  /// @param low, high  the range recommended to a tuning job
  Field tunable(double low, double high, Scaling scaling = Scaling::kAuto) && {
    spec.tunable = true;
    spec.tunable_min = show(low), spec.tunable_max = show(high);
    spec.scaling = scaling;
    return std::move(*this);
  }
  /// The bounds themselves are outside the range of a number: (low, high), (low, high], [low, high).
  Field above_min() && { return spec.above_min = true, std::move(*this); }
  Field below_max() && { return spec.below_max = true, std::move(*this); }
  /// Another spelling: `.literal("auto", "0")`, `.literal("Inf", "inf")`, `.literal("regression", "regressor")`.
  /// What it stands for is read without the range check; a default equal to it is shown by its spelling.
  Field literal(std::string spelling, std::string stands_for) && {
    spec.literals.emplace_back(std::move(spelling), std::move(stands_for));
    return std::move(*this);
  }
  /// A choice in capitals or between blanks is that choice: `True` of {"true", "false"}, as Python prints it.
  Field any_case() && { return spec.any_case = true, std::move(*this); }
  /// Another name of the row.
  Field alias(std::string name) && { return spec.aliases.push_back(std::move(name)), std::move(*this); }
  /// The default as it is shown, where no member holds it.
  Field or_else(std::string text) && { return spec.default_text = std::move(text), std::move(*this); }
  /// The value's text goes to `map` too, when it was given.
  Field also_in(TextMap H::*map) && {
    assign = [map, store = std::move(assign)](const FieldSpec& row, std::string_view text, H& h) {
      auto read = store(row, text, h);
      if (read) (h.*map)[row.name] = read.value;
      return read;
    };
    return std::move(*this);
  }
  /// Versions that have the row, and versions that have one of its choices: parse() is given the version to go by.
  Field offered(Lifetime versions) && { return spec.lifetime = versions, std::move(*this); }
  Field choice_offered(std::string choice, Lifetime versions) && {
    return spec.choice_lifetimes.emplace(std::move(choice), versions), std::move(*this);
  }
};

namespace internal {

template <class M>
inline constexpr bool kIsOptional = false;
template <class M>
inline constexpr bool kIsOptional<std::optional<M>> = true;

inline const std::pair<std::string, std::string> kAuto{"auto", ""};

/// The integers that a member holds.
template <class M>
constexpr std::pair<std::int64_t, std::int64_t> held() {
  if constexpr (kIsOptional<M>)
    return held<typename M::value_type>();
  else if constexpr (std::is_integral_v<M> && sizeof(M) < sizeof(std::int64_t))
    return {std::numeric_limits<M>::min(), std::numeric_limits<M>::max()};
  else
    return {std::is_unsigned_v<M> ? 0 : -kUnbounded, kUnbounded};
}

template <class V, class M>
void store(const std::string& name, const V& value, M& member) {
  if constexpr (std::is_same_v<M, TextMap>)
    member[name] = show(value);
  else if constexpr (kIsOptional<M>)
    store(name, value, member.emplace());
  else
    member = static_cast<M>(value);  // integers fit: FieldSpec::held
}

/// What a member holds, as text; "" when nothing.
template <class V, class M>
std::string shown(const M& member) {
  if constexpr (std::is_same_v<M, TextMap>)
    return "";
  else if constexpr (kIsOptional<M>)
    return member ? shown<V>(*member) : "";
  else
    return show(static_cast<V>(member));
}

/// @param read  Read<V>(const FieldSpec&, std::string_view text)
template <class V, class H, class M, class Reader>
Field<H> tied(std::string name, FieldType type, M H::*member, Reader read) {
  Field<H> field(std::move(name), type);
  if constexpr (kIsOptional<M>) field.spec.literals.push_back(kAuto);
  field.assign = [member, read = std::move(read)](const FieldSpec& spec, std::string_view text,
                                                  H& h) -> Read<std::string> {
    if constexpr (kIsOptional<M>) {
      (h.*member).reset();
      if (is_absent(spec, text)) return {Verdict::kTaken};
    }
    const Read<V> value = read(spec, text);
    if (!value) return {value.verdict, "", value.sentence};
    store(spec.name, value.value, h.*member);
    return {Verdict::kTaken, show(value.value)};
  };
  field.shown = [member](const H& h) { return internal::shown<V>(h.*member); };
  return field;
}

}  // namespace internal

/// Member: any integer type; bool for a range of 0 to 1.
template <class H, class M>
Field<H> integer(std::string name, M H::*member, std::int64_t low, std::int64_t high = kUnbounded) {
  auto field = internal::tied<std::int64_t>(std::move(name), FieldType::kInteger, member, read_integer);
  field.spec.min_integer = low, field.spec.max_integer = high;
  field.spec.held = internal::held<M>();
  return field;
}

/// Member: double or float.
template <class H, class M>
Field<H> continuous(std::string name, M H::*member, double low, double high = kInfinite) {
  auto field = internal::tied<double>(std::move(name), FieldType::kContinuous, member, read_continuous);
  field.spec.min = low, field.spec.max = high;
  return field;
}

/// Member: an enum (or any equality-comparable type); one row per choice.
template <class H, class E>
Field<H> categorical(std::string name, E H::*member,
                     std::vector<std::pair<std::string, std::type_identity_t<E>>> choices) {
  Field<H> field(std::move(name), FieldType::kCategorical);
  for (const auto& choice : choices) field.spec.choices.push_back(choice.first);
  field.shown = [member, choices](const H& h) {
    for (const auto& [word, value] : choices)
      if (value == h.*member) return word;
    return std::string();
  };
  field.assign = [member, choices = std::move(choices)](const FieldSpec& spec, std::string_view text, H& h) {
    auto read = read_word(spec, text);
    for (const auto& [word, value] : choices)
      if (read && word == read.value) h.*member = value;
    return read;
  };
  return field;
}

/// The words are the values. Member: std::string or TextMap.
template <class H, class M>
Field<H> one_of(std::string name, M H::*member, std::vector<std::string> choices) {
  auto field = internal::tied<std::string>(std::move(name), FieldType::kCategorical, member, read_word);
  field.spec.choices = std::move(choices);
  return field;
}

template <class H, class M>
Field<H> boolean(std::string name, M H::*member) {
  return internal::tied<bool>(std::move(name), FieldType::kBoolean, member, read_boolean);
}

/// Text of a form of its own. Member: std::string or TextMap.
/// @param read  Read<std::string>(std::string_view): the text in the form's usual spelling, or what is wrong with it
template <class H, class M, class Reader>
Field<H> formed_text(std::string name, M H::*member, Reader read) {
  return internal::tied<std::string>(std::move(name), FieldType::kFreeText, member,
                                     [read](const FieldSpec&, std::string_view text) { return read(text); });
}

template <class H>
Field<H> free_text(std::string name, std::string H::*member) {
  return formed_text(std::move(name), member, [](std::string_view text) {
    return Read<std::string>{Verdict::kTaken, std::string(text)};
  });
}

/// "[1, 2, 3]" or "1,2,3"; each element in [low, high].
template <class H>
Field<H> integer_list(std::string name, std::vector<std::int64_t> H::*member, std::int64_t low,
                      std::int64_t high = kUnbounded) {
  auto field =
      internal::tied<std::vector<std::int64_t>>(std::move(name), FieldType::kIntegerList, member, read_integer_list);
  field.spec.min_integer = low, field.spec.max_integer = high;
  return field;
}

/// "a, b" or "['a', 'b']"; each element one of the choices, or what `rule` takes. Member: std::vector<std::string>, or
/// a TextMap, which gets "a,b".
template <class H, class M>
Field<H> word_list(std::string name, M H::*member, std::vector<std::string> choices, ElementRule rule = {}) {
  const auto read = [rule](const FieldSpec& spec, std::string_view text) { return read_word_list(spec, text, rule); };
  auto field = internal::tied<std::vector<std::string>>(std::move(name), FieldType::kWordList, member, read);
  field.spec.choices = std::move(choices);
  return field;
}

/// A name that is taken and has no effect (what AWS's own clients send: `_kvstore`); always hidden.
template <class H>
Field<H> ignored(std::string name, std::string fallback = "") {
  Field<H> field(std::move(name), FieldType::kFreeText);
  field.spec.hidden = true;
  field.spec.about = "Accepted for compatibility; no effect.";
  field.assign = [](const FieldSpec&, std::string_view text, H&) -> Read<std::string> {
    return {Verdict::kTaken, std::string(text)};
  };
  field.shown = [fallback = std::move(fallback)](const H&) { return fallback; };
  return field;
}

/// A rule that spans fields.
template <class H>
struct Rule {
  /// The sentence the user sees, and what must hold. Every dialect but kToolkit adds the values of the fields that the
  /// sentence names.
  Rule(std::string sentence, std::function<bool(const H&)> holds)
      : broken([sentence = std::move(sentence), holds = std::move(holds)](const H& h) {
          return holds(h) ? std::string() : sentence;
        }) {}
  explicit Rule(std::function<std::string(const H&)> sentence_of) : broken(std::move(sentence_of)) {}

  std::function<std::string(const H&)> broken;  // the sentence, which may depend on the values; "" when the rule holds
};

/// A rule about the texts as they came (with the rows' own names), whose message precedes those about ranges.
struct TextRule {
  std::string sentence;
  std::function<bool(const TextMap& given, const std::optional<Version>& version)> holds;
};

template <class H>
class Schema {
 public:
  /// The common field `seed` is added when the table has none of that name (TrainContext::seed()).
  Schema(std::string name, std::vector<Field<H>> fields, std::vector<Rule<H>> rules = {},
         Dialect dialect = Dialect::kJsonSchema, std::vector<TextRule> text_rules = {})
      : name_(std::move(name)),
        fields_(std::move(fields)),
        rules_(std::move(rules)),
        dialect_(dialect),
        text_rules_(std::move(text_rules)) {
    bool has_seed = false;
    const H defaults{};
    for (auto& field : fields_) {
      auto& spec = field.spec;
      has_seed = has_seed || spec.name == kSeedName;
      spec.as_python = dialect == Dialect::kToolkit;
      if (dialect != Dialect::kJsonSchema) std::erase(spec.literals, internal::kAuto);
      if (!spec.required && spec.default_text.empty())
        spec.default_text = shown_as_literal(spec, field.shown(defaults));
    }
    if (!has_seed) fields_.push_back(common_seed());
  }

  /// @param version  of the image that the job names; nothing: names and words of all versions are taken
  /// @throws Error{kInvalid} with every problem in one message, or as the dialect has it
  H parse(const TextMap& given, const std::optional<Version>& version = std::nullopt) const {
    std::vector<std::pair<const Field<H>*, FieldSpec>> rows;
    for (const auto& field : fields_)
      if (auto spec = as_of(field.spec, version)) rows.emplace_back(&field, *std::move(spec));
    Table offered;
    for (const auto& row : rows) offered.push_back(&row.second);

    const TextMap named = without_aliases(offered, given);
    Problems problems(name_, offered, dialect_);
    problems.check_names(named);
    H out{};
    for (const auto& [field, spec] : rows) {
      const auto text = given_value(spec, named);
      if (!text) continue;
      if (const auto read = field->assign(spec, *text, out); !read) problems.bad_value(spec, *text, read);
    }
    for (const auto& rule : text_rules_)
      if (!rule.holds(named, version)) problems.broken_text_rule(rule.sentence);
    if (problems.values_are_valid())
      for (const auto& rule : rules_)
        if (const auto sentence = rule.broken(out); !sentence.empty())
          problems.broken_rule(sentence, configuration(given));
    problems.raise();
    return out;
  }

  /// What a job runs with: defaults overlaid by what was given, as text.
  TextMap configuration(const TextMap& given) const { return overlaid(table(), given); }
  TextMap defaults() const { return overlaid(table(), {}); }

  /// A JSON list in SageMaker's words: Name, Type, Range, DefaultValue, IsRequired, IsTunable, Description.
  Json describe() const { return describe_table(table()); }
  std::string to_markdown() const { return hyper::to_markdown(table()); }
  std::string help() const { return to_help(table()); }
  const std::string& name() const noexcept { return name_; }

 private:
  static Field<H> common_seed() {
    auto field = ignored<H>(kSeedName, "1");
    field.spec.type = FieldType::kInteger, field.spec.max_integer = kUnbounded, field.spec.hidden = false;
    field.spec.default_text = "1";
    field.spec.about = "Start of every random sequence; same seed, data and threads: same model.";
    field.assign = [](const FieldSpec& spec, std::string_view text, H&) -> Read<std::string> {
      return {read_integer(spec, text).verdict, std::string(text)};
    };
    return field;
  }

  Table table() const {
    Table rows;
    for (const auto& field : fields_) rows.push_back(&field.spec);
    return rows;
  }

  std::string name_;
  std::vector<Field<H>> fields_;
  std::vector<Rule<H>> rules_;
  Dialect dialect_;
  std::vector<TextRule> text_rules_;
};

}  // namespace clary::hyper

namespace clary {
using hyper::Schema;
}
