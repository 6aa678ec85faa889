// SPDX-License-Identifier: Apache-2.0
// The query protocol's forms and XML, converted from and to JSON by the service model: one function per operation then
// serves both generations of clients.
#include <charconv>
#include <cmath>
#include <cstdint>
#include <optional>

#include "base/time.h"
#include "platform/aws/service_error.h"
#include "platform/aws/service_model.h"
#include "platform/aws/xml.h"

namespace clary::aws {

using model::Shape;
using model::Type;

namespace {

constexpr int kMaxElements = 1000;
constexpr int kMaxDepth = 12;

using FormMap = std::map<std::string, std::string>;

/// A field of that name, or fields below it.
/// Names like "Dimensions.member.1.Name" form a tree; std::map's order puts everything below a prefix together.
bool has_prefix(const FormMap& form, const std::string& prefix) {
  if (form.contains(prefix)) return true;
  const auto below = form.lower_bound(prefix + ".");
  return below != form.end() && below->first.starts_with(prefix + ".");
}

[[noreturn]] void bad(const std::string& name, const std::string& value, const char* rule) {
  throw ServiceError(Code::kInvalidParameterValue,
                     "Value '" + value.substr(0, 256) + "' of parameter " + name + " is not " + rule);
}

/// The whole text as a number of that type, or nothing.
template <class T>
std::optional<T> parsed(const std::string& text) {
  T value{};
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

/// Integers stay integers: a double would round those beyond 2^53. validate() checks the range.
Json number(const std::string& name, const std::string& text) {
  if (const auto whole = parsed<std::int64_t>(text)) return *whole;
  const auto value = parsed<double>(text);
  if (!value) bad(name, text, "a number");
  if (!std::isfinite(*value))  // from_chars reads "inf" and "nan"; AWS answers in these words
    throw ServiceError(Code::kInvalidParameterValue, "The value " + text + " for parameter " + name + " is invalid.");
  return *value;
}

Json scalar(const Shape& shape, const std::string& name, const std::string& text) {
  switch (shape.type) {
    case Type::kInteger:
    case Type::kLong:
    case Type::kFloat:
      return number(name, text);
    case Type::kBoolean:
      if (text != "true" && text != "false") bad(name, text, "true or false");
      return text == "true";
    case Type::kTimestamp: {
      const auto time = parse_iso8601(text);
      if (!time) bad(name, text, "an ISO 8601 time");
      return epoch_seconds(*time);
    }
    default:
      return text;
  }
}

// Guided by the model's shape, not by the form: fields that the model does not know are never looked at, and the depth
// is that of the model. kMaxDepth guards against recursive shapes.
Json read(const Shape& shape, const FormMap& form, const std::string& prefix, int depth) {
  if (depth > kMaxDepth) throw ServiceError(Code::kMalformedQueryString, "the form is nested too deep");
  if (shape.type == Type::kStructure) {
    Json object = Json::object();
    for (const model::Member& m : model::kMembers.subspan(shape.first, shape.count)) {
      const std::string name = prefix.empty() ? m.name : prefix + "." + m.name;
      if (has_prefix(form, name)) object[m.name] = read(model::kShapes[m.shape], form, name, depth + 1);
    }
    return object;
  }
  if (shape.type == Type::kList) {
    Json list = Json::array();
    // Members are numbered from 1 without gaps; a gap ends the list, as botocore writes none.
    for (int i = 1;; ++i) {
      const std::string name = prefix + ".member." + std::to_string(i);
      if (!has_prefix(form, name)) break;
      if (i > kMaxElements) bad(prefix, name, "among the 1000 elements that a list may have");
      list.push_back(read(model::kShapes[shape.first], form, name, depth + 1));
    }
    return list;
  }
  const auto hit = form.find(prefix);
  if (hit == form.end()) throw ServiceError(Code::kMalformedQueryString, "parameter " + prefix + " has no value");
  return scalar(shape, prefix, hit->second);
}

void write(Xml& out, const Shape& shape, const Json& value) {
  switch (shape.type) {
    case Type::kStructure:
      for (const model::Member& m : model::kMembers.subspan(shape.first, shape.count)) {
        const auto hit = value.find(m.name);
        if (hit == value.end() || hit->is_null()) continue;
        out.open(m.name);
        write(out, model::kShapes[m.shape], *hit);
        out.close();
      }
      break;
    case Type::kList:
      for (const Json& element : value) {
        out.open("member");
        write(out, model::kShapes[shape.first], element);
        out.close();
      }
      break;
    case Type::kTimestamp:
      out.text(iso8601_ms(static_cast<EpochMs>(value.get<double>() * 1000.0)));
      break;
    default:
      out.text(value.is_string() ? value.get<std::string>() : dump_json(value));
  }
}

}  // namespace

Json json_from_form(const model::Operation& operation, const FormMap& form) {
  if (operation.input < 0) return Json::object();
  return read(model::kShapes[static_cast<std::size_t>(operation.input)], form, "", 0);
}

std::string xml_from_json(const model::Operation& operation, const Json& output) {
  Xml out;
  if (operation.output >= 0) write(out, model::kShapes[static_cast<std::size_t>(operation.output)], output);
  return out.finish();
}

}  // namespace clary::aws
