// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/conditions.h"

#include <algorithm>
#include <charconv>

#include "base/text.h"
#include "platform/services/s3/documents.h"
#include "platform/services/s3/errors.h"

namespace clary::s3 {

namespace {

std::optional<std::uint64_t> number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

[[noreturn]] void fail_range(std::string_view header, std::uint64_t size) {
  fail(Code::kInvalidRange, {},
       {{"RangeRequested", std::string(header.substr(0, 100))},
        {"ActualObjectSize", std::to_string(size)},
        {"header:Content-Range", "bytes */" + std::to_string(size)}});
}

}  // namespace

// Weak comparison (RFC 9110 section 8.8.3.2): objects never change, so weak and strong are the same here.
bool etag_matches(std::string_view list, std::string_view etag) {
  for (auto part : split(list, ',')) {
    part = trimmed(part);
    if (part.starts_with("W/")) part.remove_prefix(2);
    if (part == "*" || without_quotes(part) == etag) return true;
  }
  return false;
}

// The order of RFC 9110 section 13.2.2: If-Match before If-Unmodified-Since, If-None-Match before If-Modified-Since,
// and the ETag form makes the date form irrelevant.
Verdict check_conditions(const http::Headers& headers, const ConditionNames& names, const objects::ObjectInfo& object) {
  // HTTP dates have seconds.
  const EpochMs modified = object.last_modified / 1000 * 1000;
  if (const auto match = headers.get(names.if_match)) {
    if (!etag_matches(*match, object.etag)) return Verdict::kFailed;
  } else if (const auto since = headers.get(names.if_unmodified_since)) {
    // A date that cannot be parsed is ignored (RFC 9110 section 13.1.4).
    const auto time = parse_http_date(*since);
    if (time && modified > *time) return Verdict::kFailed;
  }
  if (const auto none = headers.get(names.if_none_match)) {
    if (etag_matches(*none, object.etag)) return Verdict::kNotModified;
  } else if (const auto since = headers.get(names.if_modified_since)) {
    const auto time = parse_http_date(*since);
    if (time && modified <= *time) return Verdict::kNotModified;
  }
  return Verdict::kGoOn;
}

// Anything that is not one range of bytes is ignored, which makes the answer 200 with the whole object (RFC 9110
// section 14.2): S3 does not serve several ranges.
std::optional<ByteRange> parse_range(std::string_view header, std::uint64_t size) {
  const std::string_view text = trimmed(header);
  constexpr std::string_view kUnit = "bytes=";
  if (!lower(text.substr(0, kUnit.size())).starts_with(kUnit)) return std::nullopt;
  const std::string_view range = trimmed(text.substr(kUnit.size()));
  const auto dash = range.find('-');
  if (dash == std::string_view::npos) return std::nullopt;
  const auto first = number(trimmed(range.substr(0, dash))), last = number(trimmed(range.substr(dash + 1)));
  if (dash == 0) {  // the last n bytes
    if (!last) return std::nullopt;
    // 416 with the size, so that the client can ask again.
    if (*last == 0 || size == 0) fail_range(header, size);
    // A suffix longer than the object means all of it.
    const std::uint64_t length = std::min(*last, size);
    return ByteRange{size - length, length};
  }
  if (!first || (!last && dash + 1 != range.size()) || (last && *last < *first)) return std::nullopt;
  if (*first >= size) fail_range(header, size);
  const std::uint64_t end = last ? std::min(*last, size - 1) : size - 1;
  return ByteRange{*first, end - *first + 1};
}

// Stricter than Range: both ends must be given and exist.
ByteRange parse_copy_range(std::string_view header, std::uint64_t size) {
  constexpr std::string_view kUnit = "bytes=";
  const auto dash = header.find('-');
  if (header.starts_with(kUnit) && dash != std::string_view::npos) {
    const auto first = number(header.substr(kUnit.size(), dash - kUnit.size())), last = number(header.substr(dash + 1));
    if (first && last && *first <= *last) {
      if (*last >= size) fail_range(header, size);
      return {*first, *last - *first + 1};
    }
  }
  fail_argument("x-amz-copy-source-range", header,
                "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the "
                "zero-based offsets of the first and last bytes to copy");
}

}  // namespace clary::s3
