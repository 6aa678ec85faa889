// SPDX-License-Identifier: Apache-2.0
// Predictions to the bytes of an answer: application/json, application/jsonlines, text/csv and
// application/x-recordio-protobuf, as SageMaker's built-in algorithms write them.
#pragma once

#include <string>
#include <string_view>

#include "formats/batch.h"
#include "formats/content_type.h"
#include "learning/shell/predictions.h"

namespace clary::shell {

/// @param format  kJson, kJsonLines, kCsv or kRecordIoProtobuf
/// @param uids    the request's, or empty; records carry them back
std::string encode(const Predictions& predictions, formats::Format format, const std::vector<std::string>& uids = {});

/// Shortest text that reads back as the same float32, with a point: 0.0, 0.12917565, 1e-05; "null" when not finite.
void append_number(std::string& out, float value);
void append_number(std::string& out, float value, Column::Digits digits);
void append_json_text(std::string& out, std::string_view text);

}  // namespace clary::shell
