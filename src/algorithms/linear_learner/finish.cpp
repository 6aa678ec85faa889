// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/finish.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <span>
#include <string_view>

#include "algorithms/linear_learner/standard_errors.h"

namespace clary::linear_learner {
namespace {

class Finish {
 public:
  Finish(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data, const Search& search,
         const std::vector<float>& class_weights, Team& team, Judge& judge)
      : hp_(hp),
        context_(context),
        data_(data),
        settings_(search.outcomes()[search.best().candidate].settings),
        best_(search.best()),
        judge_(judge),
        lanes_(Lanes::of(1, hp.outputs())),
        objective_(lanes_, data.features, loss_rule(hp),
                   {class_weights, {static_cast<float>(settings_.positive_weight)}}, team) {
    if (data.sparse) objective_.set_shift(data.scaler);
  }

  /// @return whether the polished model is kept
  bool polish_best() {
    if (data_.streamed) return false;
    const auto stop = [&] {
      return context_.hosts().size() > 1 ? context_.stop_on_any_host() : context_.stop_requested();
    };
    const Solution polished =
        polish(objective_, data_.train, settings_, hp_.use_bias, best_.solution, context_.collective(), stop);
    objective_.set_rule(loss_rule(hp_));
    const Judgement now = judge_.judge(objective_, parameters(polished));
    context_.log().info("Polished: {} {:.6g} -> {:.6g}, loss {:.6g} -> {:.6g}", criterion_name(hp_), best_.value,
                        now.value[0], best_.loss, now.loss[0]);
    if (!(now.value[0] >= best_.value)) return false;
    best_.solution = polished, best_.value = now.value[0], best_.loss = now.loss[0];
    best_.threshold = now.threshold[0];
    return true;
  }

  Parameters parameters(const Solution& s) const {
    Parameters p(lanes_, data_.features);
    put_model(p, lanes_, data_.features, 0, s.weight, s.bias);
    return p;
  }

  StandardErrors errors() {
    if (data_.streamed) return {};
    const std::vector<float> f =
        objective_.scores(data_.train, parameters(best_.solution), static_cast<float>(data_.scaler.label_scale),
                          static_cast<float>(data_.scaler.label_shift));
    return standard_errors(hp_, data_.train, data_.scaler, f, original_labels(data_.train, data_.scaler), settings_.wd,
                           settings_.positive_weight, context_.collective());
  }

  /// Scores on the label's own scale; rows of other hosts follow this one's on the first host when they differ.
  Scores scores(const Rows& rows, std::vector<float> labels, bool differs_by_host) {
    Scores s;
    s.outputs = hp_.outputs();
    s.raw = objective_.scores(rows, parameters(best_.solution), static_cast<float>(data_.scaler.label_scale),
                              static_cast<float>(data_.scaler.label_shift));
    s.labels = std::move(labels);
    if (differs_by_host && context_.hosts().size() > 1) {
      s.raw = gathered(s.raw);
      s.labels = gathered(s.labels);
    }
    s.rows = static_cast<std::int64_t>(s.labels.size());
    return s;
  }

  std::vector<float> gathered(const std::vector<float>& mine) {
    const auto* bytes = reinterpret_cast<const char*>(mine.data());
    std::vector<float> out;
    for (const std::string& blob : context_.collective().gather({bytes, mine.size() * sizeof(float)}, 0)) {
      const std::size_t before = out.size();
      out.resize(before + blob.size() / sizeof(float));
      std::memcpy(out.data() + before, blob.data(), (out.size() - before) * sizeof(float));
    }
    return out;
  }

  const Best& best() const { return best_; }
  const CandidateSettings& settings() const { return settings_; }

 private:
  const Hyperparameters& hp_;
  shell::TrainContext& context_;
  const TrainingData& data_;
  CandidateSettings settings_;
  Best best_;
  Judge& judge_;
  Lanes lanes_;
  Objective objective_;
};

}  // namespace

Model finish(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data, const Search& search,
             const std::vector<float>& class_weights, Team& team, Judge& judge, Report& report) {
  Finish f(hp, context, data, search, class_weights, team, judge);
  TrainingRecord record;
  record.polished = !search.stopped() && f.polish_best();
  const Best& best = f.best();
  record.criterion = criterion_name(hp);
  record.candidates = search.outcomes();
  record.best_candidate = f.settings().id;
  record.best_epoch = best.epoch;
  for (const float w : best.solution.weight) {
    record.standardised_weight.push_back(static_cast<float>(data.scaler.label_scale) * w);
  }
  StandardErrors errors = f.errors();
  record.standard_error = std::move(errors.weight);
  record.bias_standard_error = std::move(errors.bias);
  const auto add = [&](const std::string& channel, const Scores& scores) {
    if (scores.rows == 0) return;  // another host has the rows, and writes the lines
    record.metrics.push_back(
        {channel, final_metrics(hp, best.threshold, class_weights, scores, f.settings().positive_weight)});
    report.final_metrics(channel, record.metrics.back().metrics);
  };
  if (!data.judging.is_sample) {
    add("validation", f.scores(data.judging.rows, data.judging.labels, data.judging.differs_by_host));
  }
  add("train", f.scores(data.train, original_labels(data.train, data.scaler), true));
  report.best(record);
  if (data.test) {
    add("test", f.scores(*data.test, data.test_labels, context.channel("test").is_sharded()));
  } else {
    report.no_test_data();
  }
  Model model(hp, data.scaler.fold(best.solution.weight, best.solution.bias, hp.outputs()), best.threshold,
              class_weights, f.settings().positive_weight);
  model.record = std::move(record);
  report.finished();
  return model;
}

}  // namespace clary::linear_learner
