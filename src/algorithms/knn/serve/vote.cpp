// SPDX-License-Identifier: Apache-2.0
// See vote.h.
#include "algorithms/knn/serve/vote.h"

#include <algorithm>
#include <limits>
#include <map>

namespace clary::knn {

float majority(std::span<const float> labels) {
  if (labels.empty()) return std::numeric_limits<float>::quiet_NaN();
  std::vector<float> sorted(labels.begin(), labels.end());
  std::sort(sorted.begin(), sorted.end());
  float best = sorted.front();
  std::size_t most = 0;
  for (std::size_t first = 0; first < sorted.size();) {
    std::size_t end = first;
    while (end < sorted.size() && sorted[end] == sorted[first]) ++end;
    // Sorted ascending and compared with >, so that the smallest label wins a tie.
    if (end - first > most) {
      most = end - first;
      best = sorted[first];
    }
    first = end;
  }
  return best;
}

float mean(std::span<const float> labels) {
  if (labels.empty()) return std::numeric_limits<float>::quiet_NaN();
  double sum = 0;
  for (const float label : labels) sum += label;
  return static_cast<float>(sum / static_cast<double>(labels.size()));
}

float answer(Task task, std::span<const float> labels) {
  return task == Task::kClassifier ? majority(labels) : mean(labels);
}

ClassShares class_shares(std::span<const float> labels) {
  std::map<float, std::size_t> counts;
  for (const float label : labels) ++counts[label];
  ClassShares out;
  for (const auto& [label, count] : counts) {
    out.classes.push_back(label);
    out.shares.push_back(static_cast<float>(static_cast<double>(count) / static_cast<double>(labels.size())));
  }
  return out;
}

std::vector<float> prefix_answers(Task task, std::span<const float> labels) {
  std::vector<float> out;
  out.reserve(labels.size());
  if (task == Task::kRegressor) {
    double sum = 0;
    // In float64 in the order of the neighbours, as mean(): the last prefix equals it.
    for (const float label : labels) {
      sum += label;
      out.push_back(static_cast<float>(sum / static_cast<double>(out.size() + 1)));
    }
    return out;
  }
  std::map<float, std::size_t> counts;
  float best = 0;
  std::size_t most = 0;
  for (const float label : labels) {
    const std::size_t count = ++counts[label];
    if (count > most || (count == most && label < best)) {
      most = count;
      best = label;
    }
    out.push_back(best);
  }
  return out;
}

}  // namespace clary::knn
