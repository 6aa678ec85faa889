// SPDX-License-Identifier: Apache-2.0
// MXNet's `params` file, the NDArray list of mxnet.ndarray.save, written and read. Layout from MXNet 1.3.1
// (src/ndarray/ndarray.cc, NDArray::Save and Load), all numbers little endian. Bytes that are read may come from
// strangers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "learning/artifact/tensor_file.h"

namespace clary::artifact {

struct NamedArray {
  std::string name;  // "arg:projection_weight"
  std::vector<std::int64_t> shape;
  std::vector<float> values;
};

/// Writes arrays of float32 (NDARRAY_V2_MAGIC) without copying their numbers.
void write_arrays(std::span<const ArrayRef> arrays, const ByteSink& sink);

/// Bytes of a params file.
std::string write_arrays(const std::vector<NamedArray>& arrays);

/// The arrays of every version: with magic 0xF993FAC9 and 0xF993FAC8, 0xF993FACA (the shapes of NumPy), and those of
/// before 0.9, which have none. An array without a value (no dimensions) has the shape [0]; names are empty when the
/// file has none.
/// @throws Error{kMalformed} naming the array and the rule; every count is checked against the bytes that are there
std::vector<TensorView> view_arrays(std::span<const std::byte> bytes);

/// The same as float32 copies. @throws Error{kMalformed} also for arrays of integers
std::vector<NamedArray> read_arrays(std::string_view bytes);

}  // namespace clary::artifact
