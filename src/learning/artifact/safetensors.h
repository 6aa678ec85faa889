// SPDX-License-Identifier: Apache-2.0
// The safetensors form (github.com/huggingface/safetensors, README "Format"): 8 bytes with the length of a JSON header,
// the header, which gives each array's type, shape and place, and the arrays' bytes. Bytes that are read may come from
// strangers.
#pragma once

#include <cstddef>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "learning/artifact/tensor_file.h"

namespace clary::artifact {

struct Safetensors {
  std::vector<TensorView> arrays;               // ordered by name
  std::map<std::string, std::string> metadata;  // "__metadata__"
};

/// @throws Error{kMalformed} naming the array and the rule
Safetensors read_safetensors(std::span<const std::byte> bytes);

void write_safetensors(std::span<const ArrayRef> arrays, const std::map<std::string, std::string>& metadata,
                       const ByteSink& sink);

}  // namespace clary::artifact
