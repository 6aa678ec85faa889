// SPDX-License-Identifier: Apache-2.0
// A model's tensors as decoding keeps them. Internal to decode/.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "algorithms/seq2seq/decode/translator.h"
#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"
#include "learning/nn/packed_matrix.h"
#include "learning/nn/recurrent.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

/// What every packed matrix of a model is made of.
struct Source {
  const Architecture& architecture;
  const Parameters& parameters;
  nn::WeightPrecision precision;

  /// Tensor [out, in].
  nn::PackedMatrix matrix(std::string_view name) const;
  /// Tensor [out, in, width] as the matrix [out, width * in] of an input whose `width` steps lie side by side.
  nn::PackedMatrix convolution(std::string_view name) const;
  numeric::Floats copy(std::string_view name) const;
};

/// An embedding, or a table of positions.
struct Table {
  numeric::Floats values;  // [rows, width]
  std::int64_t width = 0;

  Table() = default;
  Table(const Source& source, std::string_view name);
  const float* row(std::int64_t r) const { return values.data() + r * width; }
};

/// A recurrent cell. Letters: H units, G gates, R rows.
class PackedCell {
 public:
  PackedCell(const Source& source, const std::string& prefix);

  std::int64_t units() const { return recurrent_.inputs(); }
  /// G H
  std::int64_t gate_width() const { return recurrent_.outputs(); }

  /// gates = W x, the input's part of any number of steps
  void input(std::int64_t rows, nn::Rows<const float> x, float* gates) const;
  /// One step, in place.
  /// @param gates    [R, G H]  by input(); overwritten
  /// @param scratch  [R, G H]
  /// @param c        LSTM
  void step(std::int64_t rows, float* gates, float* scratch, nn::Rows<float> h, nn::Rows<float> c) const;

 private:
  bool lstm_;
  nn::PackedMatrix input_, recurrent_;
  numeric::Floats bias_input_, bias_recurrent_;
};

}  // namespace clary::seq2seq
