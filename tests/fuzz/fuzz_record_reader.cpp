// SPDX-License-Identifier: Apache-2.0
// Batch transform's splitters: first byte picks the split type and the batching, the rest is the object.
#include <cstdint>

#include "base/error.h"
#include "platform/serving/payload_reader.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::serving;
  if (size == 0) return 0;
  const std::string_view object(reinterpret_cast<const char*>(data) + 1, size - 1);
  BatchRules rules;
  rules.split = static_cast<SplitType>(data[0] & 3);
  rules.strategy = (data[0] & 4) != 0 ? BatchStrategy::kSingleRecord : BatchStrategy::kMultiRecord;
  rules.max_payload_bytes = 64;
  if ((data[0] & 8) != 0 && rules.split == SplitType::kLine)
    rules.processing.emplace(RecordForm::kCsv, "$[0:1]", "$[0]", true);
  try {
    auto source = open_text(object);
    if ((data[0] & 16) != 0) source = gunzip(std::move(source));
    PayloadReader reader(std::move(source), rules);
    while (const auto payload = reader.next()) assembled(rules, *payload, payload->body);
  } catch (const clary::Error&) {
  }
  return 0;
}
