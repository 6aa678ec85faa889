// SPDX-License-Identifier: Apache-2.0
// Checks a request document against the service model, in AWS's words: the texts of constraints are exactly those that
// AWS's services report, because scripts match on them.
#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "base/text.h"
#include "base/time.h"
#include "platform/aws/patterns.h"
#include "platform/aws/service_error.h"
#include "platform/aws/service_model.h"

namespace clary::aws {

using model::Shape;
using model::Type;

namespace model {

const Service* find_service(std::string_view name) noexcept {
  const auto hit = std::find_if(kServices.begin(), kServices.end(), [&](const Service& s) { return name == s.name; });
  return hit == kServices.end() ? nullptr : &*hit;
}

const Operation* find_operation(const Service& service, std::string_view name) noexcept {
  // Operations are generated in the order of their names.
  const auto hit = std::lower_bound(service.operations.begin(), service.operations.end(), name,
                                    [](const Operation& o, std::string_view n) { return o.name < n; });
  return hit != service.operations.end() && hit->name == name ? &*hit : nullptr;
}

}  // namespace model

namespace {

constexpr std::size_t kMaxListed = 25;        // violations spelled out in one message
constexpr std::size_t kMaxShownBytes = 1024;  // of one value
constexpr std::size_t kShownEnumBytes = 400;  // of an enum's values, of which some have hundreds

// AWS names paths with a lower first letter ("trainingJobName") and members with an upper one.
std::string camel(std::string_view name) {
  std::string text(name);
  if (!text.empty() && text[0] >= 'A' && text[0] <= 'Z') text[0] = static_cast<char>(text[0] + 32);
  return text;
}

std::string joined(const std::string& path, std::string_view part) {
  return path.empty() ? std::string(part) : path + "." + std::string(part);
}

/// Cut at a character's boundary.
std::string shown(const Json& value) {
  std::string text = value.is_string() ? value.get<std::string>() : dump_json(value);
  if (text.size() <= kMaxShownBytes) return text;
  std::size_t end = kMaxShownBytes;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) --end;
  return text.substr(0, end) + "...";
}

/// Java counts UTF-16 units.
std::int64_t utf16_length(std::string_view text) {
  std::int64_t n = 0;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if ((byte & 0xC0) != 0x80) n += byte >= 0xF0 ? 2 : 1;
  }
  return n;
}

const char* type_name(Type type) {
  switch (type) {
    case Type::kStructure:
      return "Structure";
    case Type::kList:
      return "List";
    case Type::kMap:
      return "Map";
    case Type::kString:
    case Type::kBlob:
      return "String";
    case Type::kInteger:
      return "Integer";
    case Type::kLong:
      return "Long";
    case Type::kFloat:
      return "Float";
    case Type::kBoolean:
      return "Boolean";
    case Type::kTimestamp:
      return "Timestamp";
  }
  return "value";
}

/// AWS JSON writes the numbers that JSON cannot express as these texts.
bool is_special_float(const Json& value) { return value == "NaN" || value == "Infinity" || value == "-Infinity"; }

/// A time that parse_iso8601() could have given too; anything larger would overflow the milliseconds it becomes.
bool is_time(const Json& value) {
  constexpr double kYear1 = -62'135'596'800, kYear9999End = 253'402'300'800;
  return value.is_number() && value.get<double>() >= kYear1 && value.get<double>() < kYear9999End;
}

// Walks model and document together, depth bounded by the model's (recursive shapes end where the document does, whose
// depth parse_json() has bounded). All violations are collected, since AWS reports them together; a wrong JSON type
// ends the walk at once.
class Validator {
 public:
  void check(const Shape& shape, Json& value, const std::string& path) {
    // convert() first: the constraints are about the converted value.
    convert(shape, value, path);
    check_constraints(shape, value, path);
    switch (shape.type) {
      case Type::kStructure:
        check_members(shape, value, path);
        break;
      case Type::kList:
        for (std::size_t i = 0; i < value.size(); ++i)
          check(model::kShapes[shape.first], value[i], path + "." + std::to_string(i + 1) + ".member");
        break;
      case Type::kMap:
        check_entries(shape, value, path);
        break;
      default:
        break;
    }
  }

  void finish() const {
    if (count_ == 0) return;
    std::string text = std::to_string(count_) + " validation error" + (count_ == 1 ? "" : "s") + " detected: ";
    for (std::size_t i = 0; i < violations_.size(); ++i) text.append(i == 0 ? "" : "; ").append(violations_[i]);
    throw ServiceError(Code::kValidationException, text);
  }

 private:
  void violate(const std::string& value, const std::string& path, const std::string& constraint) {
    if (++count_ <= kMaxListed)
      violations_.push_back("Value " + value + " at '" + path + "' failed to satisfy constraint: " + constraint);
  }

  [[noreturn]] static void wrong_type(const Shape& shape, const Json& value, const std::string& path) {
    throw ServiceError(Code::kSerializationException, "'" + path + "': a JSON " + std::string(value.type_name()) +
                                                          " (" + shown(value).substr(0, 100) +
                                                          ") cannot be converted to " + type_name(shape.type));
  }

  /// Wrong JSON types end the check, as do numbers that the type cannot hold; ISO times become numbers.
  static void convert(const Shape& shape, Json& value, const std::string& path) {
    bool good = true;
    switch (shape.type) {
      case Type::kStructure:
      case Type::kMap:
        good = value.is_object();
        break;
      case Type::kList:
        good = value.is_array();
        break;
      case Type::kString:
      case Type::kBlob:
        good = value.is_string();
        break;
      case Type::kInteger:
      case Type::kLong: {
        const auto whole = exact_integer(value);
        // Integers written as 3.0 or 3e0 are accepted when they are whole, as AWS's parser does.
        good = whole && (shape.type == Type::kLong || (*whole >= INT32_MIN && *whole <= INT32_MAX));
        if (good) value = *whole;
        break;
      }
      case Type::kFloat:
        // No operation has a use for these, and every sum that they enter is lost.
        if (is_special_float(value))
          throw ServiceError(Code::kInvalidParameterValue,
                             "The value " + value.get<std::string>() + " for parameter " + path + " is invalid.");
        good = value.is_number();
        break;
      case Type::kBoolean:
        good = value.is_boolean();
        break;
      case Type::kTimestamp:
        if (value.is_string()) {
          const auto time = parse_iso8601(value.get<std::string>());
          if (time) value = epoch_seconds(*time);
        }
        good = is_time(value);
        break;
    }
    if (!good) wrong_type(shape, value, path);
  }

  /// The values of an enum, as many as a reader looks through.
  static std::string shown_values(std::span<const char* const> values) {
    std::string all;
    std::size_t shown = 0;
    for (; shown < values.size() && all.size() < kShownEnumBytes; ++shown)
      all.append(all.empty() ? "" : ", ").append(values[shown]);
    if (shown < values.size()) all += ", ... (" + std::to_string(values.size() - shown) + " more)";
    return all;
  }

  /// Every constraint of this one value that does not hold.
  static std::vector<std::string> broken(const Shape& shape, const Json& value) {
    std::vector<std::string> out;
    const bool number = shape.type == Type::kInteger || shape.type == Type::kLong || shape.type == Type::kFloat;
    double measure = 0;
    if (number) {
      measure = value.get<double>();
    } else if (shape.type == Type::kString || shape.type == Type::kBlob) {
      measure = static_cast<double>(utf16_length(value.get_ref<const std::string&>()));
    } else {
      measure = static_cast<double>(value.size());
    }
    const std::string what = number ? "value" : "length";
    if (shape.max != model::kNoLimit && measure > static_cast<double>(shape.max))
      out.push_back("Member must have " + what + " less than or equal to " + std::to_string(shape.max));
    if (shape.min != model::kNoLimit && measure < static_cast<double>(shape.min))
      out.push_back("Member must have " + what + " greater than or equal to " + std::to_string(shape.min));
    if (shape.type != Type::kString) return out;
    const std::string& text = value.get_ref<const std::string&>();
    if (shape.count > 0) {
      const auto values = model::kEnumValues.subspan(shape.first, shape.count);
      const bool listed = std::find(values.begin(), values.end(), text) != values.end();
      if (!listed && (shape.pattern == nullptr || !out.empty() || !matches_pattern(shape.pattern, text)))
        out.push_back("Member must satisfy enum value set: [" + shown_values(values) + "]");
      return out;
    }
    // A text that is too long is not worth matching.
    if (shape.pattern != nullptr && out.empty() && !matches_pattern(shape.pattern, text))
      out.push_back(std::string("Member must satisfy regular expression pattern: ") + shape.pattern);
    return out;
  }

  void check_constraints(const Shape& shape, const Json& value, const std::string& path) {
    for (const std::string& constraint : broken(shape, value)) violate("'" + shown(value) + "'", path, constraint);
  }

  void check_members(const Shape& shape, Json& value, const std::string& path) {
    for (const model::Member& member : model::kMembers.subspan(shape.first, shape.count)) {
      const std::string at = joined(path, camel(member.name));
      const auto found = value.find(member.name);
      // An explicit null counts as absent, and is removed so that handlers need not look for it.
      if (found != value.end() && found->is_null()) value.erase(found);
      const auto present = value.find(member.name);
      if (present != value.end()) {
        check(model::kShapes[member.shape], *present, at);
      } else if (member.required) {
        violate("null", at, "Member must not be null");
      }
    }
  }

  void check_entries(const Shape& shape, Json& value, const std::string& path) {
    const Shape& keys = model::kShapes[shape.first];
    const Shape& values = model::kShapes[shape.count];
    for (auto& [key, entry] : value.items()) {
      const std::string pair = "'{" + key.substr(0, 256) + "=" + shown(entry) + "}'";
      if (const auto list = broken(keys, Json(key)); !list.empty())
        violate(pair, path, "Map keys must satisfy constraint: " + bracketed(list));
      // Maps of strings (HyperParameters, Environment) report constraints as pairs; other maps report the value's own
      // path.
      if (values.type != Type::kString) {
        check(values, entry, path + "." + key.substr(0, 256) + ".member");
        continue;
      }
      convert(values, entry, path + "." + key.substr(0, 256));
      if (const auto list = broken(values, entry); !list.empty())
        violate(pair, path, "Map value must satisfy constraint: " + bracketed(list));
    }
  }

  static std::string bracketed(const std::vector<std::string>& parts) {
    std::string out = "[";
    for (std::size_t i = 0; i < parts.size(); ++i) out.append(i == 0 ? "" : ", ").append(parts[i]);
    return out + "]";
  }

  std::size_t count_ = 0;
  std::vector<std::string> violations_;
};

}  // namespace

void validate(const model::Operation& operation, Json& input) {
  if (operation.input < 0) return;
  Validator validator;
  validator.check(model::kShapes[static_cast<std::size_t>(operation.input)], input, "");
  validator.finish();
}

}  // namespace clary::aws
