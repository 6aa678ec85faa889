// SPDX-License-Identifier: Apache-2.0
// Records whose features are lists of ids: features["source"] and features["target"], each an int32 tensor, as AWS's
// create_vocab_proto.py writes and sequence-to-sequence models read them. Bytes that are read may come from strangers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clary::formats {

struct SequenceRecord {
  std::vector<std::int32_t> source, target;  // empty also when there is none
  bool has_source = false, has_target = false;
  bool from_floats = false;        // a tensor of floats held the ids
  std::string other_features;      // names of those with other names, for messages: "source_ids, target_ids"
  std::string_view configuration;  // within the payload; of an inference request
};

/// Reads a record's payload into `out`, whose memory is used again. An entry without a value, or with a tensor without
/// values, is an empty list. Floats that are whole numbers are taken.
/// @throws Error{kMalformed} naming feature, value and rule; the message does not say which record
void parse_sequence_record(std::span<const std::byte> payload, SequenceRecord& out);

/// Appends one framed record with the features that are given.
/// @throws Error{kLimit} from 2^29 bytes on
void append_sequence_record(std::string& out, std::optional<std::span<const std::int32_t>> source,
                            std::optional<std::span<const std::int32_t>> target);

}  // namespace clary::formats
