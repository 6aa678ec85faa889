// SPDX-License-Identifier: Apache-2.0
// One step of recurrent cells for a block of rows, without its matrix products: those are the caller's, so that the
// products of many steps can be one. Formulas and layout are cuDNN's, which PyTorch shares: gates stacked i, f, g, o
// (LSTM) or r, z, n (GRU), and two biases, of the input and of the recurrent part. Letters: H units, G gates (4 or 3).
// Row-major float32, any H; rows may lie apart. Nothing here allocates, locks or keeps state: every function may run on
// any thread. Compiled for SSE4, AVX2 and AVX-512 and chosen at run time (Highway).
#pragma once

#include <cstdint>

namespace clary::nn {

/// Rows in memory: first number, and numbers from one row to the next.
template <class T>
struct Rows {
  T* values = nullptr;
  std::int64_t stride = 0;

  T* row(std::int64_t r) const { return values + r * stride; }
};

/// What both cells read.
struct CellInput {
  std::int64_t rows = 0, units = 0;
  Rows<const float> recurrent;            // [rows, G H]: U h, without bias
  const float* bias_input = nullptr;      // [G H]
  const float* bias_recurrent = nullptr;  // [G H]
};

/// c' = f c + i g, h' = o tanh(c').
/// @param gates  [rows, 4 H]  in: W x, without bias; out: i, f, g, o after their activations, for lstm_backward()
/// @param c_before, c  [rows, H]  may be the same memory
/// @param h      [rows, H]
/// Source: Hochreiter & Schmidhuber, "Long short-term memory", 1997, with the forget gate of Gers et al., 2000.
void lstm_forward(const CellInput& in, Rows<float> gates, Rows<const float> c_before, Rows<float> c, Rows<float> h);

/// @param gates  [rows, 4 H]  in: as lstm_forward() left them; out: gradient of the sums before the activations, which
///               is that of W x, of U h and of both biases
/// @param dh     [rows, H]    gradient of h
/// @param dc     [rows, H]    in: gradient of c by the next step; out: gradient of c_before
void lstm_backward(std::int64_t rows, std::int64_t units, Rows<float> gates, Rows<const float> c_before,
                   Rows<const float> c, Rows<const float> dh, Rows<float> dc);

/// n = tanh(W x + b + r (U h + b')), h' = (1 - z) n + z h.
/// @param gates      [rows, 3 H]  in: W x, without bias; out: r, z, n after their activations, for gru_backward()
/// @param candidate  [rows, H]    out: U h + b' of the gate n, for gru_backward(); not kept where values is nullptr
/// @param h_before, h  [rows, H]  may be the same memory
/// Source: Cho et al., "Learning phrase representations using RNN encoder-decoder", 2014; r acts after the product, as
/// in cuDNN.
void gru_forward(const CellInput& in, Rows<float> gates, Rows<float> candidate, Rows<const float> h_before,
                 Rows<float> h);

/// @param gates      [rows, 3 H]  in: as gru_forward() left them; out: gradient of W x + b
/// @param candidate  [rows, H]    in: as gru_forward() left it; out: gradient of U h + b' of the gate n. Of the gates
///                                r and z it is the same as that of W x + b.
/// @param dh         [rows, H]    in: gradient of h; out: the part of h_before's gradient that does not pass U
void gru_backward(std::int64_t rows, std::int64_t units, Rows<float> gates, Rows<float> candidate,
                  Rows<const float> h_before, Rows<float> dh);

}  // namespace clary::nn
