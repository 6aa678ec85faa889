// SPDX-License-Identifier: Apache-2.0
// MXNet's file forms (ntm.md section 4): the `params` NDArray list of mxnet.ndarray.save, written and read, and the
// symbol JSON of the inference graph, written. Layout from MXNet 1.3.1.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/ntm/parameters.h"

namespace clary::ntm {

struct NamedArray {
  std::string name;  // "arg:projection_weight"
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Bytes of a params file, little endian.
std::string write_arrays(const std::vector<NamedArray>& arrays);

/// @throws Error{kMalformed} naming the array and the rule; every count is checked against the bytes that are there
std::vector<NamedArray> read_arrays(std::string_view bytes);

/// The learned parameters under the names of README.md ("Artifact"), in MXNet's orientation (outputs, inputs).
std::vector<NamedArray> to_arrays(const Parameters& p);
/// @throws Error{kMalformed} for a missing array, a shape that does not fit `shape`, or a number that is not finite
Parameters from_arrays(const std::vector<NamedArray>& arrays, const Shape& shape);

/// Inference graph: data -> encoder -> mean -> softmax.
std::string symbol_json(const Shape& shape);

std::string_view activation_name(kernels::Activation activation);
kernels::Activation activation_named(std::string_view name);  // @throws Error{kMalformed}

}  // namespace clary::ntm
