// SPDX-License-Identifier: Apache-2.0
// The JSON beside the model. Numbers are written one by one: a tree of a million of them would cost half a gigabyte.
#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "algorithms/linear_learner/model/artifact.h"
#include "base/json.h"

namespace clary::linear_learner {
namespace {

using OrderedJson = nlohmann::ordered_json;

/// With more weights than this the JSON points to the .npy file instead.
constexpr std::int64_t kMaxListedWeights = 1'000'000;

std::string shown(float value) { return std::isfinite(value) ? fmt::format("{}", static_cast<double>(value)) : "null"; }

/// Row `row` of [rows, K]: a number for one output, else a list.
void append_outputs(std::string& out, const std::vector<float>& values, std::int64_t row, std::int64_t outputs) {
  const auto first = static_cast<std::size_t>(row * outputs), count = static_cast<std::size_t>(outputs);
  if (outputs > 1) out += '[';
  for (std::size_t k = 0; k < count; ++k) {
    if (k > 0) out += ", ";
    out += shown(values[first + k]);
  }
  if (outputs > 1) out += ']';
}

std::string features_list(const Weights& w, const TrainingRecord& record) {
  std::string out = "[";
  const auto named = [&](const char* name, const std::vector<float>& values, std::int64_t d) {
    if (values.empty()) return;
    out += fmt::format(", \"{}\": ", name);
    append_outputs(out, values, d, w.outputs);
  };
  for (std::int64_t d = 0; d < w.features; ++d) {
    out += fmt::format("{}\n  {{\"index\": {}", d > 0 ? "," : "", d);
    if (!record.feature_names.empty())
      out += ", \"name\": " + dump_json(Json(record.feature_names[static_cast<std::size_t>(d)]));
    named("weight", w.weight, d);
    named("standardised_weight", record.standardised_weight, d);
    named("standard_error", record.standard_error, d);
    out += '}';
  }
  return out + "\n ]";
}

/// {"validation": {"mse": 0.4, ...}, ...}
OrderedJson metrics_of(const TrainingRecord& record) {
  OrderedJson out = OrderedJson::object();
  for (const ChannelMetrics& channel : record.metrics)
    for (const NamedMetric& metric : channel.metrics) out[channel.channel][metric.name] = metric.value;
  return out;
}

OrderedJson settings_of(const CandidateSettings& s) {
  OrderedJson out{{"id", s.id},
                  {"optimizer", name_of(s.optimizer)},
                  {"learning_rate", s.learning_rate},
                  {"wd", s.wd},
                  {"l1", s.l1},
                  {"momentum", s.momentum},
                  {"beta_1", s.beta_1},
                  {"beta_2", s.beta_2},
                  {"use_lr_scheduler", s.use_lr_scheduler}};
  if (s.use_lr_scheduler) {
    out["lr_scheduler_step"] = s.lr_scheduler_step;
    out["lr_scheduler_factor"] = s.lr_scheduler_factor;
    out["lr_scheduler_minimum_lr"] = s.lr_scheduler_minimum_lr;
  }
  out["positive_example_weight_mult"] = s.positive_weight;
  return out;
}

}  // namespace

std::string coefficients_json(const StoredModel& model, const TrainingRecord& record) {
  const Weights& w = model.weights;
  const bool binary = model.predictor_type == PredictorType::kBinary;
  std::string out = fmt::format("{{\n \"predictor_type\": \"{}\",\n \"loss\": \"{}\",\n", name_of(model.predictor_type),
                                name_of(model.loss));
  if (binary) out += fmt::format(" \"classes\": [0, 1],\n \"threshold\": {},\n", model.threshold);
  if (model.predictor_type == PredictorType::kMulticlass) {
    std::vector<std::int64_t> classes;
    for (std::int64_t k = 0; k < w.outputs; ++k) classes.push_back(k);
    out += fmt::format(" \"classes\": [{}],\n", fmt::join(classes, ", "));
  }
  out += " \"intercept\": ";
  append_outputs(out, w.bias, 0, w.outputs);
  if (!record.bias_standard_error.empty()) {
    out += ",\n \"intercept_standard_error\": ";
    append_outputs(out, record.bias_standard_error, 0, w.outputs);
  }
  out += fmt::format(",\n \"best_candidate\": {},\n \"best_epoch\": {},\n \"polished\": {},\n \"metrics\": {}",
                     record.best_candidate, record.best_epoch, record.polished, metrics_of(record).dump());
  out += ",\n \"features\": ";
  out += w.features * w.outputs <= kMaxListedWeights ? features_list(w, record) : "\"coefficients.npy\"";
  return out + "\n}\n";
}

std::string candidates_json(const TrainingRecord& record) {
  OrderedJson candidates = OrderedJson::array();
  for (const CandidateOutcome& candidate : record.candidates) {
    OrderedJson row = settings_of(candidate.settings);
    row["best_epoch"] = candidate.best_epoch;
    row["value"] = candidate.value;
    row["threshold"] = candidate.threshold;
    row["train_loss"] = candidate.train_loss;
    row["validation_loss"] = candidate.validation_loss ? OrderedJson(*candidate.validation_loss) : OrderedJson(nullptr);
    candidates.push_back(std::move(row));
  }
  return OrderedJson{{"criterion", record.criterion},
                     {"best_candidate", record.best_candidate},
                     {"best_epoch", record.best_epoch},
                     {"candidates", candidates}}
             .dump(1) +
         "\n";
}

}  // namespace clary::linear_learner
