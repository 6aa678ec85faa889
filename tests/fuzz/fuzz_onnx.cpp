// SPDX-License-Identifier: Apache-2.0
// An ONNX model of a stranger, and its graph beside a residual network's.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "algorithms/image_classification/model/onnx_form.h"
#include "base/error.h"
#include "learning/artifact/onnx_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary;
  try {
    const auto model = artifact::read_onnx(std::as_bytes(std::span(data, size)));
    for (const auto& view : model.initializers)
      if (view.bytes.size() > size) std::abort();
    image_classification::match_onnx(model, {.layers = 18, .image = {3, 64, 64}});
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  return 0;
}
