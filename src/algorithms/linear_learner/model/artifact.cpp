// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/model/artifact.h"

#include <fmt/format.h>

#include <cmath>
#include <map>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/json.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/symbol_graph.h"
#include "learning/artifact/zip_archive.h"
#include "learning/shell/train_log.h"

namespace clary::linear_learner {
namespace {

using artifact::NamedArray;
using OrderedJson = nlohmann::ordered_json;

constexpr const char* kParams = "mx-mod-0000.params";
constexpr const char* kSymbol = "mx-mod-symbol.json";
constexpr const char* kManifest = "manifest.json";
constexpr const char* kAdditional = "additional-params.json";
constexpr std::int64_t kMaxClasses = 1'000'000;

[[noreturn]] void malformed(const std::string& member, const std::string& rule) {
  throw Error(Kind::kMalformed, fmt::format("linear-learner: model: {}: {}", member, rule));
}

// The graph of inference, for programs that load the archive with MXNet. Names and shapes are those of AWS's archives.
std::string symbol_of(const StoredModel& model) {
  const auto shape = [](std::int64_t rows, std::int64_t columns) {
    return Json{{"__shape__", fmt::format("({}, {})", rows, columns)}};
  };
  const auto [op, name] =
      model.loss == Loss::kLogistic  ? std::pair{"LogisticRegressionOutput", "logisticregressionoutput32"}
      : model.loss == Loss::kSoftmax ? std::pair{"SoftmaxOutput", "softmaxoutput32"}
                                     : std::pair{"LinearRegressionOutput", "linearregressionoutput32"};
  artifact::SymbolGraph graph;
  const auto data = graph.variable("data");
  const auto weight = graph.variable("fc0_weight", shape(model.weights.features, model.weights.outputs));
  const auto product = graph.add("dot", "dot32", Json::object(), {data, weight});
  Json bias_attributes = shape(1, model.weights.outputs);
  bias_attributes["__lr_mult__"] = shell::python_float(model.bias_lr_mult);
  const auto bias = graph.variable("fc0_bias", bias_attributes);
  const auto sum = graph.add("broadcast_add", "broadcast_plus32", Json::object(), {product, bias});
  const auto label = graph.variable("out_label");
  return graph.json(graph.add(op, name, Json::object(), {sum, label}));
}

OrderedJson or_null(const std::optional<double>& value) { return value ? OrderedJson(*value) : OrderedJson(nullptr); }

// Members of AWS's archives, null ones included, in their order: readers may expect every name.
std::string additional_of(const StoredModel& model) {
  const MetricsParameters& m = model.metrics;
  const OrderedJson metrics{
      {"eps_insensitive_loss_type", nullptr},
      {"class_weights", m.class_weights.empty() ? OrderedJson(nullptr) : OrderedJson(m.class_weights)},
      {"huber_delta", or_null(m.huber_delta)},
      {"quantile", or_null(m.quantile)},
      {"loss_insensitivity", or_null(m.loss_insensitivity)},
      {"positive_example_weight_mult", m.positive_example_weight_mult},
      {"accuracy_top_k", m.accuracy_top_k},
      {"threshold", model.threshold},
      {"f_beta", or_null(m.f_beta)},
      {"margin", or_null(m.margin)}};
  return OrderedJson{{"threshold", model.threshold},
                     {"loss_type", name_of(model.loss)},
                     {"metrics_params", metrics},
                     {"predictor_type", name_of(model.predictor_type)}}
      .dump();
}

const std::string& member(const std::map<std::string, std::string>& zip, const char* name) {
  const auto found = zip.find(name);
  if (found == zip.end()) malformed(name, "missing");
  return found->second;
}

const NamedArray& array_named(const std::vector<NamedArray>& arrays, const std::string& name) {
  // Checkpoints of MXNet prefix names with "arg:"; module files do not. Both are accepted.
  for (const NamedArray& array : arrays) {
    if (array.name != name && array.name != "arg:" + name) continue;
    for (const float x : array.values)
      if (!std::isfinite(x)) malformed(kParams, name + " holds a number that is not finite");
    return array;
  }
  malformed(kParams, "array " + name + " is missing");
}

Weights weights_of(const std::vector<NamedArray>& arrays) {
  const NamedArray& weight = array_named(arrays, "fc0_weight");
  const NamedArray& bias = array_named(arrays, "fc0_bias");
  if (weight.shape.size() != 2) malformed(kParams, "fc0_weight is no matrix of (features, outputs)");
  // Bounds what a hostile file can make a request cost; shapes were compared with the data by read_arrays().
  if (weight.shape[1] > kMaxClasses) malformed(kParams, fmt::format("fc0_weight has {} outputs", weight.shape[1]));
  if (static_cast<std::int64_t>(bias.values.size()) != weight.shape[1])
    malformed(kParams, fmt::format("fc0_bias has {} numbers for {} outputs", bias.values.size(), weight.shape[1]));
  return {weight.shape[0], weight.shape[1], weight.values, bias.values};
}

/// A number that may be absent or null.
std::optional<double> number(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || found->is_null()) return std::nullopt;
  if (!found->is_number() || !std::isfinite(found->get<double>()))
    malformed(kAdditional, std::string(name) + " is no number");
  return found->get<double>();
}

std::string text(const Json& json, const char* name) {
  const auto found = json.find(name);
  if (found == json.end() || !found->is_string()) malformed(kAdditional, std::string(name) + " is missing or no text");
  return found->get<std::string>();
}

std::vector<float> class_weights_of(const Json& metrics, std::int64_t outputs) {
  const auto found = metrics.find("class_weights");
  if (found == metrics.end() || found->is_null()) return {};
  if (!found->is_array() || static_cast<std::int64_t>(found->size()) != outputs)
    malformed(kAdditional, fmt::format("class_weights is no list of {} numbers", outputs));
  std::vector<float> out;
  for (const Json& weight : *found) {
    if (!weight.is_number()) malformed(kAdditional, "class_weights holds something that is no number");
    out.push_back(weight.get<float>());
  }
  return out;
}

MetricsParameters metrics_of(const Json& metrics, std::int64_t outputs) {
  if (!metrics.is_object()) return {};
  MetricsParameters out;
  out.huber_delta = number(metrics, "huber_delta");
  out.quantile = number(metrics, "quantile");
  out.loss_insensitivity = number(metrics, "loss_insensitivity");
  out.f_beta = number(metrics, "f_beta");
  out.margin = number(metrics, "margin");
  out.positive_example_weight_mult = number(metrics, "positive_example_weight_mult").value_or(1);
  const double top_k = number(metrics, "accuracy_top_k").value_or(3);
  if (top_k < 1 || top_k > 1e6) malformed(kAdditional, fmt::format("accuracy_top_k is {}", top_k));
  out.accuracy_top_k = static_cast<std::int64_t>(top_k);
  out.class_weights = class_weights_of(metrics, outputs);
  return out;
}

}  // namespace

std::string to_archive(const StoredModel& model) {
  const Weights& w = model.weights;
  const std::string params = artifact::write_arrays(
      {{"arg:fc0_bias", {1, w.outputs}, w.bias}, {"arg:fc0_weight", {w.features, w.outputs}, w.weight}});
  const OrderedJson manifest{{kAdditional, "json"}, {"mx-mod", "mxnet_module"}, {"version", 1}};
  return artifact::write_zip({{kParams, params},
                              {kSymbol, symbol_of(model)},
                              {kManifest, manifest.dump()},
                              {kAdditional, additional_of(model)}});
}

StoredModel from_archive(std::string_view bytes) {
  const auto zip = artifact::read_zip(bytes);
  const Json additional = parse_json(member(zip, kAdditional));
  if (!additional.is_object()) malformed(kAdditional, "not an object");
  StoredModel model;
  const std::string type = text(additional, "predictor_type");
  const auto predictor_type = predictor_type_named(type);
  if (!predictor_type) malformed(kAdditional, fmt::format("predictor_type '{:.100}' is unknown", type));
  model.predictor_type = *predictor_type;
  const std::string loss_name = text(additional, "loss_type");
  const auto loss = loss_named(loss_name);
  if (!loss) malformed(kAdditional, fmt::format("loss_type '{:.100}' is unknown", loss_name));
  model.loss = *loss;
  model.threshold = number(additional, "threshold").value_or(kDefaultThreshold);
  model.weights = weights_of(artifact::read_arrays(member(zip, kParams)));
  const bool many = model.predictor_type == PredictorType::kMulticlass;
  if (many != (model.weights.outputs > 1))
    malformed(kParams, fmt::format("{} outputs do not fit predictor_type {}", model.weights.outputs, type));
  model.metrics = metrics_of(additional.value("metrics_params", Json()), model.weights.outputs);
  return model;
}

}  // namespace clary::linear_learner
