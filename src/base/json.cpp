// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include <cmath>

#include "base/error.h"
#include "base/json_fault.h"

namespace clary {

Json parse_json(std::string_view text) {
  // Called for each event of the parser, before the value exists: a bomb of brackets stops at the limit.
  const auto bounded = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxJsonDepth)
      throw Error(Kind::kMalformed, "JSON is nested deeper than " + std::to_string(kMaxJsonDepth));
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const Json::parse_error& e) {
    throw Error(Kind::kMalformed, json_fault_at(text, e.byte).message());
  } catch (const Json::exception& e) {
    throw Error(Kind::kMalformed, std::string("not valid JSON: ") + e.what());
  }
}

std::optional<std::int64_t> exact_integer(const Json& value) {
  constexpr double kLargestExact = 9007199254740992.0;  // 2^53
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    return number <= INT64_MAX ? std::optional(static_cast<std::int64_t>(number)) : std::nullopt;
  }
  if (value.is_number_integer()) return value.get<std::int64_t>();
  if (!value.is_number_float()) return std::nullopt;
  const auto number = value.get<double>();
  if (std::trunc(number) != number || std::fabs(number) > kLargestExact) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

// Invalid UTF-8 becomes U+FFFD: a string of a user's program must not make an answer fail.
std::string dump_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace clary
