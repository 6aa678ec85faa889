// SPDX-License-Identifier: Apache-2.0
// A device that is none: the kernels' bodies on the host, for tests and for machines without a GPU. A warp's lanes take
// their turns one after the other, in either order; sums are taken in the device's order. Positions that are learned
// side by side can be made to see nothing of each other's updates, the worst that a real device can do.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "algorithms/blazingtext/cuda/bodies.h"

namespace clary::blazingtext::cuda {

template <int kWidth>
class HostWarp {
 public:
  using Part = cuda::Part<kWidth>;
  static constexpr std::int32_t kLanes = 32;

  /// @param stale    reads are so many floats behind the address: in a copy of the matrices; 0: in the matrices
  /// @param written  gets the address of every part that is added to; may be null
  explicit HostWarp(bool backwards = false, std::ptrdiff_t stale = 0, std::vector<Part*>* written = nullptr)
      : backwards_(backwards), stale_(stale / kWidth), written_(written) {}

  template <class F>
  void each(std::int32_t n, const F& f) const {
    for (std::int32_t i = 0; i < n; ++i) f(backwards_ ? n - 1 - i : i);
  }
  template <int kSums, class F>
  void sums(std::int32_t n, float (&totals)[kSums], const F& f) const {
    float lanes[kLanes][kSums] = {};
    for (std::int32_t i = 0; i < n; ++i) f(i, lanes[i % kLanes]);
    for (std::int32_t far = kLanes / 2; far > 0; far /= 2)
      for (std::int32_t lane = 0; lane < far; ++lane)
        for (int s = 0; s < kSums; ++s) lanes[lane][s] += lanes[lane + far][s];
    std::copy_n(lanes[0], kSums, totals);
  }
  template <class F>
  float sum(std::int32_t n, const F& f) const {
    float total[1];
    sums<1>(n, total, [&](std::int32_t i, float(&t)[1]) { t[0] += f(i); });
    return total[0];
  }
  template <class F>
  float max(std::int32_t n, const F& f) const {
    float most = -3e38f;
    for (std::int32_t i = 0; i < n; ++i) most = std::max(most, f(i));
    return most;
  }
  bool leads() const { return true; }
  void sync() const {}
  float exp(float x) const { return std::exp(x); }
  Part load(const Part* at) const { return at[stale_]; }
  void add(Part* at, const Part& x) const {
    add_scaled(*at, 1.0f, x);
    if (written_ != nullptr) written_->push_back(at);
  }

 private:
  bool backwards_;
  std::ptrdiff_t stale_;
  std::vector<Part*>* written_;
};

/// The table of functions of such a device: 64 multiprocessors, 2 GiB of memory.
/// @param stale  what is learned side by side is learned from the same old values
const Api& emulated_api(bool stale = false);

}  // namespace clary::blazingtext::cuda
