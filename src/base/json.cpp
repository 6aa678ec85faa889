// SPDX-License-Identifier: Apache-2.0
#include "base/json.h"

#include "base/error.h"

namespace clary {

Json parse_json(std::string_view text) {
  const auto bounded = [](int depth, Json::parse_event_t, Json&) {
    if (depth > kMaxJsonDepth)
      throw Error(Kind::kMalformed, "JSON is nested deeper than " + std::to_string(kMaxJsonDepth));
    return true;
  };
  try {
    return Json::parse(text, bounded);
  } catch (const Json::parse_error& e) {
    throw Error(Kind::kMalformed, "not valid JSON at byte " + std::to_string(e.byte));
  } catch (const Json::exception& e) {
    throw Error(Kind::kMalformed, std::string("not valid JSON: ") + e.what());
  }
}

std::string dump_json(const Json& value) { return value.dump(-1, ' ', false, Json::error_handler_t::replace); }

}  // namespace clary
