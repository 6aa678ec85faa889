// SPDX-License-Identifier: Apache-2.0
// What torch.save() might have written, and pickles alone: read as data, or refused.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/error.h"
#include "learning/artifact/pickle.h"
#include "learning/artifact/torch_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  try {
    clary::artifact::pickle::parse({reinterpret_cast<const char*>(data), size});
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) std::abort();
  }
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const auto& view : clary::artifact::read_torch(bytes)) {
      if (view.bytes.size() > size) std::abort();
      std::vector<float> values(view.bytes.size() / clary::artifact::bytes_of(view.type));
      view.copy_to(values);
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  return 0;
}
