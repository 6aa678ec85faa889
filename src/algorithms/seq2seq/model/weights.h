// SPDX-License-Identifier: Apache-2.0
// The arrays of a file of weights -> Parameters. Bytes that are read may come from strangers: everything is compared
// with what the architecture needs before memory is taken for it.
#pragma once

#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "learning/artifact/tensor_file.h"

namespace clary::seq2seq {

/// Arrays of a file by name, and which of them have been used.
class WeightFile {
 public:
  /// @param name    of the file, for messages
  /// @param arrays  must outlive this; views of bytes that do too
  /// @param prefix  taken off the arrays' names where it is there ("arg:")
  WeightFile(std::string name, std::span<const artifact::TensorView> arrays, std::string_view prefix = "");

  bool has(std::string_view array) const { return arrays_.contains(array); }
  /// The array's dimensions. @throws Error{kMalformed} when it is missing or has another number of dimensions
  const std::vector<std::int64_t>& shape(std::string_view array, std::size_t dimensions) const;

  /// @param pieces_of  names of the arrays that, stacked along the first dimension, are the tensor
  /// @throws Error{kMalformed} naming the array: missing, of another shape, not finite, or not used by any tensor
  Parameters parameters(const Architecture& architecture,
                        const std::function<std::vector<std::string>(const Tensor&)>& pieces_of) const;

 private:
  const artifact::TensorView& view(std::string_view array) const;
  void check(const Tensor& tensor, std::span<const artifact::TensorView* const> pieces) const;
  [[noreturn]] void malformed(const std::string& rule) const;

  std::string name_;
  std::map<std::string, const artifact::TensorView*, std::less<>> arrays_;
};

}  // namespace clary::seq2seq
