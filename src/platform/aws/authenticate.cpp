// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/authenticate.h"

#include <charconv>

#include "base/hash.h"
#include "base/text.h"

namespace clary::aws {

namespace {

// Reading and verifying are two steps: the service, and so the form of an error, is known from the signature before it
// is checked.
using Form = Signature::Form;

void malformed(Signature& s, std::string why) {
  s.form = Form::kMalformed;
  s.malformed = std::move(why);
}

// Views into the request's header or into members of Signature: both must outlive `s`, which is neither copied nor
// moved afterwards.
void take_scope(Signature& s, const Scope& scope) {
  s.scope = scope;
  s.access_key = scope.access_key;
  s.region = scope.region;
  s.service = scope.service;
}

void read_header(const http::Request& request, std::string_view value, Signature& s) {
  if (value.starts_with("AWS4-ECDSA-P256-SHA256"))
    return malformed(s, "SigV4a (AWS4-ECDSA-P256-SHA256) is not supported; use AWS4-HMAC-SHA256");
  const auto parsed = parse_authorization(value);
  if (!parsed)
    return malformed(s,
                     "The authorization header is malformed; expected AWS4-HMAC-SHA256 "
                     "Credential=<key>/<date>/<region>/<service>/aws4_request, SignedHeaders=..., Signature=...");
  s.form = Form::kHeader;
  take_scope(s, parsed->scope);
  s.signed_headers = parsed->signed_headers;
  s.signature = parsed->signature;
  // SigV4 allows Date where X-Amz-Date is missing; the string to sign then has its ISO 8601 form.
  if (const auto date = request.headers.get("X-Amz-Date")) {
    s.timestamp = *date;
  } else if (const auto http_time = parse_http_date(request.headers.value_or("Date", ""))) {
    s.timestamp_text = basic_iso8601(*http_time);
    s.timestamp = s.timestamp_text;
  } else {
    malformed(s, "The request has no X-Amz-Date header");
  }
}

void read_query(std::string_view query, Signature& s) {
  if (query_value(query, "X-Amz-Algorithm") != kAlgorithm)
    return malformed(s, "X-Amz-Algorithm only supports \"AWS4-HMAC-SHA256\"");
  // Decoded copies: the scope's views point into s.credential, which therefore is set first.
  s.credential = query_value(query, "X-Amz-Credential").value_or("");
  s.signed_headers_text = query_value(query, "X-Amz-SignedHeaders").value_or("");
  s.signature_text = query_value(query, "X-Amz-Signature").value_or("");
  s.timestamp_text = query_value(query, "X-Amz-Date").value_or("");
  const auto scope = parse_scope(s.credential);
  if (!scope)
    return malformed(
        s, "Error parsing the X-Amz-Credential parameter; expected <key>/<date>/<region>/<service>/aws4_request");
  if (s.signed_headers_text.empty() || s.signature_text.size() != 64 || s.timestamp_text.empty())
    return malformed(s,
                     "Query-string authentication version 4 requires the X-Amz-Algorithm, X-Amz-Credential, "
                     "X-Amz-Signature, X-Amz-Date, X-Amz-SignedHeaders, and X-Amz-Expires parameters.");
  s.form = Form::kPresigned;
  take_scope(s, *scope);
  s.signed_headers = s.signed_headers_text;
  s.signature = s.signature_text;
  s.timestamp = s.timestamp_text;
}

void read_v2_query(std::string_view query, Signature& s) {
  s.credential = query_value(query, "AWSAccessKeyId").value_or("");
  s.signature_text = query_value(query, "Signature").value_or("");
  s.timestamp_text = query_value(query, "Expires").value_or("");
  if (s.credential.empty() || s.signature_text.empty() || s.timestamp_text.empty())
    return malformed(s, "Query-string authentication requires the Signature, Expires and AWSAccessKeyId parameters");
  s.form = Form::kPresignedV2;
  s.access_key = s.credential;
  s.service = "s3";
  s.signature = s.signature_text;
  s.timestamp = s.timestamp_text;
}

std::optional<long> number(std::string_view text) {
  long value = 0;
  const auto [end, ec] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (ec != std::errc() || end != text.data() + text.size() || value < 0) return std::nullopt;
  return value;
}

[[noreturn]] void fail(Wire wire, AuthFailure failure) { throw ServiceError(default_code(wire, failure)); }
[[noreturn]] void fail(Wire wire, AuthFailure failure, const std::string& message, Json extra = Json::object()) {
  throw ServiceError(default_code(wire, failure), message, std::move(extra));
}

/// A temporary key is only good with its session token, which was issued with it.
void check_token(const http::Request& request, const Signature& s, const Credentials::Found& key,
                 const VerifyOptions& o) {
  // expires 0: a permanent key, which needs no token.
  if (key.expires == 0) return;
  if (key.expires < o.now) fail(o.wire, AuthFailure::kExpired);
  std::string token(request.headers.value_or("X-Amz-Security-Token", ""));
  if (token.empty() && s.form != Form::kHeader) {
    const char* name = s.form == Form::kPresigned ? "X-Amz-Security-Token" : "x-amz-security-token";
    token = query_value(request.query(), name).value_or("");
  }
  // The same error as for an unknown key: nothing is revealed about which of the two was wrong.
  if (!equal_in_constant_time(token, key.session_token)) fail(o.wire, AuthFailure::kUnknownKey);
}

void check_time(const http::Request& request, const Signature& s, const VerifyOptions& o) {
  const auto signed_at = parse_basic_iso8601(s.timestamp);
  // The signing key is derived from the date, so a signature with another day's timestamp is meaningless.
  if (!signed_at || s.timestamp.substr(0, 8) != s.scope.date)
    fail(o.wire, AuthFailure::kIncomplete, "The date of the request does not match the date of its credential scope");
  if (s.form == Form::kPresigned) {
    const auto lifetime = number(query_value(request.query(), "X-Amz-Expires").value_or(""));
    if (!lifetime || *lifetime < 1 || *lifetime > kMaxPresignedSeconds)
      throw ServiceError(Code::kAuthorizationQueryParametersError,
                         "X-Amz-Expires must be a number of seconds from 1 to 604800 (a week)");
    if (o.now > *signed_at + *lifetime * 1000)
      fail(o.wire, AuthFailure::kDenied, "Request has expired",
           {{"ExpiresDate", iso8601_ms(*signed_at + *lifetime * 1000)}, {"ServerTime", iso8601_ms(o.now)}});
    if (o.now < *signed_at - kMaxSkewMs) fail(o.wire, AuthFailure::kDenied, "Request is not yet valid");
    // A presigned URL may be used until it expires; the 15 minutes apply to its beginning only.
    return;
  }
  if (o.now - *signed_at <= kMaxSkewMs && *signed_at - o.now <= kMaxSkewMs) return;
  if (o.wire == Wire::kS3)
    fail(o.wire, AuthFailure::kSkewed, std::string(row(Code::kRequestTimeTooSkewed).text),
         {{"RequestTime", s.timestamp}, {"ServerTime", iso8601_ms(o.now)}, {"MaxAllowedSkewMilliseconds", kMaxSkewMs}});
  // AWS's text for the other services, which SDKs parse to correct their clock.
  const bool late = *signed_at < o.now;
  fail(o.wire, AuthFailure::kSkewed,
       std::string(late ? "Signature expired: " : "Signature not yet current: ") + std::string(s.timestamp) +
           (late ? " is now earlier than " : " is still later than ") +
           basic_iso8601(late ? o.now - kMaxSkewMs : o.now + kMaxSkewMs) + " (" + basic_iso8601(o.now) +
           (late ? " - 15 min.)" : " + 15 min.)"));
}

bool names_header(std::string_view signed_headers, std::string_view name) {
  for (const std::string_view signed_name : split(signed_headers, ';'))
    if (http::equal_ignoring_case(signed_name, name)) return true;
  return false;
}

/// `host` ties the signature to this server. S3 demands all x-amz-* headers too: they change what the request does
/// (ACLs, copies), so an unsigned one could have been added on the way.
void check_signed_headers(const http::Request& request, const Signature& s, const VerifyOptions& o) {
  if (!names_header(s.signed_headers, "host"))
    fail(o.wire, AuthFailure::kIncomplete, "SignedHeaders must contain host");
  if (o.wire != Wire::kS3) return;
  for (const auto [name, value] : request.headers)
    if (name.size() > 6 && http::equal_ignoring_case(name.substr(0, 6), "x-amz-") &&
        !names_header(s.signed_headers, name))
      fail(o.wire, AuthFailure::kDenied, "There were headers present in the request which were not signed",
           {{"HeadersNotSigned", lower(name)}});
}

void verify_v2(const http::Request& request, const Signature& s, const std::string& secret, const VerifyOptions& o) {
  const auto expires = number(s.timestamp);
  if (!expires) fail(o.wire, AuthFailure::kDenied, "Invalid date (should be seconds since epoch): " + s.timestamp_text);
  if (o.now / 1000 > *expires)
    fail(o.wire, AuthFailure::kDenied, "Request has expired",
         {{"ExpiresDate", iso8601_ms(*expires * 1000)}, {"ServerTime", iso8601_ms(o.now)}});
  // Version 2 signs the resource with the bucket in front, also when the host named it.
  std::string resource;
  if (!o.v2_bucket.empty()) resource.append("/").append(o.v2_bucket);
  resource.append(request.path());
  const std::string text = v2_string_to_sign(request.method, resource, request.query(), request.headers, s.timestamp);
  // Constant time: comparing byte by byte would reveal how long a prefix of a guessed signature is right.
  if (!equal_in_constant_time(to_base64(hmac_sha1(secret, text)), s.signature))
    fail(o.wire, AuthFailure::kBadSignature, std::string(row(Code::kSignatureDoesNotMatch).text),
         {{"AWSAccessKeyId", s.access_key}, {"StringToSign", text}, {"SignatureProvided", s.signature}});
}

}  // namespace

// Nothing is verified here, and nothing thrown: a malformed signature is remembered with its reason and refused by
// verify().
void read_signature(const http::Request& request, Signature& s) {
  const auto header = request.headers.get("Authorization");
  if (header) {
    read_header(request, *header, s);
    return;
  }
  const std::string_view query = request.query();
  if (query.empty()) return;
  // A query with only one of the two is malformed rather than unsigned.
  if (query_has(query, "X-Amz-Signature") || query_has(query, "X-Amz-Credential")) {
    read_query(query, s);
  } else if (query_has(query, "AWSAccessKeyId") && query_has(query, "Signature")) {
    read_v2_query(query, s);
  }
}

Verified verify(const http::Request& request, const Signature& s, const Credentials& credentials,
                const VerifyOptions& o) {
  if (s.form == Form::kNone) fail(o.wire, AuthFailure::kMissing);
  if (s.form == Form::kMalformed) {
    if (o.wire == Wire::kS3 && !request.headers.has("Authorization"))
      throw ServiceError(Code::kAuthorizationQueryParametersError, s.malformed);
    fail(o.wire, AuthFailure::kIncomplete, s.malformed);
  }
  // Development mode accepts any signature, but still demands one of a proper form: clients that forget to sign shall
  // notice.
  // Before any look-up of the key: a client of --dev may use any key.
  if (o.dev) return {};
  const auto key = credentials.find(s.access_key);
  if (!key)
    fail(o.wire, AuthFailure::kUnknownKey, std::string(row(default_code(o.wire, AuthFailure::kUnknownKey)).text),
         o.wire == Wire::kS3 ? Json{{"AWSAccessKeyId", s.access_key}} : Json::object());
  // Checks in the order that AWS reports them: key, token, time, headers, signature.
  check_token(request, s, *key, o);
  if (s.form == Form::kPresignedV2) {
    verify_v2(request, s, key->secret, o);
    return {};
  }
  check_time(request, s, o);
  // The canonical request is rebuilt from what was received; nothing of it is taken from the client.
  check_signed_headers(request, s, o);
  const CanonicalInput input{request.method,   request.path(), request.query(), request.headers,
                             s.signed_headers, o.payload_hash, o.path_rule};
  const std::string canonical = canonical_request(input);
  const std::string text = string_to_sign(s.timestamp, s.scope.text, canonical);
  const std::string& signing = cached_signing_key(key->secret, s.scope);
  if (equal_in_constant_time(sign_text(signing, text), s.signature)) return {signing};
  const std::string message(row(default_code(o.wire, AuthFailure::kBadSignature)).text);
  if (o.wire == Wire::kS3)
    fail(o.wire, AuthFailure::kBadSignature, message,
         {{"AWSAccessKeyId", s.access_key},
          {"StringToSign", text},
          {"SignatureProvided", s.signature},
          {"CanonicalRequest", canonical}});
  fail(o.wire, AuthFailure::kBadSignature,
       message + "\n\nThe Canonical String for this request should have been\n'" + canonical +
           "'\n\nThe String-to-Sign should have been\n'" + text + "'\n");
}

}  // namespace clary::aws
