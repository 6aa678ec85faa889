// SPDX-License-Identifier: Apache-2.0
// Records of id sequences, framed and bare: only Error may escape, and what is written is read back.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <string>

#include "base/error.h"
#include "formats/recordio.h"
#include "formats/sequence_record.h"

namespace {

using namespace clary::formats;

void require(bool condition) {
  if (!condition) std::abort();
}

void parse(std::span<const std::byte> payload) {
  SequenceRecord record, again;
  parse_sequence_record(payload, record);
  std::string written;
  append_sequence_record(written, record.source, record.target);
  RecordIoReader reader(std::as_bytes(std::span(written)), "written");
  parse_sequence_record(reader.next()->payload, again);
  require(again.source == record.source && again.target == record.target && again.has_source && again.has_target);
}

void read_frames(std::span<const std::byte> bytes) {
  RecordIoReader reader(bytes, "bytes");
  while (const auto record = reader.next()) parse(record->payload);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const auto read : {parse, read_frames}) try {
      read(std::as_bytes(std::span(data, size)));
    } catch (const clary::Error& error) {
      require(error.kind() == clary::Kind::kMalformed || error.kind() == clary::Kind::kLimit);
    }
  return 0;
}
