// SPDX-License-Identifier: Apache-2.0
// What a pass over pictures is judged by: mean loss, accuracy, top-k accuracy, counts by class, and for several labels
// a picture mean average precision. Everything but the last is sums, which add up over batches and hosts. Letters: K
// classes.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "learning/collective/collective.h"
#include "learning/metrics/class_counts.h"

namespace clary::image_classification {

struct ScoreOptions {
  std::int64_t classes = 0;
  bool multi_label = false;
  std::int64_t top_k = 0;          // 0: not asked for
  bool keeps_predictions = false;  // multi_label: for mean_average_precision()
};

class Scores {
 public:
  explicit Scores(const ScoreOptions& options);

  /// A batch. @param logits  [pictures, K]; @param labels  [pictures], or [pictures, K] of 0 and 1 with multi_label;
  /// @param loss  the sum of the pictures' losses
  void add(std::int64_t pictures, std::span<const float> logits, std::span<const float> labels, double loss);

  /// The sums, and the predictions kept, of all hosts. A collective call.
  void merge(collective::Collective& hosts);

  std::int64_t pictures() const { return static_cast<std::int64_t>(sums_[kPictures]); }
  double loss() const { return metrics::ratio(sums_[kLoss], sums_[kPictures]); }
  /// Pictures whose most probable class is theirs (the lowest number of equal ones). With multi_label: labels of all
  /// pictures and classes that are given right, a class being predicted from a probability of 1/2.
  double accuracy() const;
  /// Pictures whose class is among the k most probable.
  double top_k_accuracy() const { return metrics::ratio(sums_[kTopK], sums_[kPictures]); }
  /// Mean over the classes that pictures have or were given.
  double f1() const;
  /// Mean of metrics::average_precision over the classes that pictures have. Needs keeps_predictions.
  double mean_average_precision() const { return mean_average_precision_.value_or(average_of_kept()); }
  std::span<const metrics::ClassCounts> classes() const { return classes_; }

 private:
  enum Sum { kPictures, kLoss, kRight, kTopK, kSums };

  void add_picture(std::span<const float> logits, float label);
  void add_labels(std::span<const float> logits, std::span<const float> labels);
  double average_of_kept() const;

  ScoreOptions options_;
  double sums_[kSums] = {};
  std::vector<metrics::ClassCounts> classes_;
  std::vector<float> kept_logits_, kept_labels_;  // [pictures, K]
  std::optional<double> mean_average_precision_;  // of all hosts
};

}  // namespace clary::image_classification
