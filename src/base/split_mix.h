// SPDX-License-Identifier: Apache-2.0
// Random numbers of one thread: SplitMix64 (Steele, Lea, Flood, "Fast splittable pseudorandom number generators",
// OOPSLA 2014). Eight bytes of state, any seed is good, and streams of different seeds are independent enough for
// sampling and shuffling. C++17 and constexpr, so that device code may call it.
#pragma once

#include <cstdint>

namespace clary {

class SplitMix64 {
 public:
  explicit constexpr SplitMix64(std::uint64_t seed) noexcept : state_(seed) {}
  /// Stream number `stream` of `seed`.
  constexpr SplitMix64(std::uint64_t seed, std::uint64_t stream) noexcept : state_(mixed(seed) + mixed(~stream)) {}

  constexpr std::uint64_t next() noexcept { return mixed(state_ += kGolden); }

  /// 0 .. n-1 from the 32 bits given, n > 0. Lemire's multiplication; the bias is below n / 2^32.
  static constexpr std::uint32_t below(std::uint32_t bits, std::uint32_t n) noexcept {
    return static_cast<std::uint32_t>(static_cast<std::uint64_t>(bits) * n >> 32);
  }
  constexpr std::uint32_t below(std::uint32_t n) noexcept { return below(static_cast<std::uint32_t>(next() >> 32), n); }

 private:
  static constexpr std::uint64_t kGolden = 0x9e37'79b9'7f4a'7c15ULL;
  static constexpr std::uint64_t mixed(std::uint64_t z) noexcept {
    z = (z ^ (z >> 30)) * 0xbf58'476d'1ce4'e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d0'49bb'1331'11ebULL;
    return z ^ (z >> 31);
  }

  std::uint64_t state_;
};

}  // namespace clary
