// SPDX-License-Identifier: Apache-2.0
// Many rows against one vector: the scores of labels, the cosines of words. Rows lie one behind the other without
// padding, as model files hold them.
#include "algorithms/blazingtext/kernels/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "algorithms/blazingtext/kernels/products.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "algorithms/blazingtext/kernels/rows-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::blazingtext::kernels::HWY_NAMESPACE {

/// out[r] = row r . h, r < kRows
template <int kRows>
// Four rows share the loads of h. Rows have no padding, hence unaligned loads and a scalar tail.
HWY_INLINE void products_of(const float* HWY_RESTRICT rows, I columns, const float* HWY_RESTRICT h,
                            float* HWY_RESTRICT out) {
  const D d;
  const I lanes = static_cast<I>(hn::Lanes(d));
  V sum[kRows];
  for (int r = 0; r < kRows; ++r) sum[r] = hn::Zero(d);
  I n = 0;
  for (; n + lanes <= columns; n += lanes) {
    const V x = hn::LoadU(d, h + n);
    for (int r = 0; r < kRows; ++r) sum[r] = hn::MulAdd(x, hn::LoadU(d, rows + r * columns + n), sum[r]);
  }
  store_sums<kRows>(sum, out);
  for (; n < columns; ++n)
    for (int r = 0; r < kRows; ++r) out[r] += rows[r * columns + n] * h[n];
}

void RowProducts(const float* rows, std::int64_t count, std::int64_t columns, const float* h, float* out) {
  I r = 0;
  for (; r + 4 <= count; r += 4) products_of<4>(rows + r * columns, columns, h, out + r);
  for (; r < count; ++r) products_of<1>(rows + r * columns, columns, h, out + r);
}

}  // namespace clary::blazingtext::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::blazingtext::kernels {

HWY_EXPORT(RowProducts);

void row_products(const float* rows, std::int64_t count, std::int64_t columns, const float* h, float* out) {
  HWY_DYNAMIC_DISPATCH(RowProducts)(rows, count, columns, h, out);
}

}  // namespace clary::blazingtext::kernels
#endif
