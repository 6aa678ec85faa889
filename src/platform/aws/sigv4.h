// SPDX-License-Identifier: Apache-2.0
// AWS Signature Version 4 (header and presigned query) and the presigned form of Version 2: the parts that verifying
// and signing share. Nothing here knows a clock, a key store or an error code; authenticate.h does.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "http/headers.h"

namespace clary::aws {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";
constexpr std::string_view kEmptySha256 = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// <access key>/<yyyymmdd>/<region>/<service>/aws4_request
struct Scope {
  std::string_view access_key, date, region, service;
  std::string_view text;  // from the date on, as string-to-sign has it
};

/// Views into the text it was parsed from.
struct Authorization {
  Scope scope;
  std::string_view signed_headers;  // as sent: names in lower case, joined by ';'
  std::string_view signature;       // 64 hex digits
};

/// Nothing when the text is not of that form, or a field is empty, too long or holds foreign characters.
std::optional<Scope> parse_scope(std::string_view credential);
/// The value of an Authorization header that begins with AWS4-HMAC-SHA256. Nothing when malformed.
std::optional<Authorization> parse_authorization(std::string_view value);

/// The first value of that name in a query string, percent-decoded; nothing when absent or not decodable.
std::optional<std::string> query_value(std::string_view query, std::string_view name);
bool query_has(std::string_view query, std::string_view name) noexcept;

/// How the path enters the canonical request.
enum class PathRule { kS3, kOthers };

struct CanonicalInput {
  std::string_view method;
  std::string_view path;   // as sent
  std::string_view query;  // as sent, without '?'
  const http::Headers& headers;
  std::string_view signed_headers;
  std::string_view payload_hash;
  PathRule path_rule = PathRule::kOthers;
};

/// X-Amz-Signature is left out of the query.
std::string canonical_request(const CanonicalInput& input);
std::string canonical_path(std::string_view path, PathRule rule);
std::string canonical_query(std::string_view query);

std::string signing_key(std::string_view secret, const Scope& scope);
/// The same through a per-thread cache: a key serves a whole day.
const std::string& cached_signing_key(std::string_view secret, const Scope& scope);

std::string string_to_sign(std::string_view timestamp, std::string_view scope_text, std::string_view canonical);
/// Hex signature of a text.
std::string sign_text(const std::string& key, std::string_view text);

/// Text that a Version 2 presigned URL signs. `resource`: "/bucket/key" as sent, without query.
std::string v2_string_to_sign(std::string_view method, std::string_view resource, std::string_view query,
                              const http::Headers& headers, std::string_view expires);

}  // namespace clary::aws
