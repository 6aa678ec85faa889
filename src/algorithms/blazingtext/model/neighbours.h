// SPDX-License-Identifier: Apache-2.0
// The words nearest to a vector by cosine, exactly: one pass over unit vectors that are made at the first question.
// Letters: V words, D dimensions.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <vector>

#include "algorithms/blazingtext/model/matrix.h"

namespace clary::blazingtext {

struct Model;

struct Neighbour {
  std::int64_t word = 0;  // 0 .. V-1
  float similarity = 0;   // cosine
};

class Neighbours {
 public:
  explicit Neighbours(const Model& model);
  /// The k words of the highest cosine, best first, without word `excluded` (-1: none); none for a zero vector.
  std::vector<Neighbour> nearest(std::span<const float> vector, std::int64_t k, std::int64_t excluded) const;

 private:
  std::vector<Neighbour> nearest_of(std::int64_t begin, std::int64_t end, std::span<const float> unit, std::int64_t k,
                                    std::int64_t excluded) const;

  Matrix unit_;  // [V, D]; rows of zero vectors stay zero
};

/// Made once, by the first thread that asks.
class LazyNeighbours {
 public:
  const Neighbours& of(const Model& model) {
    std::call_once(once_, [&] { built_ = std::make_unique<Neighbours>(model); });
    return *built_;
  }

 private:
  std::once_flag once_;
  std::unique_ptr<Neighbours> built_;
};

}  // namespace clary::blazingtext
