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

/// As in BlendColumns one pixel and its right neighbour a 64-bit lane, here of two rows. Products of 18 bits are kept
/// in 16: floor((32 u + (l - u) f + 512) / 1024) = (4 u + 64 + ((l - u) f >> 3)) >> 7, and the shifted product is the
/// high half of 4 (l - u) and 2048 f; where 2048 f is negative as a 16-bit number, it is 4 (l - u) too small.
void SampleRow(const AffineRow& row, std::int64_t columns, std::uint8_t* out) {
  const hn::ScalableTag<std::int64_t> d64;
  const hn::Repartition<std::int32_t, decltype(d64)> d32;
  const hn::Repartition<std::uint8_t, decltype(d64)> d8;
  const hn::Repartition<std::int16_t, decltype(d64)> d16;
  const hn::Rebind<std::uint8_t, decltype(d16)> half8;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d64));
  HWY_ALIGN static constexpr std::uint8_t kLeft[16] = {0, 128, 1, 128, 2,  128, 128, 128,
                                                       8, 128, 9, 128, 10, 128, 128, 128};
  HWY_ALIGN static constexpr std::uint8_t kRight[16] = {3,  128, 4,  128, 5,  128, 128, 128,
                                                        11, 128, 12, 128, 13, 128, 128, 128};
  HWY_ALIGN static constexpr std::uint8_t kFourTimes[16] = {0, 1, 0, 1, 0, 1, 0, 1, 8, 9, 8, 9, 8, 9, 8, 9};
  const auto left = hn::LoadDup128(d8, kLeft), right = hn::LoadDup128(d8, kRight);
  const auto four_times = hn::LoadDup128(d8, kFourTimes);
  const auto fraction = hn::Set(d64, 31), border = hn::Set(d64, -2), two = hn::Set(d64, 2);
  const auto width = hn::Set(d64, row.width), height = hn::Set(d64, row.height);
  const auto stride = hn::BitCast(d32, hn::Set(d64, row.stride));
  const auto* base = reinterpret_cast<const std::int64_t*>(row.pixels);
  const auto* next = reinterpret_cast<const std::int64_t*>(row.pixels + row.stride);
  const auto spread = [&](auto f) { return hn::BitCast(d16, hn::TableLookupBytes(hn::BitCast(d8, f), four_times)); };
  for (std::int64_t i = 0; i < columns; i += lanes) {
    const auto x = hn::ShiftRight<5>(hn::Add(hn::Set(d64, row.x), hn::LoadU(d64, row.dx + i)));
    const auto y = hn::ShiftRight<5>(hn::Add(hn::Set(d64, row.y), hn::LoadU(d64, row.dy + i)));
    // Beyond the border all is as in it.
    const auto column = hn::Add(hn::Min(hn::Max(hn::ShiftRight<5>(x), border), width), two);
    const auto line = hn::Add(hn::Min(hn::Max(hn::ShiftRight<5>(y), border), height), two);
    const auto offset = hn::Add(hn::MulEven(hn::BitCast(d32, line), stride), hn::Add(column, hn::Add(column, column)));
    const auto blend = [&](const std::int64_t* from, auto fx) {
      const auto bytes = hn::BitCast(d8, hn::GatherOffset(d64, from, offset));
      const auto a = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, left));
      const auto b = hn::BitCast(d16, hn::TableLookupBytesOr0(bytes, right));
      return hn::Add(hn::ShiftLeft<5>(a), hn::Mul(hn::Sub(b, a), fx));
    };
    const auto fx = spread(hn::And(x, fraction));
    const auto fy = hn::ShiftLeft<11>(spread(hn::And(y, fraction)));
    const auto upper = blend(base, fx), lower = blend(next, fx);
    const auto nearer = hn::IfThenElse(hn::Lt(fy, hn::Zero(d16)), lower, upper);
    const auto product = hn::MulHigh(hn::ShiftLeft<2>(hn::Sub(lower, upper)), fy);
    const auto sum = hn::Add(hn::Add(hn::ShiftLeft<2>(nearer), hn::Set(d16, std::int16_t{64})), product);
    hn::StoreU(hn::DemoteTo(half8, hn::ShiftRight<7>(sum)), half8, out + 4 * i);
  }
}

/// cv::cvtColor's formulas (RGB <-> HLS, float32) without branches.
void ShiftColours(std::uint8_t* pixels, std::int64_t count, int hue, int lightness, int saturation) {
  const hn::ScalableTag<float> d;
  const hn::Rebind<std::uint8_t, decltype(d)> d8;
  const hn::Rebind<std::int32_t, decltype(d)> d32;
  using V = decltype(hn::Zero(d));
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0F), two = hn::Set(d, 2.0F), half = hn::Set(d, 0.5F);
  const V scale = hn::Set(d, 1.0F / 255), full = hn::Set(d, 255.0F), six = hn::Set(d, 6.0F);
  const auto load = [&](auto bytes) { return hn::Mul(hn::ConvertTo(d, hn::PromoteTo(d32, bytes)), scale); };
  const auto moved = [&](V value, int by, float limit) {
    const V sum = hn::Add(hn::Round(value), hn::Set(d, static_cast<float>(by)));
    return hn::Min(hn::Max(sum, zero), hn::Set(d, limit));
  };
  for (std::int64_t i = 0; i < count; i += lanes, pixels += 3 * lanes) {
    hn::VFromD<decltype(d8)> r8, g8, b8;
    hn::LoadInterleaved3(d8, pixels, r8, g8, b8);
    const V r = load(r8), g = load(g8), b = load(b8);
    const V most = hn::Max(r, hn::Max(g, b)), least = hn::Min(r, hn::Min(g, b));
    const V range = hn::Sub(most, least), sum = hn::Add(most, least);
    const auto grey = hn::Le(range, hn::Set(d, 1e-7F));
    const V safe = hn::IfThenElse(grey, one, range);
    const V dark = hn::IfThenElse(hn::Lt(hn::Mul(sum, half), half), sum, hn::Sub(two, sum));
    const V s = hn::IfThenElse(grey, zero, hn::Div(range, hn::IfThenElse(grey, one, dark)));
    const V degrees = hn::Div(hn::Set(d, 60.0F), safe);
    const V by_blue = hn::Add(hn::Mul(hn::Sub(r, g), degrees), hn::Set(d, 240.0F));
    const V by_green = hn::Add(hn::Mul(hn::Sub(b, r), degrees), hn::Set(d, 120.0F));
    const V by_red = hn::Mul(hn::Sub(g, b), degrees);
    V h = hn::IfThenElse(hn::Eq(most, r), by_red, hn::IfThenElse(hn::Eq(most, g), by_green, by_blue));
    h = hn::IfThenElse(grey, zero, hn::IfThenElse(hn::Lt(h, zero), hn::Add(h, hn::Set(d, 360.0F)), h));

    const V h8 = moved(hn::Mul(h, half), hue, 180);
    const V l = hn::Mul(moved(hn::Mul(hn::Mul(sum, half), full), lightness, 255), scale);
    const V s2 = hn::Mul(moved(hn::Mul(s, full), saturation, 255), scale);

    const V ls = hn::Mul(l, s2);
    const V high = hn::IfThenElse(hn::Le(l, half), hn::Add(l, ls), hn::Sub(hn::Add(l, s2), ls));
    const V low = hn::Sub(hn::Add(l, l), high), rise = hn::Sub(high, low);
    const V sixths = hn::Mul(h8, hn::Set(d, 1.0F / 30));
    // A channel rises over one sixth of the circle, stays for two and falls over one.
    const auto channel = [&](V at) {
      at = hn::IfThenElse(hn::Lt(at, zero), hn::Add(at, six), at);
      at = hn::IfThenElse(hn::Ge(at, six), hn::Sub(at, six), at);
      const V part = hn::Min(hn::Max(hn::Min(at, hn::Sub(hn::Set(d, 4.0F), at)), zero), one);
      return hn::DemoteTo(d8, hn::NearestInt(hn::Mul(hn::Add(low, hn::Mul(rise, part)), full)));
    };
    hn::StoreInterleaved3(channel(hn::Add(sixths, two)), channel(sixths), channel(hn::Sub(sixths, two)), d8, pixels);
  }
}

}  // namespace clary::vision::kernels::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::vision::kernels {

HWY_EXPORT(BlendColumns);
HWY_EXPORT(BlendRows);
HWY_EXPORT(DropFourth);
HWY_EXPORT(SampleRow);
HWY_EXPORT(ShiftColours);

void blend_columns(const std::uint8_t* row, const std::int64_t* offsets, const std::int16_t* weights,
                   std::int64_t columns, std::int16_t* out) {
  HWY_DYNAMIC_DISPATCH(BlendColumns)(row, offsets, weights, columns, out);
}

void blend_rows(const std::int16_t* a, const std::int16_t* b, std::int16_t weight_a, std::int16_t weight_b,
                std::int64_t count, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(BlendRows)(a, b, weight_a, weight_b, count, out);
}

void drop_fourth(std::uint8_t* line, std::int64_t columns) { HWY_DYNAMIC_DISPATCH(DropFourth)(line, columns); }

void sample_row(const AffineRow& row, std::int64_t columns, std::uint8_t* out) {
  HWY_DYNAMIC_DISPATCH(SampleRow)(row, columns, out);
}

void shift_colours(std::uint8_t* pixels, std::int64_t count, int hue, int lightness, int saturation) {
  HWY_DYNAMIC_DISPATCH(ShiftColours)(pixels, count, hue, lightness, saturation);
}

}  // namespace clary::vision::kernels
#endif
