// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/finish.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "algorithms/linear_learner/data/feature_names.h"
#include "algorithms/linear_learner/train/loss.h"
#include "algorithms/linear_learner/train/standard_errors.h"

namespace clary::linear_learner {
namespace {

/// Multiply-adds of one gradient up to which a path of penalties is tried, and parts of the rows it is tried on.
constexpr double kPathWork = 1.2e6;
constexpr int kFolds = 5;
/// Standard errors within which two models are taken for equal. What stochastic training found is the best of all
/// candidates and epochs on these very rows, so it looks better than it is.
constexpr double kSlack = 2;

// After the search: takes the best candidate to the minimum of its objective, chooses between the two, and computes
// what is reported. On several hosts all of them run this with the same decisions, because every sum is reduced.
class Finish {
 public:
  Finish(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data, const Search& search,
         const std::vector<float>& class_weights, Team& team, Judge& judge)
      : hp_(hp),
        context_(context),
        data_(data),
        settings_(search.outcomes()[search.best().candidate].settings),
        best_(search.best()),
        search_size_(search.outcomes().size()),
        candidate_passes_(search.candidate_passes()),
        judge_(judge),
        lanes_(Lanes::of(1, hp.outputs())),
        objective_(lanes_, data.features, loss_rule(hp),
                   {class_weights, {static_cast<float>(settings_.positive_weight)}}, team) {
    if (data.sparse) objective_.set_shift(data.scaler);
  }

  /// Takes the best candidate to its minimum. @return whether that model is kept
  bool polish_best() {
    // A streamed channel cannot be passed over again.
    if (data_.streamed) return false;
    // With more weights than rows the exact minimum fits the noise; early stopping was the regularisation.
    if (!is_small() && data_.features * hp_.outputs() > data_.rows_everywhere) {
      context_.log().info("Not polished: with {} weights for {} rows it is not the minimum that predicts best.",
                          data_.features * hp_.outputs(), data_.rows_everywhere);
      return false;
    }
    PolishTask task{
        &objective_,
        &data_.train,
        settings_.wd,
        settings_.l1,
        hp_.use_bias,
        &context_.collective(),
        [&] { return context_.hosts().size() > 1 ? context_.stop_on_any_host() : context_.stop_requested(); },
        candidate_passes_};
    const auto start = std::chrono::system_clock::now();
    choose_penalty(task);
    const Best found = best_;
    const Solution polished = polish(task, best_.solution);
    const Judgement now = judge_.judge(objective_, parameters(polished));
    const bool kept = not_worse(now, polished);
    context_.log().info("Polished with wd {:.3g}, l1 {:.3g}: {} {:.6g} (was {:.6g}), loss {:.6g} (was {:.6g}): {}",
                        task.decay, task.l1, criterion_name(hp_), judge_.shown(now.value[0]), judge_.shown(found.value),
                        now.loss[0], found.loss, kept ? "kept" : "not kept");
    shell::MetricsRecord record{.start = start, .end = std::chrono::system_clock::now()};
    record.operation = "polishing";
    record.values = {
        {(data_.judging.is_sample ? "train_" : "validation_") + objective_name(hp_.resolved_loss()), now.loss[0]}};
    context_.log().metrics(record);
    if (!kept) return false;
    best_.solution = polished, best_.value = now.value[0], best_.loss = now.loss[0];
    best_.threshold = now.threshold[0];
    return true;
  }

  /// One step of the solver takes a millisecond or so.
  bool is_small() const {
    const double outputs = static_cast<double>(hp_.outputs());
    const double numbers =
        static_cast<double>(data_.sparse ? std::min<std::int64_t>(100, data_.features) : data_.features);
    return outputs *
               (static_cast<double>(data_.rows_everywhere) * numbers + 10 * static_cast<double>(data_.features)) <=
           kPathWork;
  }

  /// Where data are few the grid of penalties is coarse, and the judging rows, if there are any, are few as well: then
  /// rows left out of the training decide which penalty is best, together with the judging rows.
  void choose_penalty(PolishTask& task) {
    if (hp_.wd || hp_.l1 || search_size_ == 1 || !is_small()) return;
    const double own_l1 = settings_.wd > 0 ? settings_.l1 / settings_.wd : 0;
    double best = std::numeric_limits<double>::infinity(), chosen = task.decay;
    Solution start = best_.solution;
    for (const double decay : {1.0, 0.1, 0.03, 0.01, 0.003, 0.001, 1e-4, 1e-5}) {
      // Warm start: from the solution of the penalty before.
      task.decay = decay, task.l1 = own_l1 * decay;
      start = polish(task, start, true);
      const double loss = held_out_loss(task, start, kFolds);
      if (loss < best) best = loss, chosen = decay;
    }
    task.decay = chosen, task.l1 = own_l1 * chosen;
  }

  /// Judged by the judging rows: neither the criterion nor the loss is worse by more than kSlack standard
  /// errors.
  /// The polished model is kept unless the judging rows say that it is worse.
  bool not_worse(const Judgement& now, const Solution& polished) {
    if (!std::isfinite(now.loss[0])) return false;
    if (!judge_.decides_by_loss() && now.value[0] < best_.value - kSlack * judge_.standard_error(best_.value)) {
      return false;
    }
    if (now.loss[0] <= best_.loss) return true;
    return now.loss[0] - best_.loss <= kSlack * standard_error_of_difference(polished);
  }

  // Paired: the differences of the losses of single rows, whose variance is far smaller than that of the losses
  // themselves.
  double standard_error_of_difference(const Solution& polished) {
    const Rows& rows = data_.judging.rows;
    const auto scores = [&](const Solution& s) {
      return objective_.scores(rows, parameters(s), static_cast<float>(data_.scaler.label_scale),
                               static_cast<float>(data_.scaler.label_shift));
    };
    const std::vector<float> before = scores(best_.solution), after = scores(polished);
    double sums[] = {0, 0, static_cast<double>(rows.rows)};
    for (std::int64_t r = 0; r < rows.rows; ++r) {
      const double d = loss_of_row(after, r) - loss_of_row(before, r);
      sums[0] += d, sums[1] += d * d;
    }
    if (data_.judging.differs_by_host) context_.collective().all_reduce_sum(std::span<double>(sums));
    if (sums[2] < 2) return 0;
    const double mean = sums[0] / sums[2];
    return std::sqrt(std::max(0.0, sums[1] / sums[2] - mean * mean) / sums[2]);
  }

  double loss_of_row(const std::vector<float>& scores, std::int64_t r) const {
    const auto row = static_cast<std::size_t>(r);
    const float label = data_.judging.labels[row];
    if (!hp_.is_multiclass()) {
      return row_loss(loss_rule(hp_), static_cast<double>(scores[row]), static_cast<double>(label)).loss;
    }
    const auto k = static_cast<std::size_t>(hp_.outputs());
    const std::vector<double> f(scores.begin() + static_cast<std::ptrdiff_t>(row * k),
                                scores.begin() + static_cast<std::ptrdiff_t>((row + 1) * k));
    return softmax_loss(f, static_cast<std::int64_t>(label));
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

  // On the first host; nothing elsewhere.
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
  std::size_t search_size_;
  std::int64_t candidate_passes_;
  Judge& judge_;
  Lanes lanes_;
  Objective objective_;
};

}  // namespace

Model finish(const Hyperparameters& hp, shell::TrainContext& context, const TrainingData& data, const Search& search,
             const std::vector<float>& class_weights, Team& team, Judge& judge, Report& report) {
  Finish f(hp, context, data, search, class_weights, team, judge);
  TrainingRecord record;
  // After a stop the model of this moment is saved without further work.
  record.polished = !search.stopped() && f.polish_best();
  const Best& best = f.best();
  record.criterion = criterion_name(hp);
  record.candidates = search.outcomes();
  for (CandidateOutcome& candidate : record.candidates) candidate.value = judge.shown(candidate.value);
  record.best_candidate = f.settings().id;
  record.best_epoch = best.epoch;
  for (const float w : best.solution.weight) {
    record.standardised_weight.push_back(static_cast<float>(data.scaler.label_scale) * w);
  }
  record.feature_names = feature_names(context.channel("train"), data.features);
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
  report.target(best.value);
  report.best(record);
  if (data.test) {
    add("test", f.scores(*data.test, data.test_labels, context.channel("test").is_sharded()));
  } else {
    report.no_test_data();
  }
  Model model(hp, unscaled(data.scaler, best.solution.weight, best.solution.bias, hp.outputs()), best.threshold,
              class_weights, f.settings().positive_weight);
  model.record = std::move(record);
  report.finished();
  return model;
}

}  // namespace clary::linear_learner
