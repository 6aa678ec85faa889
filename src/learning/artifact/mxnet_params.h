// SPDX-License-Identifier: Apache-2.0
// MXNet's `params` file, the NDArray list of mxnet.ndarray.save, written and read. Layout from MXNet 1.3.1, all numbers
// little endian. Bytes that are read may come from strangers.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace clary::artifact {

struct NamedArray {
  std::string name;  // "arg:projection_weight"
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Bytes of a params file, little endian.
std::string write_arrays(const std::vector<NamedArray>& arrays);

/// @throws Error{kMalformed} naming the array and the rule; every count is checked against the bytes that are there
std::vector<NamedArray> read_arrays(std::string_view bytes);

}  // namespace clary::artifact
