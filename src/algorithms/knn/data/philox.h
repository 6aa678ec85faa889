// SPDX-License-Identifier: Apache-2.0
// Philox4x32-10, a counter-based generator: block i of stream s under a seed is a pure function of (seed, s, i), so a
// projection can be rebuilt from three numbers, by anybody. Source: Salmon, Moraes, Dror, Shaw, "Parallel Random
// Numbers: As Easy as 1, 2, 3", SC 2011. Counter words, low first: i, i >> 32, s, s >> 32; key words: seed, seed >> 32.
#pragma once

#include <array>
#include <cstdint>

namespace clary::knn {

inline std::array<std::uint32_t, 4> philox(std::uint64_t seed, std::uint64_t stream, std::uint64_t block) {
  std::array<std::uint32_t, 4> c = {static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                                    static_cast<std::uint32_t>(stream), static_cast<std::uint32_t>(stream >> 32)};
  auto k0 = static_cast<std::uint32_t>(seed), k1 = static_cast<std::uint32_t>(seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t a = std::uint64_t{0xD2511F53} * c[0];
    const std::uint64_t b = std::uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<std::uint32_t>(b >> 32) ^ c[1] ^ k0, static_cast<std::uint32_t>(b),
         static_cast<std::uint32_t>(a >> 32) ^ c[3] ^ k1, static_cast<std::uint32_t>(a)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
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
  std::array<std::uint32_t, 4> words_{};
  unsigned used_ = 4;
};

}  // namespace clary::knn
