// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/selection.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <span>
#include <string_view>

#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

bool decided_by_loss(const Hyperparameters& hp) {
  return !hp.is_binary() || hp.binary_classifier_model_selection_criteria == Criterion::kLossFunction ||
         hp.binary_classifier_model_selection_criteria == Criterion::kCrossEntropyLoss;
}

}  // namespace

std::size_t Judgement::best() const {
  std::size_t best = 0;
  for (std::size_t m = 1; m < value.size(); ++m) {
    const bool better = value[m] > value[best] || (value[m] == value[best] && loss[m] < loss[best]);
    // A candidate that ran away (not a number) is never better; one that is a number beats one that is not.
    if (better || (std::isnan(value[best]) && !std::isnan(value[m]))) best = m;
  }
  return best;
}

// Labels for the thresholds are gathered once; scores at each judgement.
Judge::Judge(const Hyperparameters& hp, const Scaler& scaler, const JudgingRows& rows, Team& team,
             collective::Collective& hosts)
    : hp_(hp), scaler_(scaler), rows_(rows), team_(team), hosts_(hosts) {
  total_rows_ = rows.rows.rows;
  if (rows.differs_by_host) hosts_.all_reduce_sum(std::span<std::int64_t>(&total_rows_, 1));
  if (decided_by_loss(hp)) return;
  const std::int64_t parts = rows.differs_by_host ? hosts.size() : 1;
  const std::int64_t limit = hp.num_calibration_samples.value_or(10'000'000);
  // num_calibration_samples bounds the rows that are sorted at each judgement; hosts share it.
  calibration_rows_ = std::min(rows.rows.rows, std::max<std::int64_t>(1, limit / parts));
  const std::vector<float> mine(rows.labels.begin(), rows.labels.begin() + calibration_rows_);
  all_labels_ = everybodys(mine);
}

bool Judge::decides_by_loss() const { return decided_by_loss(hp_); }

double Judge::shown(double value) const {
  if (decides_by_loss()) return -value;
  return value < 0 ? value + 1 : value;
}

// Binomial.
double Judge::standard_error(double value) const {
  if (decides_by_loss() || total_rows_ == 0 || !(value >= 0 && value <= 1)) return 0;
  // Of a share seen in total_rows_ rows, with Laplace's correction so that 1 out of N rows is never beyond doubt.
  const double n = static_cast<double>(total_rows_);
  const double p = (value * n + 1) / (n + 2);
  return std::sqrt(p * (1 - p) / n);
}

/// Several hosts with different rows: all of them, in order of host, on the first host (nothing elsewhere).
std::vector<float> Judge::everybodys(const std::vector<float>& mine) {
  if (!rows_.differs_by_host || hosts_.size() == 1) return mine;
  const auto* bytes = reinterpret_cast<const char*>(mine.data());
  std::vector<float> out;
  for (const std::string& blob : hosts_.gather(std::string_view(bytes, mine.size() * sizeof(float)), 0)) {
    const std::size_t before = out.size();
    out.resize(before + blob.size() / sizeof(float));
    std::memcpy(out.data() + before, blob.data(), blob.size() / sizeof(float) * sizeof(float));
  }
  return out;
}

Judgement Judge::judge(Objective& objective, const Parameters& p) {
  const std::int64_t models = objective.lanes().models, n = rows_.rows.rows;
  const bool thresholds = calibration_rows_ > 0;
  if (thresholds) columns_.resize(at(models * n));
  const Objective::Sums& sums =
      objective.evaluate(rows_.rows, rows_.labels.data(), p, static_cast<float>(scaler_.label_scale),
                         static_cast<float>(scaler_.label_shift), thresholds ? columns_.data() : nullptr, n);
  Judgement out;
  out.loss.assign(sums.loss.begin(), sums.loss.begin() + models);
  if (rows_.differs_by_host) hosts_.all_reduce_sum(std::span<double>(out.loss));
  for (double& loss : out.loss) loss /= static_cast<double>(std::max<std::int64_t>(1, total_rows_));
  out.threshold.assign(at(models), kDefaultThreshold);
  out.value.resize(at(models));
  std::transform(out.loss.begin(), out.loss.end(), out.value.begin(), [](double loss) { return -loss; });
  if (!decided_by_loss(hp_)) choose_thresholds(out, models);
  // Hosts may round differently; a decision that differed would end in a deadlock.
  if (hosts_.size() > 1) {  // one decision, whatever the rounding on other hosts
    for (std::vector<double>* v : {&out.loss, &out.value, &out.threshold}) {
      hosts_.broadcast(std::as_writable_bytes(std::span<double>(*v)), 0);
    }
  }
  return out;
}

void Judge::choose_thresholds(Judgement& judgement, std::int64_t models) {
  const std::int64_t n = rows_.rows.rows;
  const auto column = [&](std::int64_t m) {
    return std::span<const float>(columns_).subspan(at(m * n), at(calibration_rows_));
  };
  const auto choose = [&](std::int64_t m, std::span<const float> scores) {
    if (!std::isfinite(judgement.loss[at(m)])) {  // it ran away
      judgement.value[at(m)] = std::numeric_limits<double>::quiet_NaN();
      return;
    }
    const ThresholdChoice c = choose_threshold(hp_, scores, all_labels_);
    // Values are shares from 0 to 1: one less orders all that miss the target behind those that meet it.
    judgement.value[at(m)] = c.target_met ? c.value : c.value - 1;  // below every candidate that meets the target
    judgement.threshold[at(m)] = c.threshold;
  };
  if (rows_.differs_by_host && hosts_.size() > 1) {
    for (std::int64_t m = 0; m < models; ++m) {
      const auto mine = column(m);
      const std::vector<float> all = everybodys({mine.begin(), mine.end()});
      if (hosts_.rank() == 0 && !all.empty()) choose(m, all);
    }
    return;
  }
  if (calibration_rows_ == 0) return;
  // Candidates are independent: each thread chooses for some of them.
  team_.run([&](int t) {
    for (std::int64_t m = t; m < models; m += team_.size()) choose(m, column(m));
  });
}

}  // namespace clary::linear_learner
