// SPDX-License-Identifier: Apache-2.0
// Plans a trained graph for serving: batch norms folded into convolutions, sums and rectifiers into the convolutions
// that end in them. Internal.
#pragma once

#include <cstdint>
#include <utility>
#include <vector>

#include "learning/nn/parameters.h"
#include "learning/nn/plan.h"
#include "learning/numeric/floats.h"

namespace clary::nn::onednn {

/// Weights in the layouts of the plan's primitives: Region::kConstants.
class Constants {
 public:
  /// Reserves place for values that are given as plain float32; returns the place.
  Tensor add(Plan& plan, const Desc& layout, const Desc& plain, numeric::Floats values);
  /// Writes all of them, once, and forgets the plain ones.
  void write();
  std::byte* data() const { return memory_.data(); }

 private:
  struct Entry {
    std::int64_t offset = 0;
    Desc layout, plain;
    numeric::Floats values;
  };
  std::vector<Entry> entries_;
  std::int64_t size_ = 0;
  Arena memory_;
};

/// Used once: PredictorPlanner(...).plan().
class PredictorPlanner {
 public:
  PredictorPlanner(const Graph& graph, const Parameters& parameters, Type type, std::int64_t pictures,
                   Constants& constants);

  /// A plan that sets the call's logits.
  Plan plan() &&;

 private:
  struct Node {
    int readers = 0;  // operations that have not read the output yet
    bool made = false;
    Tensor map;
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
  Tensor convolution(const Chain& chain);
  Tensor batch_norm(int number);
  Tensor relu(int number);
  Tensor sum(int number);
  Tensor pooling(int number);
  Tensor linear(int number);

  const Graph& graph_;
  const Parameters& parameters_;
  Type type_;
  std::int64_t pictures_;
  Constants& constants_;
  std::vector<int> consumers_;
  std::vector<Node> nodes_;
  Plan plan_;
};

}  // namespace clary::nn::onednn
