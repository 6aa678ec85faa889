// SPDX-License-Identifier: Apache-2.0
// The cells beside their formulas in float64, and their gradients beside central differences of those.
#include "learning/nn/recurrent.h"

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::nn {
namespace {

using numeric::at;
using Doubles = std::vector<double>;
using Floats = std::vector<float>;

constexpr std::int64_t kRows = 3, kUnits = 21;  // a register and a rest, whatever the instruction set
constexpr std::int64_t kStride = 90;            // rows of all arrays lie apart; 4 H = 84
constexpr float kUntouched = 7;                 // between rows

/// One step's arrays, each [rows, kStride].
struct Step {
  Floats gates, recurrent, before, h, other;  // before: c or h; other: c (LSTM) or candidate (GRU)
  Floats bias_input, bias_recurrent;

  explicit Step(std::int64_t gate_count, float span = 1.5F) {
    numeric::PhiloxStream random(11, 0);
    const auto draw = [&] {
      return static_cast<float>(static_cast<double>(random.next64() >> 40) / 0x1p23 - 1) * span;
    };
    const auto rows_of = [&](std::int64_t width, bool drawn) {
      Floats out(at(kRows * kStride), kUntouched);
      for (std::int64_t r = 0; r < kRows && drawn; ++r)
        for (std::int64_t i = 0; i < width; ++i) out[at(r * kStride + i)] = draw();
      return out;
    };
    gates = rows_of(gate_count * kUnits, true), recurrent = rows_of(gate_count * kUnits, true);
    before = rows_of(kUnits, true), h = rows_of(kUnits, false), other = rows_of(kUnits, false);
    for (Floats* bias : {&bias_input, &bias_recurrent}) {
      bias->resize(at(gate_count * kUnits));
      for (float& x : *bias) x = draw();
    }
  }
  CellInput input() const {
    return {kRows, kUnits, {recurrent.data(), kStride}, bias_input.data(), bias_recurrent.data()};
  }
};

Rows<float> rows(Floats& values) { return {values.data(), kStride}; }
Rows<const float> rows(const Floats& values) { return {values.data(), kStride}; }

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

/// h and c of one unit of an LSTM, from the sums of its gates before the activations.
struct LstmUnit {
  double c, h;
};
LstmUnit lstm(const double (&sum)[4], double c_before) {
  const double c = sigmoid(sum[1]) * c_before + sigmoid(sum[0]) * std::tanh(sum[2]);
  return {c, sigmoid(sum[3]) * std::tanh(c)};
}

/// h of one unit of a GRU; input and recurrent parts apart.
double gru(const double (&input)[3], const double (&recurrent)[3], double h_before) {
  const double r = sigmoid(input[0] + recurrent[0]), z = sigmoid(input[1] + recurrent[1]);
  const double n = std::tanh(input[2] + r * recurrent[2]);
  return (1 - z) * n + z * h_before;
}

double slope(double& x, const std::function<double()>& f) {
  const double step = 1e-5, before = x;
  x = before + step;
  const double high = f();
  x = before - step;
  const double low = f();
  x = before;
  return (high - low) / (2 * step);
}

template <std::size_t kGates>
void parts(const Step& step, std::int64_t r, std::int64_t u, double (&input)[kGates], double (&recurrent)[kGates]) {
  for (std::size_t g = 0; g < kGates; ++g) {
    const std::size_t unit = g * at(kUnits) + at(u), place = at(r * kStride) + unit;
    input[g] = static_cast<double>(step.gates[place]) + static_cast<double>(step.bias_input[unit]);
    recurrent[g] = static_cast<double>(step.recurrent[place]) + static_cast<double>(step.bias_recurrent[unit]);
  }
}

void expect_gaps_untouched(const Floats& values, std::int64_t width) {
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t i = width; i < kStride; ++i) ASSERT_EQ(values[at(r * kStride + i)], kUntouched) << r << " " << i;
}

TEST(Lstm, StepAndGradientsEqualTheFormulas) {
  const Step given(4);
  Step step = given;
  lstm_forward(step.input(), rows(step.gates), rows(given.before), rows(step.other), rows(step.h));
  expect_gaps_untouched(step.gates, 4 * kUnits);
  expect_gaps_untouched(step.other, kUnits);
  expect_gaps_untouched(step.h, kUnits);
  // The objective is 0.7 h + 0.3 c: gradients of a step that has both a next layer and a next step.
  Floats dh(at(kRows * kStride), 0.7F), dc(at(kRows * kStride), 0.3F), gradient = step.gates;
  lstm_backward(kRows, kUnits, rows(gradient), rows(given.before), rows(std::as_const(step.other)),
                rows(std::as_const(dh)), rows(dc));
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t u = 0; u < kUnits; ++u) {
      double sum[4], recurrent[4];
      parts(given, r, u, sum, recurrent);
      for (int g = 0; g < 4; ++g) sum[g] += recurrent[g];
      const std::size_t place = at(r * kStride + u);
      double c_before = static_cast<double>(given.before[place]);
      const LstmUnit expected = lstm(sum, c_before);
      ASSERT_NEAR(step.other[place], expected.c, 2e-6);
      ASSERT_NEAR(step.h[place], expected.h, 2e-6);
      const auto objective = [&] { return 0.7 * lstm(sum, c_before).h + 0.3 * lstm(sum, c_before).c; };
      for (std::size_t g = 0; g < 4; ++g)
        ASSERT_NEAR(gradient[place + g * at(kUnits)], slope(sum[g], objective), 2e-6) << "gate " << g;
      ASSERT_NEAR(dc[place], slope(c_before, objective), 2e-6);
    }
}

TEST(Gru, StepAndGradientsEqualTheFormulas) {
  const Step given(3);
  Step step = given;
  gru_forward(step.input(), rows(step.gates), rows(step.other), rows(given.before), rows(step.h));
  expect_gaps_untouched(step.gates, 3 * kUnits);
  expect_gaps_untouched(step.other, kUnits);
  expect_gaps_untouched(step.h, kUnits);
  Floats dh(at(kRows * kStride), 0.7F), gradient = step.gates, candidate = step.other;
  gru_backward(kRows, kUnits, rows(gradient), rows(candidate), rows(given.before), rows(dh));
  for (std::int64_t r = 0; r < kRows; ++r)
    for (std::int64_t u = 0; u < kUnits; ++u) {
      double input[3], recurrent[3];
      parts(given, r, u, input, recurrent);
      const std::size_t place = at(r * kStride + u);
      double before = static_cast<double>(given.before[place]);
      ASSERT_NEAR(step.h[place], gru(input, recurrent, before), 2e-6);
      const auto objective = [&] { return 0.7 * gru(input, recurrent, before); };
      for (std::size_t g = 0; g < 3; ++g)
        ASSERT_NEAR(gradient[place + g * at(kUnits)], slope(input[g], objective), 2e-6) << "gate " << g;
      ASSERT_NEAR(candidate[place], slope(recurrent[2], objective), 2e-6);
      ASSERT_NEAR(dh[place], slope(before, objective), 2e-6);
    }
}

TEST(Lstm, StatesMayBeReplacedInPlace) {
  const Step given(4);
  Step apart = given, in_place = given;
  lstm_forward(apart.input(), rows(apart.gates), rows(given.before), rows(apart.other), rows(apart.h));
  lstm_forward(in_place.input(), rows(in_place.gates), rows(std::as_const(in_place.before)), rows(in_place.before),
               rows(in_place.h));
  EXPECT_EQ(in_place.h, apart.h);
  for (std::int64_t u = 0; u < kUnits; ++u) EXPECT_EQ(in_place.before[at(u)], apart.other[at(u)]);
}

TEST(Gru, StatesMayBeReplacedInPlaceAndNothingNeedsToBeKept) {
  const Step given(3);
  Step apart = given, in_place = given;
  gru_forward(apart.input(), rows(apart.gates), rows(apart.other), rows(given.before), rows(apart.h));
  gru_forward(in_place.input(), rows(in_place.gates), {}, rows(std::as_const(in_place.before)), rows(in_place.before));
  for (std::int64_t u = 0; u < kUnits; ++u) EXPECT_EQ(in_place.before[at(u)], apart.h[at(u)]);
}

// Gradients of a deep network are sums of small numbers: an absolute error of 1e-7 would show.
TEST(Lstm, SmallNumbersAreRelativelyAccurate) {
  const Step given(4, 1e-4F);
  Step step = given;
  lstm_forward(step.input(), rows(step.gates), rows(given.before), rows(step.other), rows(step.h));
  for (std::int64_t u = 0; u < kUnits; ++u) {
    double sum[4], recurrent[4];
    parts(given, 0, u, sum, recurrent);
    const double g = std::tanh(sum[2] + recurrent[2]);
    EXPECT_NEAR(step.gates[at(2 * kUnits + u)], g, 2e-6 * std::abs(g) + 1e-11);
  }
}

TEST(Lstm, StaysFiniteForHugeSums) {
  Step step(4, 1e30F);
  lstm_forward(step.input(), rows(step.gates), rows(std::as_const(step.before)), rows(step.other), rows(step.h));
  for (std::int64_t u = 0; u < kUnits; ++u) EXPECT_LE(std::abs(step.h[at(u)]), 1.000001F);
}

}  // namespace
}  // namespace clary::nn
