// SPDX-License-Identifier: Apache-2.0
// JSON documents (configuration, API bodies, descriptors). Rows of numbers for inference go through formats/, not here.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace clary {

using Json = nlohmann::json;

constexpr int kMaxJsonDepth = 64;

/// @throws Error{kMalformed} naming the byte offset, also when nested deeper than kMaxJsonDepth
Json parse_json(std::string_view text);

/// The number exactly, when it is whole and fits: Json::get<std::int64_t>() makes -1 of 2^64-1. A whole number that was
/// written as a fraction ("5.0") counts up to 2^53, beyond which a double no longer names one integer.
std::optional<std::int64_t> exact_integer(const Json& value);

/// Compact form; bytes that are not UTF-8 become U+FFFD, so it never throws on foreign text.
std::string dump_json(const Json& value);

}  // namespace clary
