// SPDX-License-Identifier: Apache-2.0
// How the weights of M candidates with K outputs each lie side by side, so that one pass over the rows trains them all.
// A feature's weights of all candidates are one contiguous row of `width` floats; lane at(m, k) of it is output k of
// candidate m. Four forms:
//   single   M = K = 1: no padding; the weights are one vector
//   scalars  K = 1: lane m
//   across   many candidates: lane k * padded(M) + m, a softmax runs over vectors of candidates
//   along    few candidates: lane m * padded(K) + k, a softmax runs inside vectors
#pragma once

#include <cstdint>

#include "learning/numeric/gemm.h"

namespace clary::linear_learner {

struct Lanes {
  enum class Form { kSingle, kScalars, kAcross, kAlong };

  std::int64_t models = 1;   // M
  std::int64_t outputs = 1;  // K
  Form form = Form::kSingle;

  static Lanes of(std::int64_t models, std::int64_t outputs) {
    using numeric::padded;
    if (outputs == 1) return {models, outputs, models == 1 ? Form::kSingle : Form::kScalars};
    const bool along = models * padded(outputs) <= outputs * padded(models);
    return {models, outputs, along ? Form::kAlong : Form::kAcross};
  }

  bool single() const { return form == Form::kSingle; }

  /// Floats between the scores of one row and the next.
  std::int64_t width() const {
    using numeric::padded;
    switch (form) {
      case Form::kSingle:
        return 1;
      case Form::kScalars:
        return padded(models);
      case Form::kAcross:
        return outputs * padded(models);
      case Form::kAlong:
        return models * padded(outputs);
    }
    return 0;
  }
  std::int64_t at(std::int64_t model, std::int64_t output) const {
    using numeric::padded;
    if (form == Form::kAcross) return output * padded(models) + model;
    return form == Form::kAlong ? model * padded(outputs) + output : model;
  }
  /// Entries of the sums of losses: one a candidate, padded.
  std::int64_t padded_models() const { return numeric::padded(models); }
  /// Floats of the biases, and of anything else with one entry a lane.
  std::int64_t bias_size() const { return numeric::padded(width()); }

  // The weights as the optimizer sees them: rows of block_width() floats, one entry of the per-lane constants each.
  std::int64_t block_width() const { return single() ? numeric::kPad : width(); }
  std::int64_t block_rows(std::int64_t features) const {
    return single() ? numeric::padded(features) / numeric::kPad : features;
  }
  std::int64_t weight_size(std::int64_t features) const { return block_rows(features) * block_width(); }
};

}  // namespace clary::linear_learner
