// SPDX-License-Identifier: Apache-2.0
// Plans a trained graph for serving: batch norms folded into convolutions, sums and rectifiers into the convolutions
// that end in them. Internal.
// Levels: a map as bytes, level = value * 255 / (the largest value of the calibration), rounded and cut off at 255.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "learning/nn/parameters.h"
#include "learning/nn/plan.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/team.h"

namespace clary::nn::onednn {

/// Weights in the layouts of the plan's primitives: Region::kConstants.
class Constants {
 public:
  /// Reserves place for values that are given as plain float32; returns the place.
  Tensor add(Plan& plan, const Desc& layout, const Desc& plain, numeric::Floats values);
  /// For weights [O, ...], each of the O slices times its factor; as they are where there are no factors. They are
  /// read by write().
  Tensor add_weights(Plan& plan, const Desc& layout, const Desc& plain, std::span<const float> weights,
                     numeric::Floats factors);
  /// Writes all of them, once, and forgets the plain ones.
  void write(numeric::Team& team);
  std::byte* data() const { return memory_.data(); }

 private:
  struct Entry {
    std::int64_t offset = 0;
    Desc layout, plain;
    numeric::Floats values;          // or, when it is empty:
    std::span<const float> weights;  // by the factors
    numeric::Floats factors;
  };
  Tensor add(Plan& plan, Entry entry);
  void write(const Entry& entry) const;

  std::vector<Entry> entries_;
  std::int64_t size_ = 0;
  Arena memory_;
};

struct PredictorPlanOptions {
  Type type = Type::f32;  // of maps and multiplied weights
  std::int64_t pictures = 1;
  /// By operation; not empty: convolutions of 8-bit integers where the largest value of their input is above 0.
  std::span<const float> largest{};
  bool measures = false;  // the plan raises Call::largest; type is f32
};

/// Used once: PredictorPlanner(...).plan().
class PredictorPlanner {
 public:
  PredictorPlanner(const Graph& graph, const Parameters& parameters, const PredictorPlanOptions& options,
                   Constants& constants);

  /// A plan that sets the call's logits.
  Plan plan() &&;

 private:
  struct Node {
    int readers = 0;  // operations that have not read the output yet
    bool made = false;
    Tensor map;
    Tensor levels{};  // once made: the same as bytes
  };
  /// y = factor x + shift, by channel.
  struct Affine {
    numeric::Floats factor, shift;
  };
  /// A convolution with what follows it, as one primitive.
  struct Chain {
    int convolution = -1;
    int norm = -1;  // folded into the weights; -1: none
    int sum = -1;   // adds the other input's map
    int other = -1;
    bool relu = false;
  };

  Node& node(int number) { return nodes_[static_cast<std::size_t>(number)]; }
  const Op& op(int number) const { return graph_.ops[static_cast<std::size_t>(number)]; }
  std::span<const float> values(int number, Role role) const;
  Affine affine(int norm) const;
  Tensor vector(numeric::Floats values);

  /// The output of an operation, whose steps are planned at the first call.
  Tensor map(int number);
  /// The same, for the operation that reads it. @return whether it may be overwritten: this was the last reader
  std::pair<Tensor, bool> read(int number);
  Tensor make(int number);
  /// The convolution that can be computed together with `number`, its output, if any: then chain.convolution >= 0.
  Chain chain_to(int number) const;
  bool is_only_for_one(int number) const { return consumers_[static_cast<std::size_t>(number)] == 1; }

  Tensor pictures(int number);
  static dnnl::primitive_attr attributes_of(const Chain& chain);
  Tensor output(const Chain& chain, const Desc& desc);
  Tensor convolution(const Chain& chain);
  Tensor batch_norm(int number);
  Tensor relu(int number);
  Tensor sum(int number);
  Tensor pooling(int number);
  Tensor linear(int number);
  void measure(int number);

  // predictor_integers.cpp
  bool has_levels(int number) const;
  bool is_read_as_levels_only(int number) const;
  bool is_integer(const Chain& chain) const { return has_levels(op(chain.convolution).inputs.front()); }
  float levels_per_unit(int number) const;
  /// As map() and read().
  Tensor levels(int number);
  Tensor read_levels(int number);
  Tensor make_levels(int number);
  Tensor normalized_levels(int number);
  static constexpr int kFloat32Output = -1;
  /// @param levels_of  the operation whose levels are the output, or kFloat32Output
  Tensor integer_convolution(const Chain& chain, int levels_of);

  const Graph& graph_;
  const Parameters& parameters_;
  PredictorPlanOptions options_;
  Constants& constants_;
  std::vector<int> consumers_;
  std::vector<bool> integer_maps_;
  std::vector<Node> nodes_;
  Plan plan_;
};

}  // namespace clary::nn::onednn
