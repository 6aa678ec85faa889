// SPDX-License-Identifier: Apache-2.0
// An image record's payload; records of a stream, in small pieces, beside the reader of whole bytes; and the property
// that what is written is read back.
#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "formats/image_record.h"
#include "formats/recordio.h"
#include "formats/recordio_stream.h"

namespace {

using namespace clary::formats;

class Drops : public ByteSource {
 public:
  explicit Drops(std::string_view bytes) : rest_(bytes) {}
  std::size_t read(std::span<std::byte> out) override {
    const std::size_t n = std::min({out.size(), std::size_t{5}, rest_.size()});
    std::memcpy(out.data(), rest_.data(), n);
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
};

void require(bool condition) {
  if (!condition) std::abort();
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

void parse(std::string_view payload) {
  ImageRecord record;
  parse_image_record(bytes_of(payload), record);
  require(!record.labels.empty());
  std::string written;
  const std::string_view picture(reinterpret_cast<const char*>(record.picture.data()), record.picture.size());
  append_image_record(written, record.id, record.labels, picture, true);
  RecordIoReader reader(bytes_of(written), "written");
  ImageRecord again;
  const auto frame = reader.next();
  parse_image_record(frame->payload, again);
  require(again.id == record.id && again.labels.size() == record.labels.size() &&
          std::memcmp(again.labels.data(), record.labels.data(), record.labels.size() * sizeof(float)) == 0 &&
          std::ranges::equal(again.picture, record.picture));
}

void stream(std::string_view bytes) {
  RecordIoStream records(std::make_unique<Drops>(bytes), "stream", 1 << 16);
  RecordIoReader reader(bytes_of(bytes), "bytes");
  std::string payload;
  while (records.next(payload)) {
    const auto record = reader.next();
    require(record && std::ranges::equal(record->payload, bytes_of(payload)));
  }
  require(!reader.next());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  for (const auto read : {parse, stream}) try {
      read(input);
    } catch (const clary::Error& error) {
      require(error.kind() == clary::Kind::kMalformed || error.kind() == clary::Kind::kLimit);
    }
  return 0;
}
