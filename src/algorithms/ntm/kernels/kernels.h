// SPDX-License-Identifier: Apache-2.0
// The few dense and sparse loops NTM spends its time in, compiled for SSE4, AVX2 and AVX-512 and chosen at run time
// (Highway). All matrices are row-major float32; "width" arguments are padded row lengths: multiples of kPad, with
// zeros in the padding. Nothing here allocates, locks or keeps state, so every function may run on any thread.
#pragma once

#include <cstdint>

#include "learning/numeric/gemm.h"

namespace clary::ntm::kernels {

using numeric::gather_sum;
using numeric::gemm_nn;
using numeric::gemm_nt_lanes;
using numeric::gemm_tn_add;
using numeric::instruction_set;
using numeric::kPad;
using numeric::padded;
using numeric::sum_lanes;

float maximum(const float* x, std::int64_t width);
/// x = exp(x - shift) in place; returns the sum.
float exp_sum(float* x, std::int64_t width, float shift);
/// x *= factor
void scale(float* x, std::int64_t width, float factor);

enum class Activation { kSigmoid, kTanh, kRelu };
void activate(Activation kind, float* x, std::int64_t width);
/// delta *= act'(.) written in terms of the activation's output
void activate_backward(Activation kind, const float* output, float* delta, std::int64_t width);

/// Standard normal numbers from Philox4x32-10 and Box-Muller: out[4 i + j] for counter (first[i], second[i], third,
/// fourth) under `key`. The same counter and key give the same numbers on every machine with the same vector math.
/// @param count  number of counters; out holds 4 * count floats
void fill_normal(std::int64_t count, const std::uint32_t* first, const std::uint32_t* second, std::uint32_t third,
                 std::uint32_t fourth, std::uint64_t key, float* out);

}  // namespace clary::ntm::kernels
