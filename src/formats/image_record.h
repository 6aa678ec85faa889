// SPDX-License-Identifier: Apache-2.0
// One labelled picture as MXNet's im2rec packs it: the payload of a RecordIO record. Little-endian:
//   uint32 flag, float32 label, uint64 id, uint64 id2, `flag` times float32 label, then the JPEG or PNG file.
// flag 0: the label in the header counts; else the `flag` labels behind it do. Source: IRHeader of
// python/mxnet/recordio.py and src/io/image_recordio.h, Apache MXNet 1.3.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace clary::formats {

constexpr std::size_t kImageHeaderBytes = 24;

struct ImageRecord {
  std::uint64_t id = 0;
  std::vector<float> labels;           // at least one
  std::span<const std::byte> picture;  // the encoded file, within the payload; may be empty
};

/// Reads `payload` into `out`, whose memory is used again.
/// @throws Error{kMalformed} for a payload too short for its header or for the labels that the header announces; the
/// message does not say which record
void parse_image_record(std::span<const std::byte> payload, ImageRecord& out);

/// Appends one framed record, split at magic words as MXNet's readers want it. One label goes into the header, several
/// (or one with `packed`, as im2rec --pack-label does) behind it.
/// @throws Error{kLimit} from 2^29 bytes on
void append_image_record(std::string& out, std::uint64_t id, std::span<const float> labels, std::string_view picture,
                         bool packed = false);

}  // namespace clary::formats
