// SPDX-License-Identifier: Apache-2.0
// See score.h.
#include "algorithms/knn/evaluate/score.h"

#include <limits>
#include <vector>

namespace clary::knn {
namespace {

double ratio(double sum, std::int64_t count) {
  return count == 0 ? std::numeric_limits<double>::quiet_NaN() : sum / static_cast<double>(count);
}

}  // namespace

// prefix_answers[i] is the answer from the i + 1 nearest neighbours; empty when no neighbour was found.
void Score::add(float label, std::span<const float> prefix_answers) {
  ++rows_;
  // A row may have fewer neighbours than k, hence a count per k.
  if (at_k_.size() < prefix_answers.size()) at_k_.resize(prefix_answers.size());
  for (std::size_t i = 0; i < prefix_answers.size(); ++i) {
    const double miss = static_cast<double>(prefix_answers[i]) - label;
    at_k_[i].sum += task_ == Task::kClassifier ? (prefix_answers[i] == label ? 1 : 0) : miss * miss;
    ++at_k_[i].rows;
  }
  if (task_ == Task::kRegressor) {
    if (prefix_answers.empty()) return;
    sums_.add(label, prefix_answers.back());
    return;
  }
  ++classes_[label].labelled;
  if (prefix_answers.empty()) return;
  ++classes_[prefix_answers.back()].predicted;
  if (prefix_answers.back() == label) {
    ++classes_[label].right;
    ++correct_;
  }
}

double Score::accuracy() const { return ratio(static_cast<double>(correct_), rows_); }

double Score::mean_squared_error() const { return ratio(sums_.squared_errors, static_cast<std::int64_t>(sums_.rows)); }

std::vector<double> Score::by_k() const {
  std::vector<double> out;
  for (const AtK& one : at_k_) out.push_back(ratio(one.sum, one.rows));
  return out;
}

double Score::macro_f1() const {
  std::vector<metrics::ClassCounts> counts;
  for (const auto& [label, one] : classes_) counts.push_back(one);
  return metrics::mean(counts, metrics::Over::kLabelled, [](const metrics::ClassCounts& c) { return c.f(); });
}

}  // namespace clary::knn
