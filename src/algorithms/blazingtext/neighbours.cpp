// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/neighbours.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "algorithms/blazingtext/model.h"

namespace clary::blazingtext {
namespace {

/// Scales to length 1; leaves zeros. False for zeros and what is not finite.
bool normalise(std::span<float> vector) {
  double square = 0;
  for (const float value : vector) square += static_cast<double>(value) * static_cast<double>(value);
  if (!(square > 0) || !std::isfinite(square)) return std::fill(vector.begin(), vector.end(), 0.0F), false;
  const auto scale = static_cast<float>(1 / std::sqrt(square));
  for (float& value : vector) value *= scale;
  return true;
}

bool nearer(const Neighbour& a, const Neighbour& b) {
  return a.similarity != b.similarity ? a.similarity > b.similarity : a.word < b.word;
}

}  // namespace

Neighbours::Neighbours(const Model& model) : unit_(model.dictionary.nwords, model.dim()) {
  std::vector<std::int32_t> rows;
  for (std::int64_t id = 0; id < unit_.rows; ++id) {
    rows.clear();
    append_word_rows(model, model.dictionary.words[static_cast<std::size_t>(id)], id, rows);
    mean_of_rows(model, rows, unit_.row(id));
    normalise(unit_.row(id));
  }
}

std::vector<Neighbour> Neighbours::nearest(std::span<const float> vector, std::int64_t k, std::int64_t excluded) const {
  std::vector<float> unit(vector.begin(), vector.end());
  if (!normalise(unit)) return {};
  std::vector<Neighbour> found;
  found.reserve(static_cast<std::size_t>(unit_.rows));
  for (std::int64_t id = 0; id < unit_.rows; ++id)
    if (id != excluded) found.push_back({id, dot(unit_.row(id), unit)});
  const auto end = found.begin() + std::min(k, static_cast<std::int64_t>(found.size()));
  std::partial_sort(found.begin(), end, found.end(), nearer);
  found.erase(end, found.end());
  return found;
}

}  // namespace clary::blazingtext
