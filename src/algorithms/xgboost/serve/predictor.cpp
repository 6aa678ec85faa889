// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/predictor.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>
#include <map>

#include "algorithms/xgboost/model/model_file.h"
#include "base/error.h"
#include "base/json.h"
#include "base/text.h"

namespace clary::xgboost {
namespace {

using formats::Batch;

/// A member of the library's configuration, whose numbers are texts; "" when absent.
std::string setting(const Json& config, const std::string& pointer) {
  const Json::json_pointer at(pointer);
  if (!config.contains(at)) return "";
  const Json& value = config.at(at);
  return value.is_string() ? value.get<std::string>() : value.dump();
}

int whole(const std::string& text, int otherwise) {
  int value = otherwise;
  std::from_chars(text.data(), text.data() + text.size(), value);
  // `otherwise` is kept when the text is no number, as from_chars() leaves the value untouched.
  return value;
}

/// The rounds to use: those up to the best one, where the model says which that was. 0: all.
/// best_iteration counts from 0; best_ntree_limit counts trees, of which a round has several in a random forest.
int iteration_end(const Booster& booster, int trees_per_round) {
  const auto best = booster.attribute("best_iteration");
  const auto limit = booster.attribute("best_ntree_limit");
  int end = 0;
  if (best)
    end = whole(*best, -1) + 1;
  else if (limit)
    end = whole(*limit, 0) / std::max(trees_per_round, 1);
  return end > 0 && end < booster.boosted_rounds() ? end : 0;
}

/// The numbers of kBaseMarginsAttribute; empty without it.
std::vector<float> base_margins_of(const Booster& booster) {
  std::vector<float> out;
  const auto text = booster.attribute(kBaseMarginsAttribute);
  if (!text) return out;
  for (const std::string_view part : split(*text, ','))
    std::from_chars(part.data(), part.data() + part.size(), out.emplace_back());
  return out;
}

/// The same margins for each row: [N, groups].
std::vector<float> repeated(const std::vector<float>& margins, std::int64_t rows) {
  std::vector<float> out;
  out.reserve(margins.size() * static_cast<std::size_t>(rows));
  for (std::int64_t r = 0; r < rows && !margins.empty(); ++r) out.insert(out.end(), margins.begin(), margins.end());
  return out;
}

Scores scores_of(LibraryPrediction&& prediction, std::int64_t rows) {
  Scores out;
  out.rows = rows;
  out.lists = prediction.shape.size() > 1;
  out.width = rows > 0 ? static_cast<std::int64_t>(prediction.values.size()) / rows : 1;
  out.values = std::move(prediction.values);
  return out;
}

/// The most frequent value at each place; of equally frequent ones the smallest.
/// A map is ordered, and max_element returns the first of equal counts: the smallest value.
void most_frequent(std::vector<Scores>& all, Scores& out) {
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    std::map<float, int> votes;
    for (const Scores& scores : all) ++votes[scores.values[i]];
    out.values[i] = std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) {
                      return a.second < b.second;
                    })->first;
  }
}

}  // namespace

Predictor::Predictor(std::span<Booster> boosters, bool ensemble) {
  // Without an ensemble the first model alone answers.
  if (!ensemble) boosters = boosters.first(std::min<std::size_t>(boosters.size(), 1));
  for (Booster& booster : boosters) {
    // One thread a request: requests run in parallel already.
    booster.set("nthread", "1");
    booster.set("predictor", "auto");
    const Json config = parse_json(booster.json_config());
    const std::string name = setting(config, "/learner/gradient_booster/name");
    const int trees = whole(setting(config, "/learner/gradient_booster/gbtree_model_param/num_parallel_tree"), 1);
    // Only gbtree predicts in place, without a matrix of its own and safely from several threads
    // (XGBoosterPredictFromDense). dart and gblinear take the slower way under the lock.
    const bool trees_only = name == "gbtree";
    members_.push_back(
        {&booster, trees_only, name == "gblinear" ? 0 : iteration_end(booster, trees), base_margins_of(booster)});
    // The first member defines objective and classes of all.
    if (members_.size() > 1) {
      if (booster.num_features() != num_features_)
        throw Error(Kind::kInvalid,
                    "Unable to load model: the models of the ensemble have different numbers of features");
      continue;
    }
    num_features_ = booster.num_features();
    objective_ = setting(config, "/learner/objective/name");
    num_class_ = whole(setting(config, "/learner/learner_model_param/num_class"), 0);
  }
  // XGBoost configures a booster lazily at its first prediction, which changes it: done here, before threads share it.
  Batch nothing;  // the first prediction configures the booster, which later ones may then share
  nothing.rows = 1;
  nothing.width = num_features_;
  nothing.values.assign(static_cast<std::size_t>(num_features_), std::numeric_limits<float>::quiet_NaN());
  for (const Member& member : members_) one(member, nothing);
}

Scores Predictor::predict(const Batch& rows) const {
  if (members_.size() == 1) return one(members_[0], rows);
  std::vector<Scores> all;
  for (const Member& member : members_) {
    all.push_back(one(member, rows));
    if (all.back().values.size() != all[0].values.size())
      throw Error(Kind::kInvalid, "the models of the ensemble answer in different shapes");
  }
  Scores out = all[0];
  // Classes have no mean.
  if (objective_ == "multi:softmax" || objective_ == "binary:hinge") {
    most_frequent(all, out);
    return out;
  }
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    float sum = 0;
    for (const Scores& scores : all) sum += scores.values[i];
    out.values[i] = sum / static_cast<float>(all.size());
  }
  return out;
}

Scores Predictor::one(const Member& member, const Batch& rows) const {
  if (!member.in_place) return through_matrix(member, rows, PredictType::kValue);
  const std::vector<float> margins = repeated(member.base_margins, rows.rows);
  const PredictOptions options{.iteration_end = member.iteration_end, .base_margins = margins};
  return scores_of(rows.sparse ? member.booster->predict_csr(rows.offsets, rows.columns, rows.values, options)
                               : member.booster->predict_dense(rows.values, rows.rows, options),
                   rows.rows);
}

Scores Predictor::slow(const Batch& rows, PredictType type) const { return through_matrix(members_.at(0), rows, type); }

Scores Predictor::through_matrix(const Member& member, const Batch& rows, PredictType type) const {
  // Built outside the lock: only the prediction itself must be exclusive.
  Matrix matrix = rows.sparse ? Matrix::from_csr(rows.offsets, rows.columns, rows.values, rows.width, 1)
                              : Matrix::from_dense(rows.values, rows.rows, rows.width, 1);
  if (!member.base_margins.empty()) matrix.set_floats("base_margin", repeated(member.base_margins, rows.rows));
  // The library caches the matrix inside of the booster.
  const std::lock_guard lock(mutex_);
  return scores_of(member.booster->predict(matrix, {.type = type, .iteration_end = member.iteration_end}), rows.rows);
}

}  // namespace clary::xgboost
