// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/neighbours.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/model/model.h"
#include "algorithms/blazingtext/model/parts.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {
namespace {

constexpr std::int64_t kLeastWords = 8'000;  // a thread's share of one question: a millisecond or so

/// Scales to length 1; leaves zeros. False for zeros and what is not finite.
/// In double: a float32 sum of squares overflows for large vectors.
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

// The mean of each word's rows (its own and those of its n-grams), scaled to length 1 once, so that a cosine is one
// dot product.
Neighbours::Neighbours(const Model& model) : unit_(model.dictionary.nwords, model.dim()) {
  const int parts = worthwhile_parts(unit_.rows, kLeastWords);
  in_parts(parts, [&](int part) {
    std::vector<std::int32_t> rows;
    const auto [begin, end] = numeric::share(unit_.rows, part, parts);
    for (std::int64_t id = begin; id < end; ++id) {
      rows.clear();
      append_word_rows(model, model.dictionary.words[static_cast<std::size_t>(id)], id, rows);
      mean_of_rows(model, rows, unit_.row(id));
      normalise(unit_.row(id));
    }
  });
}

// A bounded heap; cosines are computed in blocks that stay in the first-level cache.
std::vector<Neighbour> Neighbours::nearest_of(std::int64_t begin, std::int64_t end, std::span<const float> unit,
                                              std::int64_t k, std::int64_t excluded) const {
  std::vector<Neighbour> heap;  // the k nearest so far, the farthest of them first
  std::array<float, 256> cosines;
  for (std::int64_t id = begin; id < end; ++id) {
    const auto at = static_cast<std::size_t>(id - begin) % cosines.size();
    if (at == 0)
      kernels::row_products(unit_.row(id).data(), std::min(std::ssize(cosines), end - id), unit_.columns, unit.data(),
                            cosines.data());
    const Neighbour found{id, cosines[at]};
    if (id == excluded || (std::ssize(heap) == k && !nearer(found, heap.front()))) continue;
    if (std::ssize(heap) == k) std::pop_heap(heap.begin(), heap.end(), nearer), heap.pop_back();
    heap.push_back(found);
    std::push_heap(heap.begin(), heap.end(), nearer);
  }
  return heap;
}

std::vector<Neighbour> Neighbours::nearest(std::span<const float> vector, std::int64_t k, std::int64_t excluded) const {
  std::vector<float> unit(vector.begin(), vector.end());
  if (!normalise(unit)) return {};
  const int parts = worthwhile_parts(unit_.rows, kLeastWords);
  std::vector<std::vector<Neighbour>> nearest(static_cast<std::size_t>(parts));
  in_parts(parts, [&](int part) {
    const auto [begin, end] = numeric::share(unit_.rows, part, parts);
    nearest[static_cast<std::size_t>(part)] = nearest_of(begin, end, unit, k, excluded);
  });
  // The k best of every part together contain the k best of all.
  std::vector<Neighbour> found;
  for (const auto& part : nearest) found.insert(found.end(), part.begin(), part.end());
  std::sort(found.begin(), found.end(), nearer);
  found.resize(static_cast<std::size_t>(std::min(k, std::ssize(found))));
  return found;
}

}  // namespace clary::blazingtext
