// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/serve_request.h"

#include <charconv>

#include "base/error.h"

namespace clary::shell {

std::optional<std::string_view> ServeRequest::parameter(std::string_view name) const {
  // Accept is the first place, since clients may set it freely; the content type's parameters also describe the body.
  if (const auto found = accept.parameter(name)) return found;
  return content_type.parameter(name);
}

bool ServeRequest::flag(std::string_view name) const {
  return accept.parameter(name) ? accept.flag(name) : content_type.flag(name);
}

std::optional<std::int64_t> ServeRequest::integer(std::string_view name, std::int64_t low, std::int64_t high) const {
  const auto text = parameter(name);
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text->data(), text->data() + text->size(), value);
  if (error != std::errc() || end != text->data() + text->size() || value < low || value > high)
    throw Error(Kind::kInvalid, std::string(name) + ": '" + std::string(*text) + "' is not an integer from " +
                                    std::to_string(low) + " to " + std::to_string(high));
  return value;
}

}  // namespace clary::shell
