// SPDX-License-Identifier: Apache-2.0
// JPEG and PNG files: only malformed and too large are allowed to end it, and a window has the pixels of the whole. The
// first byte picks channels and window.
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "learning/vision/decode.h"

namespace {

using namespace clary::vision;

void require(bool condition) {
  if (!condition) std::abort();
}

Window some_window(Size size, std::uint8_t choice) {
  const Window half{size.height / 2, size.width / 3, size.height - size.height / 2, size.width - size.width / 3};
  if ((choice & 2) != 0) return half;
  return {size.height / 3, 0, 1, (size.width + 1) / 2};
}

void decode_both_ways(std::span<const std::byte> file, std::uint8_t choice) {
  const std::int64_t channels = (choice & 1) != 0 ? 3 : 1;
  Decoder decoder(channels, {std::size_t{1} << 20, 1 << 18});
  const Size size = decoder.open(file);
  Picture all, part;
  decoder.read(whole(size), all);
  require(all.whole() == size && all.window() == whole(size));
  const Window wanted = some_window(size, choice);
  decoder.open(file);
  decoder.read(wanted, part);
  require(part.window().holds(wanted));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  try {
    decode_both_ways(std::as_bytes(std::span(data + 1, size - 1)), data[0]);
  } catch (const clary::Error& error) {
    require(error.kind() == clary::Kind::kMalformed || error.kind() == clary::Kind::kLimit);
  }
  return 0;
}
