// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/sigv4.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "base/hash.h"
#include "base/text.h"

namespace clary::aws {

namespace {

// More would be no real client, and each costs a pass over the headers.
constexpr std::size_t kMaxSignedHeaders = 128;
constexpr std::size_t kMaxCachedKeys = 1024;
constexpr char kUpperHex[] = "0123456789ABCDEF";

bool is_unreserved(char c) noexcept {
  return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
         c == '_' || c == '~';
}

int hex_value(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_escaped(std::string& out, char c) {
  out += '%';
  out += kUpperHex[static_cast<unsigned char>(c) >> 4];
  out += kUpperHex[static_cast<unsigned char>(c) & 15];
}

/// Every byte escaped exactly once, whether the sender escaped it or not: clients escape different sets of characters
/// on the wire, but sign the form in which everything outside the unreserved set is escaped.
/// keep_slash: in paths a slash separates; in query strings it is data and is escaped.
void append_escaped_once(std::string& out, std::string_view text, bool keep_slash, bool plus_is_space) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (is_unreserved(c) || (keep_slash && c == '/')) {
      out += c;
    } else if (c == '%' && i + 2 < text.size() && hex_value(text[i + 1]) >= 0 && hex_value(text[i + 2]) >= 0) {
      const char byte = static_cast<char>(hex_value(text[i + 1]) * 16 + hex_value(text[i + 2]));
      if (is_unreserved(byte)) {
        out += byte;
      } else {
        append_escaped(out, byte);
      }
      i += 2;
    } else if (c == '+' && plus_is_space) {
      out += "%20";
    } else {
      append_escaped(out, c);
    }
  }
}

/// RFC 3986 section 5.2.4, and runs of '/' made one, as every service but S3 signs its path.
std::string without_dot_segments(std::string_view path) {
  std::vector<std::string_view> kept;
  for (const std::string_view part : split(path, '/')) {
    if (part.empty() || part == ".") continue;
    if (part != "..") {
      kept.push_back(part);
    } else if (!kept.empty()) {
      kept.pop_back();
    }
  }
  std::string out;
  for (const std::string_view part : kept) out.append("/").append(part);
  if (out.empty() || path.ends_with('/')) out += '/';
  return out;
}

/// Trimmed, inner runs of blanks made one.
/// AWS, "Create a signed AWS API request": the function Trim of the canonical headers.
void append_header_value(std::string& out, std::string_view value) {
  value = trimmed(value);
  bool blank = false;
  for (const char c : value) {
    if (c == ' ' || c == '\t') {
      if (!blank) out += ' ';
      blank = true;
    } else {
      out += c;
      blank = false;
    }
  }
}

bool is_plain(std::string_view text, std::size_t max) noexcept {
  if (text.empty() || text.size() > max) return false;
  return std::all_of(text.begin(), text.end(), [](char c) { return c > ' ' && c < 0x7F && c != '/' && c != ','; });
}

bool is_lower_hex(std::string_view text) noexcept {
  return std::all_of(text.begin(), text.end(), [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); });
}

struct Pair {
  std::string name, value;
  // By name, then by value, both escaped: the order of the canonical query string.
  bool operator<(const Pair& other) const { return name != other.name ? name < other.name : value < other.value; }
};

std::pair<std::string_view, std::string_view> cut(std::string_view text, char at) {
  const std::size_t i = text.find(at);
  if (i == std::string_view::npos) return {text, {}};
  return {text.substr(0, i), text.substr(i + 1)};
}

}  // namespace

std::optional<Scope> parse_scope(std::string_view credential) {
  const auto parts = split(credential, '/');
  if (parts.size() != 5 || parts[4] != "aws4_request") return std::nullopt;
  if (!is_plain(parts[0], 128) || parts[1].size() != 8 || !is_plain(parts[2], 64) || !is_plain(parts[3], 64))
    return std::nullopt;
  if (!std::all_of(parts[1].begin(), parts[1].end(), [](char c) { return c >= '0' && c <= '9'; })) return std::nullopt;
  return Scope{parts[0], parts[1], parts[2], parts[3], credential.substr(parts[0].size() + 1)};
}

// The three parts may come in any order, with or without blanks after the commas; each exactly once.
std::optional<Authorization> parse_authorization(std::string_view value) {
  if (!value.starts_with(kAlgorithm)) return std::nullopt;
  value.remove_prefix(kAlgorithm.size());
  if (value.empty() || (value.front() != ' ' && value.front() != '\t')) return std::nullopt;
  std::string_view credential, signed_headers, signature;
  for (const std::string_view raw : split(value, ',')) {
    const auto [name, text] = cut(trimmed(raw), '=');
    std::string_view* into = name == "Credential"      ? &credential
                             : name == "SignedHeaders" ? &signed_headers
                             : name == "Signature"     ? &signature
                                                       : nullptr;
    if (into == nullptr || !into->empty() || text.empty()) return std::nullopt;
    *into = text;
  }
  const auto scope = parse_scope(credential);
  if (!scope || signed_headers.empty() || signature.size() != 64 || !is_lower_hex(signature)) return std::nullopt;
  return Authorization{*scope, signed_headers, signature};
}

std::optional<std::string> query_value(std::string_view query, std::string_view wanted) {
  while (!query.empty()) {
    const auto [pair, rest] = cut(query, '&');
    const auto [name, value] = cut(pair, '=');
    if (name == wanted) return percent_decoded(value, true);
    query = rest;
  }
  return std::nullopt;
}

bool query_has(std::string_view query, std::string_view wanted) noexcept {
  while (!query.empty()) {
    const auto [pair, rest] = cut(query, '&');
    if (cut(pair, '=').first == wanted) return true;
    query = rest;
  }
  return false;
}

// S3 signs the path as sent, escaped once: its keys may contain "//" and "..". All others normalise it and escape what
// was sent a second time.
std::string canonical_path(std::string_view path, PathRule rule) {
  if (path == "/" || path.empty()) return "/";
  // S3's rule escapes once; for all other services the path as sent (which is escaped already) is escaped again.
  if (rule == PathRule::kOthers) return percent_encoded(without_dot_segments(path), true);
  std::string out;
  out.reserve(path.size() + 16);
  append_escaped_once(out, path, true, false);
  return out;
}

std::string canonical_query(std::string_view query) {
  if (query.empty()) return {};
  std::vector<Pair> pairs;
  while (!query.empty()) {
    const auto [pair, rest] = cut(query, '&');
    query = rest;
    const auto [name, value] = cut(pair, '=');
    // Everything but the signature itself is signed; presigned URLs carry it among the parameters.
    if (pair.empty() || name == "X-Amz-Signature") continue;
    Pair& made = pairs.emplace_back();
    append_escaped_once(made.name, name, false, true);
    append_escaped_once(made.value, value, false, true);
  }
  std::sort(pairs.begin(), pairs.end());
  std::string out;
  for (const Pair& p : pairs) {
    if (!out.empty()) out += '&';
    out.append(p.name).append("=").append(p.value);
  }
  return out;
}

// AWS: "Create a signed AWS API request", step 1. A signed header that the request does not have enters with an empty
// value, and the signature then fails to match.
std::string canonical_request(const CanonicalInput& input) {
  std::string out;
  out.reserve(1024);
  out.append(input.method).append("\n");
  out.append(canonical_path(input.path, input.path_rule)).append("\n");
  out.append(canonical_query(input.query)).append("\n");
  std::size_t count = 0;
  // In the order in which the client listed them. It must be sorted to match what the client signed, which is not
  // checked here: a wrong order only makes the signature fail.
  for (std::string_view names = input.signed_headers; !names.empty() && count < kMaxSignedHeaders; ++count) {
    const auto [name, rest] = cut(names, ';');
    out.append(name).append(":");
    bool first = true;
    // Repeated headers are joined with commas in the order of their arrival.
    for (const auto [field, value] : input.headers) {
      if (!http::equal_ignoring_case(field, name)) continue;
      if (!first) out += ',';
      first = false;
      append_header_value(out, value);
    }
    out += '\n';
    names = rest;
  }
  out.append("\n").append(input.signed_headers).append("\n").append(input.payload_hash);
  return out;
}

// kSigning = HMAC(HMAC(HMAC(HMAC("AWS4" + secret, date), region), service), "aws4_request").
std::string signing_key(std::string_view secret, const Scope& scope) {
  const std::string start = "AWS4" + std::string(secret);
  return hmac_sha256(hmac_sha256(hmac_sha256(hmac_sha256(start, scope.date), scope.region), scope.service),
                     "aws4_request");
}

// Per thread, hence without a lock. The key of the cache includes the secret: one that was replaced is never used
// again.
// Saves four of the five HMACs of a request. The reference is valid until the next call on this thread; callers copy
// it or use it at once.
const std::string& cached_signing_key(std::string_view secret, const Scope& scope) {
  thread_local std::unordered_map<std::string, std::string> keys;
  thread_local std::string name;
  name.assign(secret).append("\n").append(scope.text);
  const auto hit = keys.find(name);
  if (hit != keys.end()) return hit->second;
  // A day has one entry for each region and service; the limit only matters for invented scopes, which would fill the
  // memory.
  if (keys.size() >= kMaxCachedKeys) keys.clear();
  return keys.emplace(name, signing_key(secret, scope)).first->second;
}

std::string string_to_sign(std::string_view timestamp, std::string_view scope_text, std::string_view canonical) {
  std::string out;
  out.reserve(192);
  out.append(kAlgorithm).append("\n").append(timestamp).append("\n").append(scope_text).append("\n");
  return out.append(to_hex(sha256(canonical)));
}

std::string sign_text(const std::string& key, std::string_view text) { return to_hex(hmac_sha256(key, text)); }

namespace {

/// Query parameters that are part of the resource in Version 2, in order.
constexpr auto kV2Resources = std::to_array<std::string_view>({
    "accelerate",
    "acl",
    "analytics",
    "cors",
    "defaultObjectAcl",
    "delete",
    "inventory",
    "lifecycle",
    "location",
    "logging",
    "metrics",
    "notification",
    "object-lock",
    "partNumber",
    "policy",
    "replication",
    "requestPayment",
    "response-cache-control",
    "response-content-disposition",
    "response-content-encoding",
    "response-content-language",
    "response-content-type",
    "response-expires",
    "restore",
    "select",
    "select-type",
    "storageClass",
    "tagging",
    "torrent",
    "uploadId",
    "uploads",
    "versionId",
    "versioning",
    "versions",
    "website",
});
static_assert(std::is_sorted(kV2Resources.begin(), kV2Resources.end()));

}  // namespace

// AWS, "Signing and authenticating REST requests" (Signature Version 2): method, MD5, type, expiry, x-amz-* headers,
// resource with its sub-resources.
std::string v2_string_to_sign(std::string_view method, std::string_view resource, std::string_view query,
                              const http::Headers& headers, std::string_view expires) {
  std::string out(method);
  out.append("\n").append(trimmed(headers.value_or("Content-MD5", "")));
  out.append("\n").append(trimmed(headers.value_or("Content-Type", "")));
  out.append("\n").append(expires).append("\n");
  std::vector<std::pair<std::string, std::string>> amz;
  const auto take = [&](std::string_view name, std::string_view value) {
    std::string key = lower(name);
    if (!key.starts_with("x-amz-")) return;
    const auto same = std::find_if(amz.begin(), amz.end(), [&](const auto& a) { return a.first == key; });
    if (same == amz.end()) {
      amz.emplace_back(std::move(key), trimmed(value));
    } else {
      same->second.append(",").append(trimmed(value));
    }
  };
  for (const auto [name, value] : headers) take(name, value);
  for (std::string_view rest = query; !rest.empty();) {  // botocore moves them into the URL
    const auto [pair, next] = cut(rest, '&');
    rest = next;
    const auto [name, value] = cut(pair, '=');
    if (!headers.has(name)) take(name, percent_decoded(value, true).value_or(std::string(value)));
  }
  std::sort(amz.begin(), amz.end());
  for (const auto& [name, value] : amz) out.append(name).append(":").append(value).append("\n");
  out.append(resource);
  std::vector<std::string> parts;
  for (std::string_view rest = query; !rest.empty();) {
    const auto [pair, next] = cut(rest, '&');
    rest = next;
    const auto [name, value] = cut(pair, '=');
    if (!std::binary_search(kV2Resources.begin(), kV2Resources.end(), name)) continue;
    const bool bare = pair.find('=') == std::string_view::npos;
    parts.push_back(std::string(name) + (bare ? "" : "=" + percent_decoded(value, true).value_or(std::string(value))));
  }
  std::sort(parts.begin(), parts.end());
  for (std::size_t i = 0; i < parts.size(); ++i) out.append(i == 0 ? "?" : "&").append(parts[i]);
  return out;
}

}  // namespace clary::aws
