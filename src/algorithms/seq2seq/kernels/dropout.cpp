// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/kernels/dropout.h"

#include <algorithm>
#include <cmath>

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/seq2seq/kernels/dropout.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "learning/numeric/philox-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::seq2seq::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using I = std::int64_t;
using D = hn::ScalableTag<float>;
using DU = hn::RebindToUnsigned<D>;

// 16 counters give the numbers of 64 columns: column 64 g + 16 w + i has word w of the counter (16 g + i, row, stream,
// 0). Every vector width up to 16 lanes divides that pattern.
constexpr I kCounters = 16, kGroup = 4 * kCounters;

/// factors[64] = 0 or `keep` for group `group` of row `row`.
void factors_of(std::uint64_t seed, std::uint32_t stream, std::uint32_t row, std::uint32_t group,
                std::uint32_t threshold, float keep, float* factors) {
  const D d;
  const DU du;
  const auto lanes = static_cast<std::uint32_t>(hn::Lanes(d));
  for (std::uint32_t i = 0; i < kCounters; i += lanes) {
    auto c0 = hn::Iota(du, static_cast<std::uint32_t>(kCounters) * group + i), c1 = hn::Set(du, row);
    auto c2 = hn::Set(du, stream), c3 = hn::Zero(du);
    numeric::HWY_NAMESPACE::philox(du, c0, c1, c2, c3, seed);
    const auto store = [&](auto words, I word) HWY_ATTR {
      // Unsigned words >= threshold: the larger of the two is the word itself.
      const auto kept = hn::Eq(hn::Max(words, hn::Set(du, threshold)), words);
      hn::StoreU(hn::IfThenElseZero(hn::RebindMask(d, kept), hn::Set(d, keep)), d, factors + word * kCounters + i);
    };
    store(c0, 0), store(c1, 1), store(c2, 2), store(c3, 3);
  }
}

void Drop(const DropoutMask& mask, I first_row, I rows, I width, float* x, I stride) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  const auto threshold = static_cast<std::uint32_t>(std::min(std::floor(mask.share * 0x1p32), 0x1p32 - 1));
  const float keep = mask.share < 1 ? static_cast<float>(1 / (1 - mask.share)) : 0.0F;
  HWY_ALIGN float factors[kGroup];
  for (I r = 0; r < rows; ++r)
    for (I start = 0; start < width; start += kGroup) {
      factors_of(mask.seed, mask.stream, static_cast<std::uint32_t>(first_row + r),
                 static_cast<std::uint32_t>(start / kGroup), threshold, keep, factors);
      float* values = x + r * stride + start;
      const I columns = std::min(kGroup, width - start);
      I i = 0;
      for (; i + lanes <= columns; i += lanes)
        hn::StoreU(hn::Mul(hn::LoadU(d, values + i), hn::Load(d, factors + i)), d, values + i);
      for (; i < columns; ++i) values[i] *= factors[i];
    }
}

}  // namespace clary::seq2seq::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::seq2seq::kernels {
HWY_EXPORT(Drop);

void drop(const DropoutMask& mask, std::int64_t first_row, std::int64_t rows, std::int64_t width, float* x,
          std::int64_t stride) {
  if (mask.share > 0) HWY_DYNAMIC_DISPATCH(Drop)(mask, first_row, rows, width, x, stride);
}
}  // namespace clary::seq2seq::kernels
#endif
