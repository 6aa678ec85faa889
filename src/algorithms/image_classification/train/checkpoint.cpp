// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/checkpoint.h"

#include <algorithm>

#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;

/// The learned numbers of one parameter in a flat array parallel to Parameters::values().
std::span<float> of(const nn::Parameter& p, std::span<float> values) {
  return values.subspan(at(p.offset), at(p.size));
}

template <class F>
void each_learned(const nn::Parameters& parameters, F&& f) {
  for (const nn::Parameter& p : parameters.list())
    if (!p.is_statistic()) f(p);
}

void put(shell::Checkpoint& to, const std::string& set, const nn::Parameters& parameters) {
  for (const nn::Parameter& p : parameters.list()) to.put(set + p.name, parameters.of(p));
}

void take(const shell::Checkpoint& from, const std::string& set, nn::Parameters& parameters) {
  for (const nn::Parameter& p : parameters.list()) from.take(set + p.name, parameters.of(p));
}

Json counts_json(const std::vector<metrics::ClassCounts>& classes) {
  Json out = Json::array();
  for (const metrics::ClassCounts& c : classes) out.push_back({c.labelled, c.predicted, c.right});
  return out;
}

std::vector<metrics::ClassCounts> counts_of(const Json& json) {
  std::vector<metrics::ClassCounts> out;
  for (const Json& c : json) out.push_back({c.at(0).get<double>(), c.at(1).get<double>(), c.at(2).get<double>()});
  return out;
}

Json best_json(const Best& best) {
  return {{"epoch", best.epoch},
          {"accuracy", shell::json_number(best.accuracy)},
          {"metrics", best.metrics},
          {"classes", counts_json(best.classes)}};
}

Best best_of(const Json& json) {
  Best out;
  out.epoch = json.at("epoch").get<std::int64_t>();
  out.accuracy = shell::number_of(json.at("accuracy"));
  out.metrics = json.at("metrics").get<Json::object_t>();
  out.classes = counts_of(json.at("classes"));
  return out;
}

}  // namespace

Json checkpoint_identity(const Hyperparameters& hp, const Json& topology) {
  return {{"num_layers", hp.num_layers},
          {"image_shape", hp.image_shape},
          {"num_classes", hp.num_classes},
          {"optimizer", hp.optimizer_name()},
          {"multi_label", hp.multi_label},
          {"topology", topology},
          {"use_weighted_loss", hp.use_weighted_loss}};
}

shell::Checkpoint to_shell(const State& state, const nn::Parameters& now, Optimizer& optimizer) {
  shell::Checkpoint out;
  out.progress = state.epochs;
  out.state = {{"steps", optimizer.steps()},
               {"stopping_idle", state.stopping_idle},
               {"weighted", !state.weights.positive.empty()},
               {"stopping_best", state.stopping_best ? shell::json_number(*state.stopping_best) : Json()},
               {"best", state.best ? best_json(*state.best) : Json()}};
  put(out, "now/", now);
  if (state.best) put(out, "best/", state.best->parameters);
  each_learned(now, [&](const nn::Parameter& p) {
    out.put("first/" + p.name, of(p, optimizer.first()));
    if (!optimizer.second().empty()) out.put("second/" + p.name, of(p, optimizer.second()));
  });
  if (!state.weights.positive.empty()) {
    out.put("weights/negative", state.weights.negative);
    out.put("weights/positive", state.weights.positive);
  }
  return out;
}

State from_shell(const shell::Checkpoint& checkpoint, std::int64_t classes, nn::Parameters& now, Optimizer& optimizer) {
  State out;
  out.epochs = checkpoint.progress;
  std::int64_t steps = 0;
  bool weighted = false;
  shell::reading_state([&] {
    const Json& state = checkpoint.state;
    steps = state.at("steps").get<std::int64_t>();
    out.stopping_idle = state.at("stopping_idle").get<std::int64_t>();
    weighted = state.at("weighted").get<bool>();
    if (!state.at("stopping_best").is_null()) out.stopping_best = shell::number_of(state.at("stopping_best"));
    if (!state.at("best").is_null()) out.best = best_of(state.at("best"));
  });
  if (out.epochs < 1 || steps < 0 || out.stopping_idle < 0 ||
      (out.best && (out.best->epoch < 0 || out.best->epoch >= out.epochs || std::ssize(out.best->classes) != classes)))
    throw Error(Kind::kMalformed,
                "image-classification: checkpoint: meta.json: epochs, steps and classes do not fit together");
  take(checkpoint, "now/", now);
  if (out.best) {
    out.best->parameters = now;  // for its shape
    take(checkpoint, "best/", out.best->parameters);
  }
  each_learned(now, [&](const nn::Parameter& p) {
    checkpoint.take("first/" + p.name, of(p, optimizer.first()));
    if (!optimizer.second().empty()) checkpoint.take("second/" + p.name, of(p, optimizer.second()));
  });
  optimizer.restore(steps);
  if (weighted) {
    out.weights.negative.resize(at(classes)), out.weights.positive.resize(at(classes));
    checkpoint.take("weights/negative", out.weights.negative);
    checkpoint.take("weights/positive", out.weights.positive);
  }
  return out;
}

}  // namespace clary::image_classification
