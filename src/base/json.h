// SPDX-License-Identifier: Apache-2.0
// JSON documents (configuration, API bodies, descriptors). Rows of numbers for inference go through formats/, not here.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace clary {

using Json = nlohmann::json;

constexpr int kMaxJsonDepth = 64;

/// @throws Error{kMalformed} naming the byte offset, also when nested deeper than kMaxJsonDepth
Json parse_json(std::string_view text);

/// Compact form; bytes that are not UTF-8 become U+FFFD, so it never throws on foreign text.
std::string dump_json(const Json& value);

}  // namespace clary
