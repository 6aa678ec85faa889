// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/recurrent.h"

// Highway compiles this file once for each instruction set and chooses at run time.
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "learning/nn/recurrent.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// After highway.h, inside foreach_target's repeated inclusion:
#include "learning/numeric/exp-inl.h"

HWY_BEFORE_NAMESPACE();
namespace clary::nn::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using I = std::int64_t;
using numeric::HWY_NAMESPACE::fast_sigmoid;
using numeric::HWY_NAMESPACE::fast_tanh;

/// Calls step(d, i) for every position i: whole registers first, then one number at a time.
template <class F>
HWY_INLINE void for_each_unit(I units, const F& step) {
  const hn::ScalableTag<float> d;
  const hn::CappedTag<float, 1> single;
  const I lanes = static_cast<I>(hn::Lanes(d));
  I i = 0;
  for (; i + lanes <= units; i += lanes) step(d, i);
  for (; i < units; ++i) step(single, i);
}

void LstmForward(const CellInput& in, Rows<float> gates, Rows<const float> c_before, Rows<float> c, Rows<float> h) {
  const I units = in.units;
  for (I r = 0; r < in.rows; ++r) {
    float* gate = gates.row(r);
    const float *recurrent = in.recurrent.row(r), *c0 = c_before.row(r);
    float *c1 = c.row(r), *out = h.row(r);
    for_each_unit(units, [&](auto d, I u) HWY_ATTR {
      const auto sum = [&](I g) HWY_ATTR {
        const I at = g * units + u;
        const auto bias = hn::Add(hn::LoadU(d, in.bias_input + at), hn::LoadU(d, in.bias_recurrent + at));
        return hn::Add(hn::Add(hn::LoadU(d, gate + at), hn::LoadU(d, recurrent + at)), bias);
      };
      const auto i = fast_sigmoid(d, sum(0)), f = fast_sigmoid(d, sum(1)), g = fast_tanh(d, sum(2)),
                 o = fast_sigmoid(d, sum(3));
      const auto cell = hn::MulAdd(f, hn::LoadU(d, c0 + u), hn::Mul(i, g));
      hn::StoreU(i, d, gate + u);
      hn::StoreU(f, d, gate + units + u);
      hn::StoreU(g, d, gate + 2 * units + u);
      hn::StoreU(o, d, gate + 3 * units + u);
      hn::StoreU(cell, d, c1 + u);
      hn::StoreU(hn::Mul(o, fast_tanh(d, cell)), d, out + u);
    });
  }
}

void LstmBackward(I rows, I units, Rows<float> gates, Rows<const float> c_before, Rows<const float> c,
                  Rows<const float> dh, Rows<float> dc) {
  for (I r = 0; r < rows; ++r) {
    float *gate = gates.row(r), *cell_gradient = dc.row(r);
    const float *c0 = c_before.row(r), *c1 = c.row(r), *gradient = dh.row(r);
    for_each_unit(units, [&](auto d, I u) HWY_ATTR {
      const auto one = hn::Set(d, 1.0f);
      const auto i = hn::LoadU(d, gate + u), f = hn::LoadU(d, gate + units + u);
      const auto g = hn::LoadU(d, gate + 2 * units + u), o = hn::LoadU(d, gate + 3 * units + u);
      const auto y = hn::LoadU(d, gradient + u), t = fast_tanh(d, hn::LoadU(d, c1 + u));
      // Slopes in terms of outputs: sigmoid s (1 - s), tanh 1 - t^2.
      const auto dcell = hn::MulAdd(hn::Mul(y, o), hn::NegMulAdd(t, t, one), hn::LoadU(d, cell_gradient + u));
      const auto through = [&](auto gradient_of_output, auto s)
                               HWY_ATTR { return hn::Mul(gradient_of_output, hn::Mul(s, hn::Sub(one, s))); };
      hn::StoreU(through(hn::Mul(dcell, g), i), d, gate + u);
      hn::StoreU(through(hn::Mul(dcell, hn::LoadU(d, c0 + u)), f), d, gate + units + u);
      hn::StoreU(hn::Mul(hn::Mul(dcell, i), hn::NegMulAdd(g, g, one)), d, gate + 2 * units + u);
      hn::StoreU(through(hn::Mul(y, t), o), d, gate + 3 * units + u);
      hn::StoreU(hn::Mul(dcell, f), d, cell_gradient + u);
    });
  }
}

void GruForward(const CellInput& in, Rows<float> gates, Rows<float> candidate, Rows<const float> h_before,
                Rows<float> h) {
  const I units = in.units;
  for (I row = 0; row < in.rows; ++row) {
    float* gate = gates.row(row);
    float* kept = candidate.values == nullptr ? nullptr : candidate.row(row);
    const float *recurrent = in.recurrent.row(row), *h0 = h_before.row(row);
    float* out = h.row(row);
    for_each_unit(units, [&](auto d, I u) HWY_ATTR {
      const auto input_part = [&](I at) HWY_ATTR {
        return hn::Add(hn::LoadU(d, gate + at), hn::LoadU(d, in.bias_input + at));
      };
      const auto recurrent_part = [&](I at) HWY_ATTR {
        return hn::Add(hn::LoadU(d, recurrent + at), hn::LoadU(d, in.bias_recurrent + at));
      };
      const auto r = fast_sigmoid(d, hn::Add(input_part(u), recurrent_part(u)));
      const auto z = fast_sigmoid(d, hn::Add(input_part(units + u), recurrent_part(units + u)));
      const auto un = recurrent_part(2 * units + u);
      const auto n = fast_tanh(d, hn::MulAdd(r, un, input_part(2 * units + u)));
      const auto before = hn::LoadU(d, h0 + u);
      hn::StoreU(r, d, gate + u);
      hn::StoreU(z, d, gate + units + u);
      hn::StoreU(n, d, gate + 2 * units + u);
      if (kept != nullptr) hn::StoreU(un, d, kept + u);
      hn::StoreU(hn::MulAdd(z, hn::Sub(before, n), n), d, out + u);
    });
  }
}

void GruBackward(I rows, I units, Rows<float> gates, Rows<float> candidate, Rows<const float> h_before,
                 Rows<float> dh) {
  for (I row = 0; row < rows; ++row) {
    float *gate = gates.row(row), *kept = candidate.row(row), *gradient = dh.row(row);
    const float* h0 = h_before.row(row);
    for_each_unit(units, [&](auto d, I u) HWY_ATTR {
      const auto one = hn::Set(d, 1.0f);
      const auto r = hn::LoadU(d, gate + u), z = hn::LoadU(d, gate + units + u);
      const auto n = hn::LoadU(d, gate + 2 * units + u), un = hn::LoadU(d, kept + u);
      const auto y = hn::LoadU(d, gradient + u);
      const auto dn = hn::Mul(hn::Mul(y, hn::Sub(one, z)), hn::NegMulAdd(n, n, one));
      const auto dz = hn::Mul(hn::Mul(y, hn::Sub(hn::LoadU(d, h0 + u), n)), hn::Mul(z, hn::Sub(one, z)));
      hn::StoreU(hn::Mul(hn::Mul(dn, un), hn::Mul(r, hn::Sub(one, r))), d, gate + u);
      hn::StoreU(dz, d, gate + units + u);
      hn::StoreU(dn, d, gate + 2 * units + u);
      hn::StoreU(hn::Mul(dn, r), d, kept + u);
      hn::StoreU(hn::Mul(y, z), d, gradient + u);
    });
  }
}

}  // namespace clary::nn::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace clary::nn {
HWY_EXPORT(LstmForward);
HWY_EXPORT(LstmBackward);
HWY_EXPORT(GruForward);
HWY_EXPORT(GruBackward);

void lstm_forward(const CellInput& in, Rows<float> gates, Rows<const float> c_before, Rows<float> c, Rows<float> h) {
  HWY_DYNAMIC_DISPATCH(LstmForward)(in, gates, c_before, c, h);
}
void lstm_backward(std::int64_t rows, std::int64_t units, Rows<float> gates, Rows<const float> c_before,
                   Rows<const float> c, Rows<const float> dh, Rows<float> dc) {
  HWY_DYNAMIC_DISPATCH(LstmBackward)(rows, units, gates, c_before, c, dh, dc);
}
void gru_forward(const CellInput& in, Rows<float> gates, Rows<float> candidate, Rows<const float> h_before,
                 Rows<float> h) {
  HWY_DYNAMIC_DISPATCH(GruForward)(in, gates, candidate, h_before, h);
}
void gru_backward(std::int64_t rows, std::int64_t units, Rows<float> gates, Rows<float> candidate,
                  Rows<const float> h_before, Rows<float> dh) {
  HWY_DYNAMIC_DISPATCH(GruBackward)(rows, units, gates, candidate, h_before, dh);
}
}  // namespace clary::nn
#endif
