// SPDX-License-Identifier: Apache-2.0
// Weights of a stranger in MXNet's form: numbers lie in the file, or the file is refused.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "base/error.h"
#include "learning/artifact/mxnet_params.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bytes = std::as_bytes(std::span(data, size));
  try {
    for (const auto& view : clary::artifact::view_arrays(bytes)) {
      if (view.bytes.size() > size) std::abort();
      std::vector<float> values(view.bytes.size() / clary::artifact::bytes_of(view.type));
      view.copy_to(values);
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  return 0;
}
