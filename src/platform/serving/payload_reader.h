// SPDX-License-Identifier: Apache-2.0
// Groups records into request bodies by batch strategy and payload limit, and puts the answer of one request into the
// form in which it is written. Together with RecordReader this is all of batch transform that touches bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/serving/data_processing.h"
#include "platform/serving/record_reader.h"

namespace clary::serving {

enum class BatchStrategy { kMultiRecord, kSingleRecord };
enum class Assembly { kNone, kLine };

struct Payload {
  std::string body;
  std::uint64_t first_record = 0;  // from 1
  std::uint64_t records = 0;
  std::vector<std::string> originals;  // kept only when DataProcessing needs them
};

struct BatchRules {
  SplitType split = SplitType::kNone;
  BatchStrategy strategy = BatchStrategy::kMultiRecord;
  Assembly assembly = Assembly::kNone;
  std::uint64_t max_payload_bytes = 6ULL << 20;
  /// Lines of blanks are no records: readers of CSV and JSON lines pass over them, and answers are matched to records
  /// by their number.
  bool skip_blank_lines = false;
  std::optional<DataProcessing> processing;  // nothing: records pass untouched
};

class PayloadReader {
 public:
  PayloadReader(std::unique_ptr<ByteSource> source, const BatchRules& rules)
      : rules_(rules), records_(std::move(source), rules.split, rules.max_payload_bytes, rules.skip_blank_lines) {}

  /// @throws Error naming the record: malformed framing, a record that a filter does not fit, a record above the limit
  std::optional<Payload> next();

 private:
  std::string_view form_of(const RecordView& record);
  bool single() const noexcept;

  const BatchRules& rules_;
  RecordReader records_;
  std::optional<std::string> held_;  // form of the record that did not fit the last payload
  std::string held_original_;
  std::string scratch_;
};

/// The bytes written for one answered payload.
/// @throws Error{kMalformed} when DataProcessing is asked for and the answer has not one line per record
std::string assembled(const BatchRules& rules, const Payload& payload, std::string answer);

}  // namespace clary::serving
