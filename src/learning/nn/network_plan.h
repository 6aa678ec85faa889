// SPDX-License-Identifier: Apache-2.0
// Plans a graph's forward and backward pass on batches of one size. Internal.
#pragma once

#include <cstdint>
#include <vector>

#include "learning/nn/parameters.h"
#include "learning/nn/plan.h"

namespace clary::nn::onednn {

/// Used once: NetworkPlanner(...).plan(). The forward pass is in network_forward.cpp, the backward pass, operation by
/// operation in reverse, in network_backward.cpp.
class NetworkPlanner {
 public:
  /// @param training  the plan updates the running statistics and writes every learned number's gradient to
  ///                  Region::kGradients; else the running statistics take the place of the batch's
  NetworkPlanner(const Graph& graph, const Parameters& parameters, const NetworkOptions& options, std::int64_t pictures,
                 bool training);

  /// A plan that sets the call's loss and logits; it reads Region::kValues and kStatistics, laid out as `parameters`.
  /// @throws Error{kInternal} on a batch norm on the pictures that is followed by anything but one convolution
  Plan plan() &&;

 private:
  /// What is known of an operation while its steps are planned.
  struct Node {
    int consumers = 0;
    Tensor map;             // its output
    Tensor input;           // kConvolution, kLinear: what it read, in the layout it wanted
    Tensor mean, variance;  // kBatchNorm
    Tensor workspace;       // kBatchNorm with relu: where the output is positive; kMaxPool: where the maximum was
    Tensor gradient;        // of the loss by its output, summed over the consumers seen so far
    bool owned = false;     // no other operation reads `gradient`, which may be overwritten
    std::vector<Tensor> weights{};  // the layouts made so far
    // what the backward primitives are derived from
    dnnl::convolution_forward::primitive_desc convolution{};
    dnnl::batch_normalization_forward::primitive_desc norm{};
    dnnl::pooling_forward::primitive_desc pooling{};
    dnnl::eltwise_forward::primitive_desc relu{};
    dnnl::inner_product_forward::primitive_desc linear{};
  };

  Node& node(int number) { return nodes_[static_cast<std::size_t>(number)]; }
  const Op& op(int number) const { return graph_.ops[static_cast<std::size_t>(number)]; }
  Node& input_of(int number) { return node(op(number).inputs.front()); }
  const Parameter& parameter(int number, Role role) const;
  /// A learned number or its gradient (same offsets), or a statistic, as the flat arrays have it.
  Tensor values(const Parameter& p, const Desc& desc) { return plan_.fixed(desc, Region::kValues, p.offset * 4); }
  Tensor gradients(const Parameter& p, const Desc& desc) { return plan_.fixed(desc, Region::kGradients, p.offset * 4); }
  Tensor vector_of(const Parameter& p, Region region);
  Desc plain_weights(int number) const;
  /// The weights of an operation in a layout, converted once per pass.
  Tensor weights(int number, const Desc& layout);
  /// Whether the output of `number` may be overwritten by its only consumer.
  bool may_be_overwritten(int number);
  bool gets_gradient(int number) const { return number > 0 && number != data_norm_; }
  dnnl::prop_kind forward_kind() const;

  void forward(int number);
  void add_pictures(int number);
  void add_convolution(int number);
  void add_batch_norm(int number);
  void add_relu(int number);
  void add_pooling(int number);
  void add_sum(int number);
  void add_linear(int number);
  void add_running_statistics();
  void add_loss();

  void backward(int number);
  void back_convolution(int number);
  void back_data_norm(int convolution, const Tensor& gradient);
  void back_batch_norm(int number);
  void back_relu(int number);
  void back_pooling(int number);
  void back_sum(int number);
  void back_linear(int number);
  /// The gradient by an operation's output in a layout, and whether it may be overwritten.
  std::pair<Tensor, bool> gradient_of(int number, const Desc& layout);
  /// Where a step writes what becomes of `gradient`: over it, or somewhere else.
  Tensor successor(const std::pair<Tensor, bool>& gradient);
  void give_gradient(int number, const Tensor& gradient, bool owned);
  void write_weight_gradient(const Parameter& p, const Tensor& gradient, const Desc& plain);

  const Graph& graph_;
  const Parameters& parameters_;
  NetworkOptions options_;
  std::int64_t pictures_;
  bool training_;
  Type type_;
  int data_norm_ = -1;  // batch norm on the pictures, which is part of reading them
  std::vector<Node> nodes_;
  Plan plan_;
};

/// dst = a + b, in the layout of all three.
void add_sum_step(Plan& plan, const Tensor& a, const Tensor& b, const Tensor& dst);

}  // namespace clary::nn::onednn
