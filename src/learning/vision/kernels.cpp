// SPDX-License-Identifier: Apache-2.0
#include "learning/vision/kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "learning/vision/kernels.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace clary::vision::kernels::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// A pixel and its right neighbour are the first six of eight gathered bytes, one pixel a 64-bit lane. The blend needs
/// 20 bits as it is written; in 16 it is 128 a + floor((b - a) w / 16), where (b - a) 128 and 32 w are the factors of a
/// high product. 32 w beyond 2^15 appears as negative: the product is then (b - a) 128 too small, so b takes a's place.
void BlendColumns(const std::uint8_t* row, const std::int64_t* offsets, const std::int16_t* weights,
                  std::int64_t columns, std::int16_t* out) {
  const hn::ScalableTag<std::int64_t> d64;
  const hn::Repartition<std::uint8_t, decltype(d64)> d8;
  const hn::Repartition<std::int16_t, decltype(d64)> d16;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d64));
  HWY_ALIGN static constexpr std::uint8_t kLeft[16] = {0, 128, 1, 128, 2,  128, 128, 128,
                                                       8, 128, 9, 128, 10, 128, 128, 128};
  HWY_ALIGN static constexpr std::uint8_t kRight[16] = {3,  128, 4,  128, 5,  128, 128, 128,
                                                        11, 128, 12, 128, 13, 128, 128, 128};
  const auto left = hn::LoadDup128(d8, kLeft), right = hn::LoadDup128(d8, kRight);
  for (std::int64_t i = 0; i < columns; i += lanes) {
    const auto bytes =
        hn::BitCast(d8, hn::GatherOffset(d64, reinterpret_cast<const std::int64_t*>(row), hn::LoadU(d64, offsets + i)));
    const auto a = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, left));
    const auto b = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, right));
    const auto weight = hn::LoadU(d16, weights + 4 * i);
    const auto step = hn::ShiftLeft<7>(hn::Sub(b, a));
    const auto base = hn::ShiftLeft<7>(hn::IfThenElse(hn::Lt(weight, hn::Zero(d16)), b, a));
    hn::StoreU(hn::Add(base, hn::MulHigh(step, weight)), d16, out + 4 * i);
  }
}

void BlendRows(const std::int16_t* a, const std::int16_t* b, std::int16_t weight_a, std::int16_t weight_b,
               std::int64_t count, std::uint8_t* out) {
  const hn::ScalableTag<std::int16_t> d16;
  const hn::Rebind<std::uint8_t, decltype(d16)> d8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d16));
  const auto wa = hn::Set(d16, weight_a), wb = hn::Set(d16, weight_b), half = hn::Set(d16, std::int16_t{2});
  for (std::int64_t i = 0; i < count; i += lanes) {
    const auto sum = hn::Add(hn::MulHigh(hn::LoadU(d16, a + i), wa), hn::MulHigh(hn::LoadU(d16, b + i), wb));
    hn::StoreU(hn::DemoteTo(d8, hn::ShiftRight<2>(hn::Add(sum, half))), d8, out + i);
  }
}

void DropFourth(std::uint8_t* line, std::int64_t columns) {
  const hn::FixedTag<std::uint8_t, 16> d;
  HWY_ALIGN static constexpr std::uint8_t kKept[16] = {0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 128, 128, 128, 128};
  const auto kept = hn::Load(d, kKept);
  for (std::int64_t i = 0; i < columns; i += 4)
    hn::StoreU(hn::TableLookupBytesOr0(hn::LoadU(d, line + 4 * i), kept), d, line + 3 * i);
}

}  // namespace clary::vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::vision::kernels {

HWY_EXPORT(BlendColumns);
HWY_EXPORT(BlendRows);
HWY_EXPORT(DropFourth);

void blend_columns(const std::uint8_t* row, const std::int64_t* offsets, const std::int16_t* weights,
                   std::int64_t columns, std::int16_t* out) {
  HWY_DYNAMIC_DISPATCH(BlendColumns)(row, offsets, weights, columns, out);
}

void blend_rows(const std::int16_t* a, const std::int16_t* b, std::int16_t weight_a, std::int16_t weight_b,
                std::int64_t count, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(BlendRows)(a, b, weight_a, weight_b, count, out);
}

void drop_fourth(std::uint8_t* line, std::int64_t columns) { HWY_DYNAMIC_DISPATCH(DropFourth)(line, columns); }

}  // namespace clary::vision::kernels
#endif
