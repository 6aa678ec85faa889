// SPDX-License-Identifier: Apache-2.0
#include "formats/content_type.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdlib>

#include "base/error.h"
#include "base/text.h"

namespace clary::formats {
namespace {

struct TypeRow {
  std::string_view type;
  Format format;
};

// Every spelling met in documents, notebooks and SDKs.
constexpr std::array<TypeRow, 16> kTypes{{
    {"application/x-recordio-protobuf", Format::kRecordIoProtobuf},
    {"recordio-protobuf", Format::kRecordIoProtobuf},
    {"text/csv", Format::kCsv},
    {"csv", Format::kCsv},
    {"application/csv", Format::kCsv},
    {"text/libsvm", Format::kLibsvm},
    {"text/x-libsvm", Format::kLibsvm},
    {"libsvm", Format::kLibsvm},
    {"application/json", Format::kJson},
    {"text/json", Format::kJson},
    {"application/jsonlines", Format::kJsonLines},
    {"applications/jsonlines", Format::kJsonLines},
    {"application/x-jsonlines", Format::kJsonLines},
    {"application/x-ndjson", Format::kJsonLines},
    {"application/jsonl", Format::kJsonLines},
    {"text/plain", Format::kText},
}};

/// Cuts at `separator` outside double quotes.
std::vector<std::string_view> cut(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  bool quoted = false;
  std::size_t start = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    // RFC 9110 allows separators inside quoted strings.
    if (text[i] == '"') quoted = !quoted;
    if (text[i] != separator || quoted) continue;
    parts.push_back(text.substr(start, i - start));
    start = i + 1;
  }
  parts.push_back(text.substr(start));
  return parts;
}

std::string unquoted(std::string_view value) {
  if (value.size() >= 2 && value.front() == '"' && value.back() == '"') value = value.substr(1, value.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < value.size(); ++i) {
    // A backslash in a quoted string makes the next character literal.
    if (value[i] == '\\' && i + 1 < value.size()) ++i;
    out.push_back(value[i]);
  }
  return out;
}

// RFC 9110 section 12.4.2. A q that is no number counts as 0, "not acceptable".
double quality(const ContentType& entry) {
  const auto q = entry.parameter("q");
  return q ? std::clamp(std::strtod(std::string(*q).c_str(), nullptr), 0.0, 1.0) : 1.0;
}

}  // namespace

Format ContentType::format() const {
  const auto row = std::find_if(kTypes.begin(), kTypes.end(), [&](const TypeRow& r) { return r.type == type; });
  return row == kTypes.end() ? Format::kOther : row->format;
}

std::optional<std::string_view> ContentType::parameter(std::string_view name) const {
  const auto it = parameters.find(name);
  if (it == parameters.end()) return std::nullopt;
  return it->second;
}

bool ContentType::flag(std::string_view name) const {
  const auto value = parameter(name);
  if (!value) return false;
  const std::string low = lower(*value);
  // "verbose" alone, "verbose=true" and "verbose=1" are the same.
  return low.empty() || low == "true" || low == "1";
}

std::optional<std::int64_t> ContentType::label_size() const {
  const auto value = parameter("label_size");
  if (!value) return std::nullopt;
  std::int64_t size = -1;
  const auto [end, error] = std::from_chars(value->data(), value->data() + value->size(), size);
  if (error != std::errc() || end != value->data() + value->size() || size < 0 || size > 10000) {
    throw Error(Kind::kInvalid, "content type \"" + text() + "\": label_size: \"" + std::string(*value) +
                                    "\" is not an integer of 0 to 10000");
  }
  return size;
}

void ContentType::require_utf8() const {
  const auto value = parameter("charset");
  if (!value) return;
  const std::string low = lower(*value);
  if (low == "utf-8" || low == "utf8" || low == "us-ascii" || low == "ascii" || low.empty()) return;
  throw Error(Kind::kInvalid, "content type \"" + text() + "\": charset: only utf-8 is supported");
}

std::string ContentType::text() const {
  std::string out = type;
  for (const auto& [name, value] : parameters) out += ";" + name + (value.empty() ? "" : "=" + value);
  return out;
}

ContentType parse_content_type(std::string_view text) {
  ContentType result;
  // Types and parameter names are case-insensitive, values are not.
  const auto parts = cut(text, ';');
  result.type = lower(trimmed(parts.front()));
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::string_view part = trimmed(parts[i]);
    if (part.empty()) continue;
    const auto equals = part.find('=');
    const std::string name = lower(trimmed(part.substr(0, equals)));
    const std::string value =
        equals == std::string_view::npos ? std::string() : unquoted(trimmed(part.substr(equals + 1)));
    result.parameters.insert_or_assign(name, value);
  }
  return result;
}

std::vector<ContentType> parse_accept(std::string_view text) {
  std::vector<ContentType> entries;
  for (const auto part : cut(text, ',')) {
    ContentType entry = parse_content_type(part);
    if (!entry.type.empty() && quality(entry) > 0) entries.push_back(std::move(entry));
  }
  // Stable: entries of equal quality keep the client's order.
  std::stable_sort(entries.begin(), entries.end(),
                   [](const ContentType& a, const ContentType& b) { return quality(a) > quality(b); });
  return entries;
}

}  // namespace clary::formats
