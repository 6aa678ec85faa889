// SPDX-License-Identifier: Apache-2.0
// NTM's parameters as MXNet's named arrays (ntm.md section 4), and the symbol JSON of the inference graph.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "algorithms/ntm/model/parameters.h"
#include "learning/artifact/mxnet_params.h"

namespace clary::ntm {

using artifact::NamedArray;
using artifact::read_arrays;
using artifact::write_arrays;

/// The learned parameters under the names of README.md ("Artifact"), in MXNet's orientation (outputs, inputs).
std::vector<NamedArray> to_arrays(const Parameters& p);
/// @throws Error{kMalformed} for a missing array, a shape that does not fit `shape`, or a number that is not finite
Parameters from_arrays(const std::vector<NamedArray>& arrays, const Shape& shape);

/// Inference graph: data -> encoder -> mean -> softmax.
std::string symbol_json(const Shape& shape);

std::string_view activation_name(kernels::Activation activation);
kernels::Activation activation_named(std::string_view name);  // @throws Error{kMalformed}

}  // namespace clary::ntm
