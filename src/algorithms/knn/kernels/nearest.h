// SPDX-License-Identifier: Apache-2.0
// The k best (cost, id) pairs seen so far; smaller cost is better and, at equal cost, the smaller id.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

namespace clary::knn {

struct Neighbour {
  float cost;  // squared L2, or minus the inner product
  std::int64_t id;
  friend bool operator<(const Neighbour& a, const Neighbour& b) {
    return a.cost < b.cost || (a.cost == b.cost && a.id < b.id);
  }
};

class Nearest {
 public:
  explicit Nearest(std::int64_t k) : k_(static_cast<std::size_t>(k)) { heap_.reserve(k_); }

  /// The cost that a newcomer may not exceed; +inf while fewer than k are known.
  float worst() const { return heap_.size() < k_ ? std::numeric_limits<float>::infinity() : heap_.front().cost; }

  /// True when it was among the k best.
  bool offer(Neighbour candidate) {
    if (heap_.size() < k_) {
      heap_.push_back(candidate);
      std::push_heap(heap_.begin(), heap_.end());
      return true;
    }
    if (!(candidate < heap_.front())) return false;
    std::pop_heap(heap_.begin(), heap_.end());
    heap_.back() = candidate;
    std::push_heap(heap_.begin(), heap_.end());
    return true;
  }

  void merge(const Nearest& other) {
    for (const Neighbour& one : other.heap_) offer(one);
  }

  /// Best first.
  std::vector<Neighbour> sorted() && {
    std::sort(heap_.begin(), heap_.end());
    return std::move(heap_);
  }

 private:
  std::size_t k_;
  std::vector<Neighbour> heap_;  // the worst on top
};

}  // namespace clary::knn
