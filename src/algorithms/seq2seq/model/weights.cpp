// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/weights.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <set>

#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using artifact::TensorView;

WeightFile::WeightFile(std::string name, std::span<const TensorView> arrays, std::string_view prefix)
    : name_(std::move(name)) {
  for (const TensorView& array : arrays) {
    std::string_view bare = array.name;
    if (bare.starts_with(prefix)) bare.remove_prefix(prefix.size());
    if (!arrays_.emplace(bare, &array).second) malformed(fmt::format("the array {:.100} is there twice", bare));
  }
}

void WeightFile::malformed(const std::string& rule) const { throw Error(Kind::kMalformed, name_ + ": " + rule); }

const TensorView& WeightFile::view(std::string_view array) const {
  const auto found = arrays_.find(array);
  if (found == arrays_.end()) malformed(fmt::format("the array {:.100} is missing", array));
  return *found->second;
}

const std::vector<std::int64_t>& WeightFile::shape(std::string_view array, std::size_t dimensions) const {
  const std::vector<std::int64_t>& out = view(array).shape;
  if (out.size() != dimensions)
    malformed(
        fmt::format("{:.100} has the shape [{}], must have {} dimensions", array, fmt::join(out, ", "), dimensions));
  return out;
}

void WeightFile::check(const Tensor& tensor, std::span<const TensorView* const> pieces) const {
  const std::int64_t rows = tensor.shape[0] / std::ssize(pieces);
  std::vector<std::int64_t> wanted = tensor.shape;
  wanted[0] = rows;
  for (const TensorView* piece : pieces)
    if (piece->shape != wanted)
      malformed(fmt::format("{:.100} has the shape [{}], must be [{}]", piece->name, fmt::join(piece->shape, ", "),
                            fmt::join(wanted, ", ")));
}

Parameters WeightFile::parameters(const Architecture& architecture,
                                  const std::function<std::vector<std::string>(const Tensor&)>& pieces_of) const {
  const std::vector<Tensor> tensors = Parameters::tensors(architecture);
  std::set<const TensorView*> used;
  std::vector<std::vector<const TensorView*>> pieces;
  for (const Tensor& tensor : tensors) {
    std::vector<const TensorView*>& of = pieces.emplace_back();
    for (const std::string& name : pieces_of(tensor)) of.push_back(&view(name));
    check(tensor, of);
    used.insert(of.begin(), of.end());
  }
  for (const auto& [name, array] : arrays_)
    if (!used.contains(array))
      malformed(fmt::format("the array {:.100} belongs to nothing that such a model has", name));

  Parameters out(architecture);  // as large as the arrays of the file that was mapped
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    std::span<float> to = out.of(tensors[i]);
    for (const TensorView* piece : pieces[i]) {
      const std::span<float> part = to.first(numeric::at(piece->size()));
      piece->copy_to(part);
      if (!std::all_of(part.begin(), part.end(), [](float x) { return std::isfinite(x); }))
        malformed(fmt::format("{:.100} holds a number that is not finite", piece->name));
      to = to.subspan(part.size());
    }
  }
  return out;
}

}  // namespace clary::seq2seq
