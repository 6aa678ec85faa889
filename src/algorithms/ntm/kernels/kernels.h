// SPDX-License-Identifier: Apache-2.0
// The few dense and sparse loops NTM spends its time in, compiled for SSE4, AVX2 and AVX-512 and chosen at run time
// (Highway). All matrices are row-major float32; "width" arguments are padded row lengths: multiples of kPad, with
// zeros in the padding. Nothing here allocates, locks or keeps state, so every function may run on any thread.
#pragma once

#include <cstdint>

namespace clary::ntm::kernels {

/// Row lengths are padded to this many floats (one AVX-512 register).
constexpr std::int64_t kPad = 16;
constexpr std::int64_t padded(std::int64_t n) { return (n + kPad - 1) / kPad * kPad; }

/// c[M, width] = a[M, K] b[K, width]     (or += when accumulate)
void gemm_nn(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
             std::int64_t ldb, float* c, std::int64_t ldc, bool accumulate);

/// c[K, width] += a[M, K]^T b[M, width]
void gemm_tn_add(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
                 std::int64_t ldb, float* c, std::int64_t ldc);

/// partial[M, K, kPad] += lane-wise a[m, :] * b[k, :]; the dot product is the sum over the last axis, taken once at the
/// end by sum_lanes. This keeps horizontal adds out of the loop over tiles of a very wide contraction.
void gemm_nt_lanes(std::int64_t m, std::int64_t width, std::int64_t k, const float* a, std::int64_t lda, const float* b,
                   std::int64_t ldb, float* partial);
/// out[i] = sum over kPad lanes of partial[i, :], i < n
void sum_lanes(std::int64_t n, const float* partial, float* out);

/// out[:] = start[:] + sum_j values[j] * matrix[index[j], :]     start may be null (zeros)
void gather_sum(std::int64_t n, const std::int32_t* index, const float* values, const float* matrix,
                std::int64_t stride, std::int64_t width, const float* start, float* out);

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
/// The generator's raw words for tests and for scalar draws: out[4].
void philox(const std::uint32_t counter[4], std::uint64_t key, std::uint32_t out[4]);

enum class Rule { kSgd, kAdam, kAdagrad, kRmsprop, kAdadelta };
/// One optimizer step's scalars. Update order is MXNet 1.3.1's, README.md section "Optimizers".
struct StepScalars {
  float rescale = 1;        // multiplies the gradient
  float clip = 0;           // element-wise bound; <= 0: none
  float learning_rate = 0;  // already bias corrected for Adam
  float weight_decay = 0;
  float state_decay = 1;  // what `skipped` steps without gradient left of the (last) running average, see Optimizer
};
/// w, s1, s2 <- one step with gradient g. Unused states may be null.
void update(Rule rule, const StepScalars& step, std::int64_t width, float* w, float* s1, float* s2, const float* g);
/// The same with g = 0 throughout (g is never read).
void update_without_gradient(Rule rule, const StepScalars& step, std::int64_t width, float* w, float* s1, float* s2);

/// Name of the instruction set in use, e.g. "AVX3".
const char* instruction_set();

}  // namespace clary::ntm::kernels
