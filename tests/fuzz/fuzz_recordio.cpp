// SPDX-License-Identifier: Apache-2.0
// RecordIO framing: payloads of any bytes, and the property that what is written split is read back joined.
#include <cstdlib>

#include "base/error.h"
#include "formats/recordio.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::formats;
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    RecordIoReader reader(std::as_bytes(std::span(input)), "fuzz");
    while (reader.next()) {
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) std::abort();
  }
  std::string written;
  append_recordio_split(written, input);
  RecordIoReader again(std::as_bytes(std::span(written)), "written");
  const auto record = again.next();
  if (!record || again.next()) std::abort();
  const std::string_view back(reinterpret_cast<const char*>(record->payload.data()), record->payload.size());
  if (back != input) std::abort();
  return 0;
}
