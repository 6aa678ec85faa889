// SPDX-License-Identifier: Apache-2.0
// AWS's own description of its operations, generated at build time from the botocore models that Debian's
// python3-botocore installs (cmake/generate_service_model.py) into constant tables: nothing is read or parsed when the
// server starts. Requests are checked against it with AWS's texts.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/json.h"

namespace clary::aws {

namespace model {

enum class Type : std::uint8_t {
  kStructure,
  kList,
  kMap,
  kString,
  kBlob,
  kInteger,
  kLong,
  kFloat,
  kBoolean,
  kTimestamp
};

constexpr std::int64_t kNoLimit = INT64_MIN;

struct Member {
  const char* name;     // as on the wire
  std::uint16_t shape;  // index into kShapes
  bool required;
};

struct Shape {
  Type type;
  std::uint16_t first, count;  // structure: members; string: enum values; list: `first` is the element's shape;
                               // map: `first` is the key's shape, `count` the value's
  std::int64_t min, max;       // of length, entries or value; kNoLimit
  const char* pattern;         // or null; beside enum values: what else is a value
};

struct Operation {
  const char* name;
  std::int32_t input, output;  // shapes, or -1
};

struct Service {
  const char* name;   // botocore's folder
  const char* title;  // "Amazon SageMaker"
  const char* protocol;
  std::span<const Operation> operations;  // sorted by name
};

extern const std::span<const Shape> kShapes;
extern const std::span<const Member> kMembers;
extern const std::span<const char* const> kEnumValues;
extern const std::span<const Service> kServices;

const Service* find_service(std::string_view name) noexcept;
const Operation* find_operation(const Service& service, std::string_view name) noexcept;

}  // namespace model

/// Checks an input document. Members that the model does not know are left alone; timestamps given as ISO text become
/// numbers; nulls go away.
/// @throws ServiceError{SerializationException} for wrong JSON types and numbers that do not fit the member's type,
/// {InvalidParameterValue} for NaN and infinities, {ValidationException} naming every violation
void validate(const model::Operation& operation, Json& input);

/// The query protocol's form (Dimensions.member.1.Name=...) as the JSON document of the same request.
/// @throws ServiceError{MalformedQueryString, InvalidParameterValue}
Json json_from_form(const model::Operation& operation, const std::map<std::string, std::string>& form);
/// A JSON answer as the inner XML of the query protocol's <OperationResult>.
std::string xml_from_json(const model::Operation& operation, const Json& output);

}  // namespace clary::aws
