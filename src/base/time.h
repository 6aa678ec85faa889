// SPDX-License-Identifier: Apache-2.0
// Wall-clock time as the AWS protocols write it. All times are UTC; a time point is milliseconds since the epoch.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace clary {

/// Milliseconds since 1970-01-01T00:00:00Z.
using EpochMs = std::int64_t;

EpochMs now_ms();

/// "2026-11-21T08:51:03.123Z"
std::string iso8601_ms(EpochMs t);
/// "20261121T085103Z" (SigV4)
std::string basic_iso8601(EpochMs t);
/// "Sat, 21 Nov 2026 08:51:03 GMT" (HTTP)
std::string http_date(EpochMs t);

std::optional<EpochMs> parse_iso8601(std::string_view text);
std::optional<EpochMs> parse_basic_iso8601(std::string_view text);
std::optional<EpochMs> parse_http_date(std::string_view text);

/// Seconds with three decimals, the JSON number form of SageMaker's timestamps.
inline double epoch_seconds(EpochMs t) { return static_cast<double>(t) / 1000.0; }

}  // namespace clary
