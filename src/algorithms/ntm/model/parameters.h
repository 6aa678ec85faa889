// SPDX-License-Identifier: Apache-2.0
// What NTM learns. Letters: V vocabulary, K topics, H_l units of encoder layer l.
//
// Layouts are chosen for the kernels: the first encoder layer is stored by word (a document is a sum of rows), the
// decoder by topic (logits are vectors over words), and every dense layer carries its bias as a last row that meets a
// constant 1 in its input.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "algorithms/ntm/kernels/kernels.h"
#include "learning/numeric/matrix.h"

namespace clary::ntm {

using Matrix = numeric::PaddedMatrix;
using numeric::Floats;

struct Shape {
  std::int64_t vocabulary = 0;       // V
  std::int64_t topics = 0;           // K
  std::vector<std::int64_t> layers;  // H_1 .. H_L, L >= 1
  kernels::Activation activation = kernels::Activation::kSigmoid;
  bool batch_norm = false;

  /// Columns of one half of the head's output: the mean in [0, K), log sigma in [half, half + K).
  std::int64_t half() const { return kernels::padded(topics); }
  bool operator==(const Shape&) const = default;
};

struct Parameters {
  Shape shape;
  Matrix embedding;            // [V, H_1]
  Matrix embedding_bias;       // [1, H_1]
  std::vector<Matrix> hidden;  // [H_l + 1, H_(l+1)], l = 1 .. L-1
  Matrix head;                 // [H_L + 1, 2 half]
  Matrix decoder;              // [K + 1, V]
  std::vector<Matrix> shift;   // batch norm's beta, [1, H_l]; empty without batch norm
  // Batch norm's running statistics; not learned by gradient.
  std::vector<Matrix> running_mean;  // [1, H_l]
  std::vector<Matrix> running_variance;

  Parameters() = default;
  /// All zero, running variances 1.
  explicit Parameters(const Shape& s);

  /// f(matrix) over all matrices with a gradient except the embedding, in a fixed order.
  template <class Self, class F>
  static void each_dense(Self& self, F&& f) {
    f(self.embedding_bias);
    for (auto& m : self.hidden) f(m);
    f(self.head);
    f(self.decoder);
    for (auto& m : self.shift) f(m);
  }
  /// f(name, matrix) over all matrices. A matrix that the artifact cuts into several arrays has the name of the first.
  template <class Self, class F>
  static void each_named(Self& self, F&& f) {
    const auto layer = [](std::size_t l, const char* part) { return "enc_" + std::to_string(l) + part; };
    f(layer(0, "_weight"), self.embedding);
    f(layer(0, "_bias"), self.embedding_bias);
    for (std::size_t l = 0; l < self.hidden.size(); ++l) f(layer(l + 1, "_weight"), self.hidden[l]);
    f(std::string("mean_weight"), self.head);
    f(std::string("projection_weight"), self.decoder);
    for (std::size_t l = 0; l < self.shift.size(); ++l) {
      f(layer(l, "_bn_beta"), self.shift[l]);
      f(layer(l, "_bn_moving_mean"), self.running_mean[l]);
      f(layer(l, "_bn_moving_var"), self.running_variance[l]);
    }
  }
};

/// Weights uniform in [-0.07, 0.07], biases 0 (MXNet's default initialiser; ntm.md section 1.5). Depends on the seed
/// only.
Parameters initial_parameters(const Shape& shape, std::uint64_t seed);

/// `auto`: two hidden layers of 3K and 2K units.
std::vector<std::int64_t> automatic_layers(std::int64_t topics);

}  // namespace clary::ntm
