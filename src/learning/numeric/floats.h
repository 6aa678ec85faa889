// SPDX-License-Identifier: Apache-2.0
// Vectors of floats that start on a cache line, as the kernels like it.
#pragma once

#include <cstddef>
#include <new>
#include <utility>
#include <vector>

namespace clary::numeric {

template <class T>
struct CacheLineAllocator {
  using value_type = T;
  CacheLineAllocator() = default;
  template <class U>
  CacheLineAllocator(const CacheLineAllocator<U>&) noexcept {}
  T* allocate(std::size_t n) { return static_cast<T*>(::operator new (n * sizeof(T), std::align_val_t{64})); }
  void deallocate(T* p, std::size_t) noexcept { ::operator delete (p, std::align_val_t{64}); }
  bool operator==(const CacheLineAllocator&) const = default;
};
using Floats = std::vector<float, CacheLineAllocator<float>>;

/// resize() does not write new elements: memory that nobody has written to is none that the system has to give.
template <class T>
struct UntouchedAllocator : CacheLineAllocator<T> {
  template <class U>
  struct rebind {
    using other = UntouchedAllocator<U>;
  };
  UntouchedAllocator() = default;
  template <class U>
  UntouchedAllocator(const UntouchedAllocator<U>&) noexcept {}
  template <class U>
  void construct(U* at) noexcept {
    ::new (static_cast<void*>(at)) U;
  }
  template <class U, class... Given>
  void construct(U* at, Given&&... given) {
    ::new (static_cast<void*>(at)) U(std::forward<Given>(given)...);
  }
};
using UntouchedFloats = std::vector<float, UntouchedAllocator<float>>;

}  // namespace clary::numeric
