// SPDX-License-Identifier: Apache-2.0
// Small text functions shared by several folders.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clary {

std::string_view trimmed(std::string_view text);
std::string lower(std::string_view text);
std::vector<std::string_view> split(std::string_view text, char separator);

/// True when the bytes are well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes);

/// Percent-encodes every byte outside A-Za-z0-9-._~ (and '/' when keep_slash), upper-case hex: RFC 3986 as SigV4 wants
/// it.
std::string percent_encoded(std::string_view text, bool keep_slash = false);

/// Decodes %XX once; nothing on a cut or non-hex escape. plus_is_space for form bodies.
std::optional<std::string> percent_decoded(std::string_view text, bool plus_is_space = false);

}  // namespace clary
