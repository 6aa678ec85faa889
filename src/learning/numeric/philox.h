// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10, a counter-based generator: a block of four words is a pure function of (key, counter), so that any
// thread, host or later program draws the same numbers for the same place. Source: Salmon, Moraes, Dror, Shaw,
// "Parallel random numbers: as easy as 1, 2, 3", SC 2011. philox-inl.h is the same for vectors of counters.
#pragma once

#include <array>
#include <cstdint>

namespace clary::numeric {

struct PhiloxConstants {
  static constexpr std::uint32_t kMultiplier0 = 0xD2511F53, kMultiplier1 = 0xCD9E8D57;
  static constexpr std::uint32_t kWeyl0 = 0x9E3779B9, kWeyl1 = 0xBB67AE85;  // added to the key after each round
  static constexpr int kRounds = 10;
};

using PhiloxWords = std::array<std::uint32_t, 4>;

constexpr PhiloxWords philox(PhiloxWords counter, std::uint64_t key) {
  using C = PhiloxConstants;
  auto k0 = static_cast<std::uint32_t>(key), k1 = static_cast<std::uint32_t>(key >> 32);
  for (int round = 0; round < C::kRounds; ++round) {
    const std::uint64_t a = std::uint64_t{C::kMultiplier0} * counter[0];
    const std::uint64_t b = std::uint64_t{C::kMultiplier1} * counter[2];
    counter = {static_cast<std::uint32_t>(b >> 32) ^ counter[1] ^ k0, static_cast<std::uint32_t>(b),
               static_cast<std::uint32_t>(a >> 32) ^ counter[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += C::kWeyl0;
    k1 += C::kWeyl1;
  }
  return counter;
}

/// Block `block` of stream `stream` under a seed. Counter words, low first: block, block >> 32, stream, stream >> 32.
constexpr PhiloxWords philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t block) {
  return philox(PhiloxWords{static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                            static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)},
                seed);
}

/// Words of one stream, one after the other.
class PhiloxStream {
 public:
  PhiloxStream(std::uint64_t seed, std::uint64_t stream) : seed_(seed), stream_(stream) {}

  std::uint64_t next64() {
    if (used_ == 4) {
      words_ = philox(seed_, stream_, block_++);
      used_ = 0;
    }
    const std::uint64_t low = words_[used_], high = words_[used_ + 1];
    used_ += 2;
    return high << 32 | low;
  }

  /// Uniform in [0, bound), without bias (rejection); bound >= 1.
  std::uint64_t below(std::uint64_t bound) {
    const std::uint64_t limit = ~std::uint64_t{0} - (~std::uint64_t{0} % bound + 1) % bound;
    std::uint64_t value = next64();
    while (value > limit) value = next64();
    return value % bound;
  }

 private:
  std::uint64_t seed_, stream_, block_ = 0;
  PhiloxWords words_{};
  unsigned used_ = 4;
};

}  // namespace clary::numeric
