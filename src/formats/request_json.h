// SPDX-License-Identifier: Apache-2.0
// JSON and JSON lines bodies to rows. Internal to formats; use decode_request.
#pragma once

#include "formats/request.h"

namespace clary::formats {

/// {"instances": [instance, ...]}
Batch decode_json(std::span<const std::byte> body, std::int64_t width, const RequestOptions& options);

/// One instance per line.
Batch decode_json_lines(std::span<const std::byte> body, std::int64_t width, const RequestOptions& options);

}  // namespace clary::formats
