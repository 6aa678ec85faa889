// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/checkpoint.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/zip_archive.h"

namespace clary::linear_learner {
namespace {

[[noreturn]] void fail(const std::string& rule) {
  throw Error(Kind::kMalformed, "linear-learner: checkpoint: " + rule);
}

/// JSON has no infinities and no NaN.
Json number(double x) { return std::isfinite(x) ? Json(x) : Json(fmt::format("{}", x)); }

double number(const Json& x) {
  if (x.is_number()) return x.get<double>();
  if (x == "nan" || x == "-nan") return std::nan("");
  if (x == "inf") return INFINITY;
  if (x == "-inf") return -INFINITY;
  fail("a number is expected, found " + dump_json(x));
}

Json outcome_json(const CandidateOutcome& o) {
  return {{"epoch", o.best_epoch},
          {"value", number(o.value)},
          {"threshold", number(o.threshold)},
          {"train_loss", number(o.train_loss)},
          {"validation_loss", o.validation_loss ? number(*o.validation_loss) : Json()}};
}

CandidateOutcome outcome_of(const Json& j) {
  CandidateOutcome o;
  o.best_epoch = j.at("epoch").get<std::int64_t>();
  o.value = number(j.at("value")), o.threshold = number(j.at("threshold")), o.train_loss = number(j.at("train_loss"));
  if (!j.at("validation_loss").is_null()) o.validation_loss = number(j.at("validation_loss"));
  return o;
}

template <class Vector>
artifact::NamedArray array(const std::string& name, const Vector& values) {
  return {name, {static_cast<std::int64_t>(values.size())}, {values.begin(), values.end()}};
}

/// Arrays by name, each with the length it must have.
class Arrays {
 public:
  explicit Arrays(std::string_view bytes) : arrays_(artifact::read_arrays(bytes)) {}

  template <class Vector>
  void take(const std::string& name, std::size_t size, Vector& to) const {
    for (const artifact::NamedArray& a : arrays_) {
      if (a.name != name) continue;
      if (a.values.size() != size) {
        fail(fmt::format("array {} has {} numbers, {} are expected", name, a.values.size(), size));
      }
      to.assign(a.values.begin(), a.values.end());
      return;
    }
    fail("array " + name + " is missing");
  }

 private:
  std::vector<artifact::NamedArray> arrays_;
};

}  // namespace

std::filesystem::path checkpoint_file(const std::filesystem::path& dir, const std::string& host) {
  return dir / ("linear_learner_" + host + ".checkpoint");
}

Json checkpoint_identity(const Hyperparameters& hp, const TrainingData& data, std::size_t candidates) {
  return {{"predictor_type", name_of(hp.predictor_type)},
          {"loss", name_of(hp.resolved_loss())},
          {"optimizer", name_of(hp.optimizer)},
          {"outputs", hp.outputs()},
          {"features", data.features},
          {"rows", data.rows_everywhere},
          {"batch_rows", data.batch_rows},
          {"candidates", candidates}};
}

std::string to_bytes(const Checkpoint& c, const Json& identity) {
  Json outcomes = Json::array(), rates = Json::array();
  for (const CandidateOutcome& o : c.outcomes) outcomes.push_back(outcome_json(o));
  for (const double r : c.state.rate) rates.push_back(r);
  const Json meta{{"format", 1},
                  {"job", identity},
                  {"slice", c.slice},
                  {"epoch", c.epoch},
                  {"updates", c.state.updates},
                  {"rates", rates},
                  {"stopping_best", c.stopping_best ? number(*c.stopping_best) : Json()},
                  {"stopping_idle", c.stopping_idle},
                  {"outcomes", outcomes},
                  {"best",
                   {{"candidate", c.best.candidate},
                    {"epoch", c.best.epoch},
                    {"value", number(c.best.value)},
                    {"loss", number(c.best.loss)},
                    {"threshold", number(c.best.threshold)}}}};
  const std::string arrays =
      artifact::write_arrays({array("weight", c.parameters.weight), array("bias", c.parameters.bias),
                              array("first_weight", c.state.first.weight), array("first_bias", c.state.first.bias),
                              array("second_weight", c.state.second.weight), array("second_bias", c.state.second.bias),
                              array("best_weight", c.best.solution.weight), array("best_bias", c.best.solution.bias)});
  return artifact::write_zip({{"meta.json", dump_json(meta)}, {"arrays", arrays}});
}

std::optional<Checkpoint> from_bytes(std::string_view bytes, const Json& identity, const Lanes& lanes,
                                     std::int64_t features, std::int64_t outputs) {
  const auto zip = artifact::read_zip(bytes);
  if (!zip.contains("meta.json") || !zip.contains("arrays")) fail("members meta.json and arrays are expected");
  Checkpoint c;
  try {
    const Json meta = parse_json(zip.at("meta.json"));
    if (!meta.is_object() || !meta.contains("job")) fail("meta.json is not one of this program's");
    if (meta.at("job") != identity) return std::nullopt;
    c.slice = meta.at("slice").get<std::int64_t>(), c.epoch = meta.at("epoch").get<std::int64_t>();
    c.state.updates = meta.at("updates").get<std::int64_t>();
    for (const Json& r : meta.at("rates")) c.state.rate.push_back(number(r));
    if (!meta.at("stopping_best").is_null()) c.stopping_best = number(meta.at("stopping_best"));
    c.stopping_idle = meta.at("stopping_idle").get<std::int64_t>();
    for (const Json& o : meta.at("outcomes")) c.outcomes.push_back(outcome_of(o));
    const Json& best = meta.at("best");
    c.best.candidate = best.at("candidate").get<std::size_t>(), c.best.epoch = best.at("epoch").get<std::int64_t>();
    c.best.value = number(best.at("value")), c.best.loss = number(best.at("loss"));
    c.best.threshold = number(best.at("threshold"));
  } catch (const Json::exception& e) {
    fail(fmt::format("meta.json: {}", e.what()));
  }
  const auto candidates = identity.at("candidates").get<std::size_t>();
  if (c.slice < 0 || c.epoch < 0 || c.state.updates < 0 || c.stopping_idle < 0 || c.outcomes.size() != candidates ||
      c.best.candidate >= candidates) {
    fail("meta.json: a count is out of range");
  }
  if (c.state.rate.size() != static_cast<std::size_t>(lanes.models)) return std::nullopt;
  const Arrays arrays(zip.at("arrays"));
  const Parameters shape(lanes, features);
  const auto take = [&](const std::string& prefix, Parameters& to) {
    arrays.take(prefix + "weight", shape.weight.size(), to.weight);
    arrays.take(prefix + "bias", shape.bias.size(), to.bias);
  };
  take("", c.parameters);
  take("first_", c.state.first);
  take("second_", c.state.second);
  arrays.take("best_weight", static_cast<std::size_t>(features * outputs), c.best.solution.weight);
  arrays.take("best_bias", static_cast<std::size_t>(outputs), c.best.solution.bias);
  return c;
}

}  // namespace clary::linear_learner
