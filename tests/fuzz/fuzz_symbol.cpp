// SPDX-License-Identifier: Apache-2.0
// A symbol and the shapes of a stranger's image-classification artifact. What is accepted describes one network.
#include <cstdint>
#include <cstdlib>
#include <span>
#include <vector>

#include "algorithms/image_classification/model/symbol_form.h"
#include "base/error.h"
#include "learning/artifact/symbol_graph.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace clary::image_classification;
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto found = describe_symbol(clary::artifact::read_symbol(text), {3, 32, 32});
    if (resnet(found.description).outputs() != found.description.classes) std::abort();
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  try {
    read_model_shapes(text);
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed && error.kind() != clary::Kind::kLimit) std::abort();
  }
  return 0;
}
