// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/checkpoint.h"

#include <string>
#include <vector>

#include "base/error.h"

namespace clary::linear_learner {
namespace {

[[noreturn]] void fail(const std::string& rule) {
  throw Error(Kind::kMalformed, "linear-learner: checkpoint: " + rule);
}

using shell::json_number;
using shell::number_of;

Json outcome_json(const CandidateOutcome& o) {
  return {{"epoch", o.best_epoch},
          {"value", json_number(o.value)},
          {"threshold", json_number(o.threshold)},
          {"train_loss", json_number(o.train_loss)},
          {"validation_loss", o.validation_loss ? json_number(*o.validation_loss) : Json()}};
}

CandidateOutcome outcome_of(const Json& j) {
  CandidateOutcome o;
  o.best_epoch = j.at("epoch").get<std::int64_t>();
  o.value = number_of(j.at("value")), o.threshold = number_of(j.at("threshold"));
  o.train_loss = number_of(j.at("train_loss"));
  if (!j.at("validation_loss").is_null()) o.validation_loss = number_of(j.at("validation_loss"));
  return o;
}

}  // namespace

// What must be the same for the arrays and counts to fit; anything else may have changed (the number of epochs, say).
Json checkpoint_identity(const Hyperparameters& hp, const TrainingData& data, std::size_t candidates,
                         std::size_t together) {
  return {{"predictor_type", name_of(hp.predictor_type)},
          {"loss", name_of(hp.resolved_loss())},
          {"optimizer", name_of(hp.optimizer)},
          {"outputs", hp.outputs()},
          {"features", data.features},
          {"rows", data.rows_everywhere},
          {"batch_rows", data.batch_rows},
          {"candidates", candidates},
          {"together", together}};
}

shell::Checkpoint to_shell(const Checkpoint& c) {
  shell::Checkpoint out;
  // Slices follow one another, and so do the epochs of each; no job has 2^32 epochs.
  out.progress = c.slice * (std::int64_t{1} << 32) + c.epoch;
  Json outcomes = Json::array();
  for (const CandidateOutcome& o : c.outcomes) outcomes.push_back(outcome_json(o));
  out.state = {{"slice", c.slice},
               {"epoch", c.epoch},
               {"updates", c.state.updates},
               {"rates", c.state.rate},
               {"stopping_best", c.stopping_best ? json_number(*c.stopping_best) : Json()},
               {"stopping_idle", c.stopping_idle},
               {"outcomes", outcomes},
               {"best",
                {{"candidate", c.best.candidate},
                 {"epoch", c.best.epoch},
                 {"value", json_number(c.best.value)},
                 {"loss", json_number(c.best.loss)},
                 {"threshold", json_number(c.best.threshold)}}}};
  out.put("weight", c.parameters.weight), out.put("bias", c.parameters.bias);
  out.put("first_weight", c.state.first.weight), out.put("first_bias", c.state.first.bias);
  out.put("second_weight", c.state.second.weight), out.put("second_bias", c.state.second.bias);
  out.put("best_weight", c.best.solution.weight), out.put("best_bias", c.best.solution.bias);
  return out;
}

Checkpoint from_shell(const shell::Checkpoint& checkpoint, std::size_t candidates, std::int64_t features,
                      // In two steps: counts and the best model first, from which the slice of the arrays follows.
                      std::int64_t outputs) {
  Checkpoint c;
  shell::reading_state([&] {
    const Json& state = checkpoint.state;
    c.slice = state.at("slice").get<std::int64_t>(), c.epoch = state.at("epoch").get<std::int64_t>();
    if (!state.at("stopping_best").is_null()) c.stopping_best = number_of(state.at("stopping_best"));
    c.stopping_idle = state.at("stopping_idle").get<std::int64_t>();
    for (const Json& o : state.at("outcomes")) c.outcomes.push_back(outcome_of(o));
    const Json& best = state.at("best");
    c.best.candidate = best.at("candidate").get<std::size_t>(), c.best.epoch = best.at("epoch").get<std::int64_t>();
    c.best.value = number_of(best.at("value")), c.best.loss = number_of(best.at("loss"));
    c.best.threshold = number_of(best.at("threshold"));
  });
  if (c.slice < 0 || c.epoch < 0 || c.stopping_idle < 0 || c.outcomes.size() != candidates ||
      c.best.candidate >= candidates) {
    fail("meta.json: a count is out of range");
  }
  const auto take = [&](const char* name, std::int64_t size, std::vector<float>& to) {
    const auto values = checkpoint.array(name, static_cast<std::size_t>(size));
    to.assign(values.begin(), values.end());
  };
  take("best_weight", features * outputs, c.best.solution.weight);
  take("best_bias", outputs, c.best.solution.bias);
  return c;
}

void take_slice(const shell::Checkpoint& checkpoint, const Lanes& lanes, std::int64_t features, Checkpoint& to) {
  shell::reading_state([&] {
    to.state.updates = checkpoint.state.at("updates").get<std::int64_t>();
    to.state.rate = checkpoint.state.at("rates").get<std::vector<double>>();
  });
  // Shapes are checked by take() and here before anything is used: the file may be damaged.
  if (to.state.updates < 0 || std::ssize(to.state.rate) != lanes.models)
    fail("meta.json: updates or rates do not fit the slice");
  const auto take = [&](const std::string& prefix, Parameters& p) {
    p = Parameters(lanes, features);
    checkpoint.take(prefix + "weight", p.weight);
    checkpoint.take(prefix + "bias", p.bias);
  };
  take("", to.parameters);
  take("first_", to.state.first);
  take("second_", to.state.second);
}

}  // namespace clary::linear_learner
