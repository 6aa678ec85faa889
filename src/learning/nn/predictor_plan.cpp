// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/predictor_plan.h"

#include <algorithm>
#include <cmath>

#include "learning/nn/convolution.h"
#include "learning/nn/network_plan.h"
#include "learning/nn/pictures.h"
#include "learning/nn/predictor.h"
#include "learning/numeric/index.h"

namespace clary::nn::onednn {
namespace {

using dnnl::algorithm;
using dnnl::prop_kind;
using numeric::at;

constexpr auto kInference = prop_kind::forward_inference;

}  // namespace

Tensor Constants::add(Plan& plan, Entry entry) {
  constexpr std::int64_t kLine = 64;
  entry.offset = size_;
  size_ += (static_cast<std::int64_t>(bytes(entry.layout)) + kLine - 1) / kLine * kLine;
  entries_.push_back(std::move(entry));
  return plan.fixed(entries_.back().layout, Region::kConstants, entries_.back().offset);
}

Tensor Constants::add(Plan& plan, const Desc& layout, const Desc& plain, numeric::Floats values) {
  return add(plan, {.layout = layout, .plain = plain, .values = std::move(values), .weights = {}, .factors = {}});
}

Tensor Constants::add_weights(Plan& plan, const Desc& layout, const Desc& plain, std::span<const float> weights,
                              numeric::Floats factors) {
  return add(plan, {.layout = layout, .plain = plain, .values = {}, .weights = weights, .factors = std::move(factors)});
}

void Constants::write(const Entry& entry) const {
  // Large weights are the larger part of what loading a model costs: one buffer a thread for all of them, whose pages
  // are there after the first.
  thread_local numeric::UntouchedFloats scaled;
  const float* from = entry.values.empty() ? entry.weights.data() : entry.values.data();
  if (!entry.factors.empty()) {
    scaled.resize(entry.weights.size());
    const std::size_t slice = scaled.size() / entry.factors.size();
    for (std::size_t o = 0; o < entry.factors.size(); ++o) {
      const float factor = entry.factors[o];
      for (std::size_t i = o * slice; i < (o + 1) * slice; ++i) scaled[i] = entry.weights[i] * factor;
    }
    from = scaled.data();
  }
  const ThreadCount one(1);
  dnnl::stream stream(engine());
  memory source(entry.plain, engine(), const_cast<float*>(from));  // which oneDNN does not write
  memory target(entry.layout, engine(), memory_.data() + entry.offset);
  dnnl::reorder(source, target).execute(stream, source, target);
  stream.wait();
}

void Constants::write(numeric::Team& team) {
  memory_.reserve(size_);
  // The largest first, so that no thread is left with one at the end.
  std::ranges::sort(entries_, std::ranges::greater{}, [](const Entry& e) { return bytes(e.layout); });
  team.run_units(std::ssize(entries_), [&](std::int64_t i) { write(entries_[at(i)]); });
  entries_.clear();
}

PredictorPlanner::PredictorPlanner(const Graph& graph, const Parameters& parameters,
                                   const PredictorPlanOptions& options, Constants& constants)
    : graph_(graph),
      parameters_(parameters),
      options_(options),
      constants_(constants),
      consumers_(graph.ops.size()),
      integer_maps_(integer_maps(graph)),
      nodes_(graph.ops.size()) {
  for (const Op& o : graph.ops)
    for (const int input : o.inputs) ++consumers_[at(input)];
  for (std::size_t i = 0; i < nodes_.size(); ++i) nodes_[i].readers = consumers_[i];
}

Plan PredictorPlanner::plan() && {
  const int last = static_cast<int>(nodes_.size()) - 1;
  const std::int64_t classes = graph_.outputs();
  const Tensor out = map(last);
  const bool is_matrix = out.desc.dims().size() == 2;
  const Tensor logits =
      plan_.in_layout(out, is_matrix ? Desc({options_.pictures, classes}, Type::f32, Format::nc)
                                     : map_desc(options_.pictures, graph_.ops.back().shape, Type::f32, Format::nchw));
  plan_.add([=, count = at(options_.pictures * classes)](
                const Execution& run, Call& call) { std::copy_n(run.at<float>(logits), count, call.logits.begin()); },
            {logits});
  plan_.finish();
  return std::move(plan_);
}

std::span<const float> PredictorPlanner::values(int number, Role role) const {
  const auto& list = parameters_.list();
  return parameters_.of(
      *std::ranges::find_if(list, [&](const Parameter& p) { return p.op == number && p.role == role; }));
}

PredictorPlanner::Affine PredictorPlanner::affine(int norm) const {
  const Op& o = op(norm);
  const auto mean = values(norm, Role::kRunningMean), variance = values(norm, Role::kRunningVariance),
             beta = values(norm, Role::kBeta);
  Affine out;
  for (std::size_t c = 0; c < mean.size(); ++c) {
    const double gamma = o.gamma_is_one ? 1 : values(norm, Role::kGamma)[c];
    const double factor = gamma / std::sqrt(double{variance[c]} + o.epsilon);
    out.factor.push_back(static_cast<float>(factor));
    out.shift.push_back(static_cast<float>(beta[c] - mean[c] * factor));
  }
  return out;
}

Tensor PredictorPlanner::vector(numeric::Floats values) {
  const Desc desc({static_cast<std::int64_t>(values.size())}, Type::f32, Format::a);
  return constants_.add(plan_, desc, desc, std::move(values));
}

Tensor PredictorPlanner::map(int number) {
  Node& n = node(number);
  if (!n.made) {
    n.map = make(number);
    n.made = true;
    if (options_.measures && integer_maps_[at(number)]) measure(number);
  }
  return n.map;
}

/// Padding of blocked layouts is zero, which changes nothing: values are not negative.
void PredictorPlanner::measure(int number) {
  const Tensor& map = node(number).map;
  plan_.add(
      [=, count = bytes(map.desc) / sizeof(float)](const Execution& run, Call& call) {
        const std::span<const float> values(run.at<const float>(map), count);
        float& largest = call.largest[at(number)];
        largest = std::max(largest, *std::ranges::max_element(values));
      },
      {map});
}

std::pair<Tensor, bool> PredictorPlanner::read(int number) {
  const Tensor tensor = map(number);
  return {tensor, --node(number).readers == 0};
}

PredictorPlanner::Chain PredictorPlanner::chain_to(int number) const {
  const Op& o = op(number);
  const int input = o.inputs.empty() ? -1 : o.inputs.front();
  if (o.kind == OpKind::kConvolution) return {.convolution = number};
  if (o.kind == OpKind::kBatchNorm && op(input).kind == OpKind::kConvolution && is_only_for_one(input))
    return {.convolution = input, .norm = number, .relu = o.relu};
  if (o.kind == OpKind::kAdd) {
    const int shortcut = o.inputs[1];
    Chain chain = is_only_for_one(input) ? chain_to(input) : Chain{};
    if (chain.convolution < 0 || chain.sum >= 0 || chain.relu) return {};
    chain.sum = number;
    chain.other = shortcut;
    return chain;
  }
  if (o.kind == OpKind::kRelu && is_only_for_one(input)) {
    Chain chain = chain_to(input);
    chain.relu = true;
    return chain;
  }
  return {};
}

Tensor PredictorPlanner::make(int number) {
  if (const Chain chain = chain_to(number); chain.convolution >= 0) return convolution(chain);
  switch (op(number).kind) {
    case OpKind::kBatchNorm:
      return batch_norm(number);
    case OpKind::kRelu:
      return relu(number);
    case OpKind::kAdd:
      return sum(number);
    case OpKind::kMaxPool:
    case OpKind::kGlobalPool:
      return pooling(number);
    case OpKind::kLinear:
      return linear(number);
    case OpKind::kInput:
    case OpKind::kConvolution:
      break;
  }
  return pictures(number);
}

/// The pictures as they are (number is the input), or normalised (number is the batch norm on them): padding of a
/// convolution with zeros is padding of the normalised pictures, so that the norm cannot be folded into its weights.
Tensor PredictorPlanner::pictures(int number) {
  const MapShape shape = op(number).shape;
  PixelTable table = identity_table(shape.channels);
  if (number > 0) {
    const auto mean = values(number, Role::kRunningMean), variance = values(number, Role::kRunningVariance);
    table = normalizing_table({{mean.begin(), mean.end()}, {variance.begin(), variance.end()}}, op(number).epsilon,
                              values(number, Role::kBeta));
  }
  const Tensor map = plan_.reserve(map_desc(options_.pictures, shape, Type::f32, Format::nchw));
  plan_.add(
      [=, table = std::move(table)](const Execution& run, Call& call) {
        fill_map(table, call.batch.pictures, shape, call.batch.pixels.data(), run.at<float>(map));
      },
      {map});
  return map;
}

dnnl::primitive_attr PredictorPlanner::attributes_of(const Chain& chain) {
  dnnl::primitive_attr attributes = primitive_attributes();
  dnnl::post_ops operations;
  if (chain.sum >= 0) operations.append_sum(1);
  if (chain.relu) operations.append_eltwise(1, algorithm::eltwise_relu, 0, 0);
  attributes.set_post_ops(operations);
  return attributes;
}

/// Where the convolution's output goes: a sum is computed over the shortcut's map.
Tensor PredictorPlanner::output(const Chain& chain, const Desc& desc) {
  if (chain.sum < 0) return plan_.reserve(desc);
  const auto [other, last] = read(chain.other);
  return last ? plan_.in_layout(other, desc) : plan_.copy(other, desc);
}

Tensor PredictorPlanner::convolution(const Chain& chain) {
  if (is_integer(chain)) return integer_convolution(chain, kFloat32Output);
  const Op& o = op(chain.convolution);
  Affine after{{}, numeric::Floats(at(o.shape.channels))};
  if (chain.norm >= 0) after = affine(chain.norm);
  // Both maps exist before either counts as read: a step planned for the one must not overwrite the other.
  map(o.inputs.front());
  if (chain.sum >= 0) map(chain.other);
  const Tensor in = read(o.inputs.front()).first;

  const dnnl::primitive_attr attributes = attributes_of(chain);
  const ConvolutionSize size = convolution_size(graph_, o, options_.pictures, options_.type);
  const auto primitive = forward_convolution(size, kInference, true, attributes);

  const Tensor out = output(chain, primitive.dst_desc());
  const Desc plain({o.shape.channels, size.in.channels, o.kernel, o.kernel}, Type::f32, Format::oihw);
  plan_.add(primitive,
            {{DNNL_ARG_SRC, plan_.in_layout(in, primitive.src_desc())},
             {DNNL_ARG_WEIGHTS, constants_.add_weights(plan_, primitive.weights_desc(), plain,
                                                       values(chain.convolution, Role::kWeight), after.factor)},
             {DNNL_ARG_BIAS, vector(std::move(after.shift))},
             {DNNL_ARG_DST, out}});
  return out;
}

Tensor PredictorPlanner::batch_norm(int number) {
  const Op& o = op(number);
  if (o.inputs.front() == 0 && !o.relu && o.gamma_is_one && is_only_for_one(0)) return pictures(number);
  const auto [in, last] = read(o.inputs.front());
  const auto mean = values(number, Role::kRunningMean), variance = values(number, Role::kRunningVariance),
             beta = values(number, Role::kBeta);
  numeric::Floats gamma(mean.size(), 1.0F);
  if (!o.gamma_is_one) std::ranges::copy(values(number, Role::kGamma), gamma.begin());
  auto flags = dnnl::normalization_flags::use_scale | dnnl::normalization_flags::use_shift |
               dnnl::normalization_flags::use_global_stats;
  if (o.relu) flags |= dnnl::normalization_flags::fuse_norm_relu;
  const dnnl::batch_normalization_forward::primitive_desc primitive({kInference, in.desc, o.epsilon, flags},
                                                                    primitive_attributes(), engine());
  const Tensor out = last ? in : plan_.reserve(in.desc);
  plan_.add(primitive, {{DNNL_ARG_SRC, in},
                        {DNNL_ARG_DST, out},
                        {DNNL_ARG_MEAN, vector({mean.begin(), mean.end()})},
                        {DNNL_ARG_VARIANCE, vector({variance.begin(), variance.end()})},
                        {DNNL_ARG_SCALE, vector(std::move(gamma))},
                        {DNNL_ARG_SHIFT, vector({beta.begin(), beta.end()})}});
  return out;
}

Tensor PredictorPlanner::relu(int number) {
  const auto [in, last] = read(op(number).inputs.front());
  const dnnl::eltwise_forward::primitive_desc primitive({kInference, algorithm::eltwise_relu, in.desc},
                                                        primitive_attributes(), engine());
  const Tensor out = last ? in : plan_.reserve(in.desc);
  plan_.add(primitive, {{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, out}});
  return out;
}

Tensor PredictorPlanner::sum(int number) {
  const int main = op(number).inputs[0], shortcut = op(number).inputs[1];
  map(main);
  map(shortcut);
  const auto [a, last] = read(main);
  const Tensor b = plan_.in_layout(read(shortcut).first, a.desc);
  const Tensor out = last ? a : plan_.reserve(a.desc);
  add_sum_step(plan_, a, b, out);
  return out;
}

Tensor PredictorPlanner::pooling(int number) {
  const Op& o = op(number);
  const Tensor in = read(o.inputs.front()).first;
  const auto primitive = forward_pooling(graph_, o, kInference, in.desc);
  const Tensor out = plan_.reserve(primitive.dst_desc());
  plan_.add(primitive, {{DNNL_ARG_SRC, in}, {DNNL_ARG_DST, out}});
  return out;
}

Tensor PredictorPlanner::linear(int number) {
  using Linear = dnnl::inner_product_forward;
  const MapShape& from = op(op(number).inputs.front()).shape;
  const Tensor plain = plan_.in_layout(read(op(number).inputs.front()).first,
                                       map_desc(options_.pictures, from, options_.type, Format::nchw));
  const Tensor in = Plan::view(plain, Desc({options_.pictures, from.size()}, options_.type, Format::nc));
  const std::int64_t outputs = op(number).shape.channels;
  const Linear::desc desc(kInference, in.desc, Desc({outputs, from.size()}, options_.type, Format::any),
                          Desc({outputs}, Type::f32, Format::a),
                          Desc({options_.pictures, outputs}, Type::f32, Format::nc));
  const Linear::primitive_desc primitive(desc, primitive_attributes(), engine());
  const Tensor out = plan_.reserve(primitive.dst_desc());
  const auto bias = values(number, Role::kBias);
  plan_.add(primitive, {{DNNL_ARG_SRC, in},
                        {DNNL_ARG_WEIGHTS, constants_.add_weights(plan_, primitive.weights_desc(),
                                                                  Desc({outputs, from.size()}, Type::f32, Format::oi),
                                                                  values(number, Role::kWeight), {})},
                        {DNNL_ARG_BIAS, vector({bias.begin(), bias.end()})},
                        {DNNL_ARG_DST, out}});
  return out;
}

}  // namespace clary::nn::onednn
