// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/onednn.h"

namespace clary::nn::onednn {

const dnnl::engine& engine() {
  static const dnnl::engine cpu(dnnl::engine::kind::cpu, 0);
  return cpu;
}

dnnl::primitive_attr primitive_attributes() {
  dnnl::primitive_attr attributes;
  attributes.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attributes;
}

Desc map_desc(std::int64_t pictures, const MapShape& shape, Type type, Format format) {
  return Desc({pictures, shape.channels, shape.height, shape.width}, type, format);
}

}  // namespace clary::nn::onednn
