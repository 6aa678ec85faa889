// SPDX-License-Identifier: Apache-2.0
// See score.h.
#include "algorithms/knn/evaluate/score.h"

#include <limits>

namespace clary::knn {
namespace {

double ratio(double sum, std::int64_t count) {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

}  // namespace

void Score::add(float label, std::span<const float> prefix_answers) {
  ++rows_;
  if (at_k_.size() < prefix_answers.size()) at_k_.resize(prefix_answers.size());
  for (std::size_t i = 0; i < prefix_answers.size(); ++i) {
    const double miss = static_cast<double>(prefix_answers[i]) - label;
    at_k_[i].sum += task_ == Task::kClassifier ? (prefix_answers[i] == label ? 1 : 0) : miss * miss;
    ++at_k_[i].rows;
  }
  if (task_ == Task::kRegressor) {
    if (prefix_answers.empty()) return;
    const double miss = static_cast<double>(prefix_answers.back()) - label;
    squared_error_ += miss * miss;
    ++measured_;
    return;
  }
  ++classes_[label].support;
  if (prefix_answers.empty()) return;
  ++classes_[prefix_answers.back()].predicted;
  if (prefix_answers.back() == label) {
    ++classes_[label].correct;
    ++correct_;
  }
}

double Score::accuracy() const { return ratio(static_cast<double>(correct_), rows_); }

double Score::mean_squared_error() const { return ratio(squared_error_, measured_); }

std::vector<double> Score::by_k() const {
  std::vector<double> out;
  for (const AtK& one : at_k_) out.push_back(ratio(one.sum, one.rows));
  return out;
}

double Score::macro_f1() const {
  double sum = 0;
  std::int64_t occurring = 0;
  for (const auto& [label, one] : classes_) {
    if (one.support == 0) continue;
    sum += one.f1();
    ++occurring;
  }
  return ratio(sum, occurring);
}

}  // namespace clary::knn
