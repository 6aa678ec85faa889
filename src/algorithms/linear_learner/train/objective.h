// SPDX-License-Identifier: Apache-2.0
// Loss and gradient of all lanes over a block of rows. Neither is divided by the number of rows, and neither holds a
// penalty. Work is cut by thread number, so the same threads give the same bits.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/linear_learner/data/rows.h"
#include "algorithms/linear_learner/data/scaler.h"
#include "algorithms/linear_learner/kernels/kernels.h"
#include "algorithms/linear_learner/train/lanes.h"
#include "learning/numeric/team.h"

namespace clary::linear_learner {

using numeric::Team;

/// Weights of the scaled problem, side by side (lanes.h).
struct Parameters {
  Floats weight;  // lanes.weight_size(D)
  Floats bias;    // lanes.bias_size()

  Parameters() = default;
  Parameters(const Lanes& lanes, std::int64_t features);
};

/// One candidate's weights [D, K] and biases [K] out of the block, and back in.
void take_model(const Parameters& from, const Lanes& lanes, std::int64_t features, std::int64_t model,
                std::vector<float>& weight, std::vector<float>& bias);
void put_model(Parameters& to, const Lanes& lanes, std::int64_t features, std::int64_t model,
               std::span<const float> weight, std::span<const float> bias);

struct LossWeights {
  std::vector<float> of_class;     // [K] or empty: all 1
  std::vector<float> of_positive;  // [M]: factor of label 1
};

kernels::LossRule loss_rule(const Hyperparameters& hp);

class Objective {
 public:
  Objective(const Lanes& lanes, std::int64_t features, kernels::LossRule rule, LossWeights weights, Team& team);

  /// Sparse rows only: what each column would be shifted by, in scaled units (shift / scale); it goes through the bias.
  void set_shift(const Scaler& scaler);
  const std::vector<std::int32_t>& shifted() const { return shifted_; }
  float shift(std::size_t place) const { return shift_[place]; }

  const Lanes& lanes() const { return lanes_; }
  std::int64_t features() const { return features_; }
  const kernels::LossRule& rule() const { return rule_; }
  void set_rule(const kernels::LossRule& rule) { rule_ = rule; }

  struct Sums {
    std::vector<double> loss;   // [padded models]
    std::vector<double> slope;  // [bias_size]
  };

  /// Loss and gradient of rows [begin, end). The gradient of the weights is added to gradients(t), one block a thread,
  /// to be summed by the caller; that of the biases is Sums::slope.
  const Sums& loss_and_gradient(const Rows& rows, std::int64_t begin, std::int64_t end, const Parameters& p);
  const std::vector<float*>& gradients();

  /// The first half of it, for sparse rows: slopes of all rows into slopes(), no gradient.
  const Sums& loss_and_slopes(const Rows& rows, std::int64_t begin, std::int64_t end, const Parameters& p);
  const float* slopes() const { return slopes_.data(); }

  /// Losses of all rows against `labels`, with f' = factor f + offset.
  /// @param columns  two classes: p (logistic) or f of every row, one column of `stride` floats a candidate; or null
  const Sums& evaluate(const Rows& rows, const float* labels, const Parameters& p, float factor, float offset,
                       float* columns, std::int64_t stride);
  /// f' of one-candidate lanes, without padding: [N, K].
  std::vector<float> scores(const Rows& rows, const Parameters& p, float factor, float offset);

  static constexpr std::int64_t kTile = 96;

 private:
  void shift_bias(const Parameters& p, bool sparse);
  void raw_scores(const Rows& rows, std::int64_t begin, std::int64_t end, const Parameters& p, float* out) const;
  void turn_into_slopes(std::int64_t n, float* scores, const float* labels, Sums& sums) const;
  void add_gradient(const Rows& rows, std::int64_t begin, std::int64_t end, const float* slopes, float* gradient) const;
  const Sums& total();
  float* tile(int t) { return tiles_[static_cast<std::size_t>(t)].data(); }

  Lanes lanes_;
  std::int64_t features_;
  kernels::LossRule rule_;
  std::vector<float> class_weight_;
  Floats positive_;  // [bias_size]
  Team& team_;
  std::vector<std::int32_t> shifted_;
  std::vector<float> shift_;               // of shifted_
  Floats bias_;                            // with the shift in it
  std::vector<Floats> tiles_, gradients_;  // gradients_ stays empty until somebody needs it
  std::vector<float*> gradient_blocks_;
  std::vector<Sums> sums_;
  Sums total_;
  Floats slopes_;
};

}  // namespace clary::linear_learner
