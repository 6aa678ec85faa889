// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/train/cross_validation.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <random>
#include <utility>

#include "algorithms/xgboost/data/stacking.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::xgboost {
namespace {

/// What the folds that did not see a row say of it.
/// Each repetition predicts every row once, by the fold that did not see it; sums and votes over the repetitions.
class OutOfFold {
 public:
  OutOfFold(std::vector<float> labels, const Hyperparameters& hp)
      : labels_(std::move(labels)), sums_(labels_.size()), votes_(labels_.size()) {
    const Objective* objective = find_objective(hp.objective);
    const Task task = objective != nullptr ? objective->task : Task::kRegression;
    classes_ = task == Task::kBinary || task == Task::kMulticlass;
    logistic_ = objective != nullptr && objective->link == Link::kLogistic;
  }

  void add(const Booster& booster, const Matrix& rows, std::span<const int> indices) {
    const auto type = classes_ ? PredictType::kMargin : PredictType::kValue;
    const auto predicted = booster.predict(rows, {.type = type});
    const std::size_t width = predicted.values.size() / indices.size();
    for (std::size_t i = 0; i < indices.size(); ++i)
      add(static_cast<std::size_t>(indices[i]), std::span(predicted.values).subspan(i * width, width));
  }

  /// @param times  that every row was predicted
  std::string csv(int times) const {
    std::string out;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      out += fmt::format("{:f},{:f}", labels_[i], sums_[i] / times);
      if (classes_) out += fmt::format(",{:f}", static_cast<double>(most_frequent(votes_[i])));
      out += '\n';
    }
    return out;
  }

 private:
  void add(std::size_t row, std::span<const float> said) {
    if (!classes_) {
      sums_[row] += said[0];
    } else if (said.size() == 1) {
      const double p = logistic_ ? 1 / (1 + std::exp(-static_cast<double>(said[0]))) : said[0];
      sums_[row] += p;
      ++votes_[row][said[0] > 0 ? 1 : 0];
    } else {
      const auto best = std::max_element(said.begin(), said.end());
      // The probability of the predicted class: 1 / sum exp(m_k - max).
      double whole = 0;
      for (const float margin : said) whole += std::exp(static_cast<double>(margin - *best));
      sums_[row] += 1 / whole;
      ++votes_[row][static_cast<int>(best - said.begin())];
    }
  }

  static int most_frequent(const std::map<int, int>& votes) {
    int best = 0, most = 0;
    for (const auto& [value, count] : votes)
      if (count > most) best = value, most = count;
    return best;
  }

  std::vector<float> labels_;
  std::vector<double> sums_;
  std::vector<std::map<int, int>> votes_;
  bool classes_ = false, logistic_ = false;
};

bool is_stratified(const Hyperparameters& hp) { return hp.num_class || hp.objective.starts_with("binary:"); }

/// Means over folds, by channel and metric, in the order of the first fold.
/// Folds have the same channels and metrics in the same order.
std::vector<Entry> means(const std::vector<std::vector<Entry>>& folds) {
  std::vector<Entry> out = folds.front();
  for (std::size_t f = 1; f < folds.size(); ++f)
    for (std::size_t i = 0; i < out.size() && i < folds[f].size(); ++i) out[i].value += folds[f][i].value;
  for (Entry& entry : out) entry.value /= static_cast<double>(folds.size());
  return out;
}

}  // namespace

// A shuffle, then for classification a stable sort by label: dealing the sorted rows to the folds in turn gives each
// fold its share of every class. random() % i is the same on every platform, std::shuffle is not.
std::vector<int> folds_of(std::int64_t rows, std::span<const float> labels, int k, std::uint32_t seed) {
  std::vector<int> order(static_cast<std::size_t>(rows));
  std::iota(order.begin(), order.end(), 0);
  std::mt19937 random(seed);
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  if (!labels.empty())
    std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
      return labels[static_cast<std::size_t>(a)] < labels[static_cast<std::size_t>(b)];
    });
  std::vector<int> out(order.size());
  for (std::size_t i = 0; i < order.size(); ++i)
    out[static_cast<std::size_t>(order[i])] = static_cast<int>(i % static_cast<std::size_t>(k));
  return out;
}

std::vector<Booster> cross_validate(const Boosting& job, const Matrix& train, const Matrix* validation) {
  const Hyperparameters& hp = job.hp;
  const int k = *hp.kfold, threads = job.context.threads();
  std::vector<const Matrix*> parts{&train};
  if (validation != nullptr) parts.push_back(validation);
  // Train and validation together are split anew.
  const Matrix all = stacked(parts, std::max(train.columns(), parts.back()->columns()), threads);
  if (!all.groups().empty()) throw Error(Kind::kInvalid, "_kfold: data with query groups cannot be split into folds");
  if (all.rows() < k) throw Error(Kind::kInvalid, fmt::format("_kfold: {} exceeds the {} rows", k, all.rows()));
  const auto labels = all.labels();

  std::vector<Booster> out;
  OutOfFold predictions(labels, hp);
  // The first fold is begun also after an early stop: boost() then ends the job as it does without folds, by its error
  // of a stop before the first round. There would be no model, and no prediction to write.
  for (int repeat = 0; repeat < hp.num_cv_round && (out.empty() || !job.context.stop_requested()); ++repeat) {
    job.report.info(fmt::format("Run {}-round of {}-fold cross validation with {} rows", repeat + 1, k, all.rows()));
    const auto folds =
        folds_of(all.rows(), is_stratified(hp) ? std::span<const float>(labels) : std::span<const float>(), k,
                 static_cast<std::uint32_t>(hp.seed) + static_cast<std::uint32_t>(repeat));
    std::vector<std::vector<Entry>> entries;
    for (int fold = 0; fold < k; ++fold) {
      if (job.context.stop_requested() && !out.empty()) return out;
      job.report.info(fmt::format("Train cross validation fold {}", fold + 1));
      std::vector<int> inside, outside;
      for (std::size_t i = 0; i < folds.size(); ++i)
        (folds[i] == fold ? outside : inside).push_back(static_cast<int>(i));
      const Matrix learned = all.slice(inside), judged = all.slice(outside);
      // No communicator: one host trains fold after fold.
      Boosting part{hp, job.context, job.report, nullptr, {}, {}};
      if (!job.checkpoint_dir.empty()) part.checkpoint_dir = job.checkpoint_dir / fmt::format("model-{}", out.size());
      if (!job.model_file.empty())
        part.model_file = job.model_file.parent_path() / fmt::format("xgboost-model-{}", out.size());
      Boosted boosted = boost(part, learned, &judged);
      predictions.add(boosted.booster, judged, outside);
      entries.push_back(std::move(boosted.entries));
      out.push_back(std::move(boosted.booster));
    }
    job.report.plain(format_line(hp.num_round, means(entries), job.report.tag()));
  }
  write_file_atomically(job.context.output_dir() / "predictions.csv",
                        predictions.csv(static_cast<int>(out.size()) / k));
  return out;
}

}  // namespace clary::xgboost
