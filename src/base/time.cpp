// SPDX-License-Identifier: Apache-2.0
#include "base/time.h"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <ctime>

namespace clary {

namespace {

std::tm utc(EpochMs t) {
  // Rounds down, also before 1970.
  const std::time_t seconds = static_cast<std::time_t>(t >= 0 ? t / 1000 : (t - 999) / 1000);
  std::tm out{};
  ::gmtime_r(&seconds, &out);
  return out;
}

std::string formatted(const char* pattern, EpochMs t) {
  const std::tm tm = utc(t);
  char buffer[64];
  return {buffer, std::strftime(buffer, sizeof buffer, pattern, &tm)};
}

std::optional<EpochMs> parsed(std::string_view text, const char* pattern, std::string_view* rest = nullptr) {
  const std::string copy(text);
  std::tm tm{};
  const char* end = ::strptime(copy.c_str(), pattern, &tm);
  // strptime() takes any white space for a blank, and its names depend on the locale, which this program never sets.
  if (end == nullptr) return std::nullopt;
  const auto consumed = static_cast<std::size_t>(end - copy.c_str());
  if (rest != nullptr) *rest = text.substr(consumed);
  if (rest == nullptr && consumed != copy.size()) return std::nullopt;
  return static_cast<EpochMs>(::timegm(&tm)) * 1000;
}

}  // namespace

EpochMs now_ms() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string iso8601_ms(EpochMs t) {
  char fraction[8];
  std::snprintf(fraction, sizeof fraction, ".%03dZ", static_cast<int>(((t % 1000) + 1000) % 1000));
  return formatted("%Y-%m-%dT%H:%M:%S", t) + fraction;
}

std::string basic_iso8601(EpochMs t) { return formatted("%Y%m%dT%H%M%SZ", t); }

std::string http_date(EpochMs t) { return formatted("%a, %d %b %Y %H:%M:%S GMT", t); }

std::optional<EpochMs> parse_iso8601(std::string_view text) {
  std::string_view rest;
  auto whole = parsed(text, "%Y-%m-%dT%H:%M:%S", &rest);
  if (!whole) return std::nullopt;
  if (!rest.empty() && rest.front() == '.') {
    EpochMs scale = 100;
    std::size_t i = 1;
    // Digits beyond milliseconds are read and have no weight: scale is 0 then.
    for (; i < rest.size() && rest[i] >= '0' && rest[i] <= '9'; ++i, scale /= 10) *whole += (rest[i] - '0') * scale;
    rest.remove_prefix(i);
  }
  if (rest == "Z" || rest.empty() || rest == "+00:00") return whole;
  return std::nullopt;
}

std::optional<EpochMs> parse_basic_iso8601(std::string_view text) { return parsed(text, "%Y%m%dT%H%M%SZ"); }

std::optional<EpochMs> parse_http_date(std::string_view text) { return parsed(text, "%a, %d %b %Y %H:%M:%S GMT"); }

}  // namespace clary
