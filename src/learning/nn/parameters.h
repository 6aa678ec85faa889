// SPDX-License-Identifier: Apache-2.0
// The numbers of a network: what is learned, its gradient, and the running statistics of batch norms, each kind in one
// flat float32 array in the order of the graph, so that an optimizer, an all-reduce, a checkpoint or a check for NaN is
// one loop. Layouts are those of PyTorch and MXNet: convolution [out, in, kernel, kernel], linear [out, in].
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "learning/nn/graph.h"
#include "learning/numeric/floats.h"

namespace clary::nn {

enum class Role { kWeight, kGamma, kBeta, kBias, kRunningMean, kRunningVariance };

/// Learned parameters (kWeight .. kBias) lie in values(), statistics in statistics(). A gamma that is fixed to one has
/// no parameter.
struct Parameter {
  std::string name;  // "conv0_weight", "bn0_gamma", "bn0_beta", "fc1_bias", "bn0_moving_mean", "bn0_moving_var"
  int op = 0;        // whose it is
  Role role = Role::kWeight;
  std::vector<std::int64_t> shape;
  std::int64_t offset = 0;  // of its first value; a multiple of numeric::kPad
  std::int64_t size = 0;

  bool is_statistic() const { return role == Role::kRunningMean || role == Role::kRunningVariance; }
  /// Weight decay applies to weights and gammas only (MXNet's optimizers).
  bool decays() const { return role == Role::kWeight || role == Role::kGamma; }
};

class Parameters {
 public:
  Parameters() = default;
  /// All zero but running variances and gammas, which are one.
  explicit Parameters(const Graph& graph);

  const std::vector<Parameter>& list() const { return list_; }
  /// nullptr when there is none of that name.
  const Parameter* find(std::string_view name) const;

  /// Flat arrays, padding (zeros) included.
  std::span<float> values() { return values_; }
  std::span<const float> values() const { return values_; }
  std::span<float> statistics() { return statistics_; }
  std::span<const float> statistics() const { return statistics_; }

  /// The numbers of one parameter.
  std::span<float> of(const Parameter& p) { return {base(p) + p.offset, static_cast<std::size_t>(p.size)}; }
  std::span<const float> of(const Parameter& p) const {
    return const_cast<Parameters*>(this)->of(p);  // adds no way to write: the result is const
  }

  /// Learned numbers, without padding and statistics.
  std::int64_t learned() const;

  /// MXNet's Xavier(gaussian, in, 2): weights normal with variance 2 / fan_in, fan_in = in * kernel * kernel (He et al.
  /// 2015, eq. 10); the rest as constructed. Same seed, same numbers, on any number of threads.
  void initialise(std::uint64_t seed);
  /// The same for one parameter, by the numbers that initialise() would give it (a new last layer).
  void initialise(const Parameter& p, std::uint64_t seed);

 private:
  float* base(const Parameter& p) { return (p.is_statistic() ? statistics_ : values_).data(); }

  std::vector<Parameter> list_;
  numeric::Floats values_, statistics_;
};

}  // namespace clary::nn
