// SPDX-License-Identifier: Apache-2.0
// An algorithm's hyperparameters, declared once as a table that ties names to members of a plain struct (whose member
// initialisers are the defaults). Everything else (parsing, the error texts, `describe`, the manual's table, --help)
// comes from it. Usage: docs/algorithms.md. Schemas are immutable after construction and may be shared by threads.
#pragma once

#include <functional>
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
  FieldSpec spec;
  std::function<bool(const FieldSpec&, std::string_view, H&)> assign;  // false: the text breaks the rule
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
  /// The bounds themselves are outside the range of a continuous field: (low, high), (low, high], [low, high).
  Field above_min() && { return spec.above_min = true, std::move(*this); }
  Field below_max() && { return spec.below_max = true, std::move(*this); }
  /// Another spelling: `.literal("auto", "0")`, `.literal("Inf", "inf")`, `.literal("regression", "regressor")`.
  /// What it stands for is read without the range check; a default equal to it is shown by its spelling.
  Field literal(std::string spelling, std::string stands_for) && {
    spec.literals.emplace_back(std::move(spelling), std::move(stands_for));
    return std::move(*this);
  }
};

template <class H>
Field<H> make_field(std::string name, FieldType type) {
  Field<H> field;
  field.spec.name = std::move(name), field.spec.type = type;
  return field;
}

/// Turns a field of a plain value into one of an optional member, which "auto" leaves empty.
/// @param read  the value of a text, or nothing when the text breaks the rule
template <class H, class M, class Read, class Show>
Field<H> with_auto(Field<H> field, std::optional<M> H::*member, Read read, Show show_value) {
  field.spec.literals.emplace_back("auto", "");
  field.assign = [member, read](const FieldSpec& spec, std::string_view text, H& h) {
    (h.*member).reset();
    if (is_absent(spec, text)) return true;
    h.*member = read(spec, text);
    return (h.*member).has_value();
  };
  field.shown = [member, show_value](const H& h) { return h.*member ? show_value(*(h.*member)) : std::string(); };
  return field;
}

/// Member: any integer type.
template <class H, class M>
Field<H> integer(std::string name, M H::*member, std::int64_t low, std::int64_t high = kUnbounded) {
  static_assert(std::is_integral_v<M> && !std::is_same_v<M, bool>);
  auto field = make_field<H>(std::move(name), FieldType::kInteger);
  field.spec.min_integer = low, field.spec.max_integer = high;
  field.assign = [member](const FieldSpec& spec, std::string_view text, H& h) {
    const auto value = read_integer(spec, text);
    if (!value || !std::in_range<M>(*value)) return false;
    h.*member = static_cast<M>(*value);
    return true;
  };
  field.shown = [member](const H& h) { return std::to_string(h.*member); };
  return field;
}

/// Member: std::optional of an integer type; "auto" leaves it empty.
template <class H, class M>
Field<H> integer(std::string name, std::optional<M> H::*member, std::int64_t low, std::int64_t high = kUnbounded) {
  auto field = make_field<H>(std::move(name), FieldType::kInteger);
  field.spec.min_integer = low, field.spec.max_integer = high;
  return with_auto(
      std::move(field), member,
      [](const FieldSpec& spec, std::string_view text) -> std::optional<M> {
        const auto value = read_integer(spec, text);
        return value && std::in_range<M>(*value) ? std::optional(static_cast<M>(*value)) : std::nullopt;
      },
      [](M value) { return std::to_string(value); });
}

/// Member: double or float.
template <class H, class M>
Field<H> continuous(std::string name, M H::*member, double low, double high = kInfinite) {
  static_assert(std::is_floating_point_v<M>);
  auto field = make_field<H>(std::move(name), FieldType::kContinuous);
  field.spec.min = low, field.spec.max = high;
  field.assign = [member](const FieldSpec& spec, std::string_view text, H& h) {
    const auto value = read_continuous(spec, text);
    if (value) h.*member = static_cast<M>(*value);
    return value.has_value();
  };
  field.shown = [member](const H& h) { return show(h.*member); };
  return field;
}

/// Member: std::optional<double>; "auto" leaves it empty.
template <class H>
Field<H> continuous(std::string name, std::optional<double> H::*member, double low, double high = kInfinite) {
  auto field = make_field<H>(std::move(name), FieldType::kContinuous);
  field.spec.min = low, field.spec.max = high;
  return with_auto(std::move(field), member, read_continuous, [](double value) { return show(value); });
}

/// Member: an enum (or any equality-comparable type); one row per choice.
template <class H, class E>
Field<H> categorical(std::string name, E H::*member,
                     std::vector<std::pair<std::string, std::type_identity_t<E>>> choices) {
  auto field = make_field<H>(std::move(name), FieldType::kCategorical);
  for (const auto& choice : choices) field.spec.choices.push_back(choice.first);
  field.shown = [member, choices](const H& h) {
    for (const auto& [word, value] : choices)
      if (value == h.*member) return word;
    return std::string();
  };
  field.assign = [member, choices = std::move(choices)](const FieldSpec& spec, std::string_view text, H& h) {
    const auto resolved = resolve_literal(spec, text).first;
    for (const auto& [word, value] : choices)
      if (word == resolved) return h.*member = value, true;
    return false;
  };
  return field;
}

template <class H>
Field<H> boolean(std::string name, bool H::*member) {
  auto field = make_field<H>(std::move(name), FieldType::kBoolean);
  field.assign = [member](const FieldSpec&, std::string_view text, H& h) {
    const auto value = read_boolean(text);
    if (value) h.*member = *value;
    return value.has_value();
  };
  field.shown = [member](const H& h) { return std::string(h.*member ? "true" : "false"); };
  return field;
}

/// Member: std::optional<bool>; "auto" leaves it empty.
template <class H>
Field<H> boolean(std::string name, std::optional<bool> H::*member) {
  return with_auto(
      make_field<H>(std::move(name), FieldType::kBoolean), member,
      [](const FieldSpec&, std::string_view text) { return read_boolean(text); },
      [](bool value) { return std::string(value ? "true" : "false"); });
}

template <class H>
Field<H> free_text(std::string name, std::string H::*member) {
  auto field = make_field<H>(std::move(name), FieldType::kFreeText);
  field.assign = [member](const FieldSpec&, std::string_view text, H& h) {
    return h.*member = std::string(text), true;
  };
  field.shown = [member](const H& h) { return h.*member; };
  return field;
}

/// "[1, 2, 3]" or "1,2,3"; each element in [low, high].
template <class H>
Field<H> integer_list(std::string name, std::vector<std::int64_t> H::*member, std::int64_t low,
                      std::int64_t high = kUnbounded) {
  auto field = make_field<H>(std::move(name), FieldType::kIntegerList);
  field.spec.min_integer = low, field.spec.max_integer = high;
  field.assign = [member](const FieldSpec& spec, std::string_view text, H& h) {
    auto value = read_integer_list(spec, text);
    if (value) h.*member = std::move(*value);
    return value.has_value();
  };
  field.shown = [member](const H& h) { return show(h.*member); };
  return field;
}

/// A name that is taken and has no effect (what AWS's own clients send: `_kvstore`); always hidden.
template <class H>
Field<H> ignored(std::string name, std::string fallback = "") {
  auto field = make_field<H>(std::move(name), FieldType::kFreeText);
  field.spec.hidden = true;
  field.spec.about = "Accepted for compatibility; no effect.";
  field.assign = [](const FieldSpec&, std::string_view, H&) { return true; };
  field.shown = [fallback = std::move(fallback)](const H&) { return fallback; };
  return field;
}

/// A rule that spans fields: the sentence the user sees, and what must hold. The values of the fields that the
/// sentence names are added to the message.
template <class H>
struct Rule {
  std::string sentence;
  std::function<bool(const H&)> holds;
};

template <class H>
class Schema {
 public:
  /// The common field `seed` is added when the table has none of that name (TrainContext::seed()).
  Schema(std::string name, std::vector<Field<H>> fields, std::vector<Rule<H>> rules = {})
      : name_(std::move(name)), fields_(std::move(fields)), rules_(std::move(rules)) {
    bool has_seed = false;
    const H defaults{};
    for (auto& field : fields_) {
      has_seed = has_seed || field.spec.name == kSeedName;
      if (!field.spec.required) field.spec.default_text = shown_as_literal(field.spec, field.shown(defaults));
    }
    if (!has_seed) fields_.push_back(common_seed());
  }

  /// @throws Error{kInvalid} with every problem in one message
  H parse(const TextMap& given) const {
    H out{};
    Problems problems(name_, table());
    problems.check_names(given);
    for (const auto& field : fields_) {
      const auto text = given_value(field.spec, given);
      if (!text) continue;
      if (!field.assign(field.spec, *text, out)) problems.bad_value(field.spec, *text);
    }
    if (problems.none())
      for (const auto& rule : rules_)
        if (!rule.holds(out)) problems.broken_rule(rule.sentence, configuration(given));
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
    field.assign = [](const FieldSpec& spec, std::string_view text, H&) {
      return read_integer(spec, text).has_value();
    };
    return field;
  }

  std::vector<const FieldSpec*> table() const {
    std::vector<const FieldSpec*> rows;
    for (const auto& field : fields_) rows.push_back(&field.spec);
    return rows;
  }

  std::string name_;
  std::vector<Field<H>> fields_;
  std::vector<Rule<H>> rules_;
};

}  // namespace clary::hyper

namespace clary {
using hyper::Schema;
}
