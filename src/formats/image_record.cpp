// SPDX-License-Identifier: Apache-2.0
#include "formats/image_record.h"

#include <fmt/format.h>

#include <cstring>

#include "base/error.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

struct Header {
  std::uint32_t flag;
  float label;
  std::uint64_t id, id2;
};
static_assert(sizeof(Header) == kImageHeaderBytes);

}  // namespace

void parse_image_record(std::span<const std::byte> payload, ImageRecord& out) {
  if (payload.size() < kImageHeaderBytes)
    throw Error(Kind::kMalformed,
                fmt::format("{} bytes are too few for the {} of an image header", payload.size(), kImageHeaderBytes));
  Header header;
  std::memcpy(&header, payload.data(), sizeof header);
  const auto rest = payload.subspan(kImageHeaderBytes);
  if (header.flag > rest.size() / sizeof(float))
    throw Error(Kind::kMalformed, fmt::format("the image header announces {} labels, but only {} bytes follow",
                                              header.flag, rest.size()));
  const std::size_t label_bytes = header.flag * sizeof(float);
  out.id = header.id;
  out.labels.assign(header.flag == 0 ? 1 : header.flag, header.label);
  if (label_bytes != 0) std::memcpy(out.labels.data(), rest.data(), label_bytes);
  out.picture = rest.subspan(label_bytes);
}

void append_image_record(std::string& out, std::uint64_t id, std::span<const float> labels, std::string_view picture,
                         bool packed) {
  const bool behind = packed || labels.size() != 1;
  const Header header{behind ? static_cast<std::uint32_t>(labels.size()) : 0, behind ? 0.0F : labels[0], id, 0};
  std::string payload(reinterpret_cast<const char*>(&header), sizeof header);
  if (behind) payload.append(reinterpret_cast<const char*>(labels.data()), labels.size_bytes());
  append_recordio_split(out, payload.append(picture));
}

}  // namespace clary::formats
