// SPDX-License-Identifier: Apache-2.0
// Step 3 of the method: after each epoch every candidate is scored on held-out rows (or on a sample of the training
// rows), two-class ones at the threshold that is best for them, and the best epoch and candidate are kept.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/linear_learner/data/rows.h"
#include "algorithms/linear_learner/data/scaler.h"
#include "algorithms/linear_learner/evaluate/threshold.h"
#include "algorithms/linear_learner/hyperparameters.h"
#include "algorithms/linear_learner/train/objective.h"
#include "learning/collective/collective.h"

namespace clary::linear_learner {

/// Rows that candidates are judged by.
struct JudgingRows {
  Rows rows;
  std::vector<float> labels;     // on their own scale
  bool is_sample = false;        // of the training rows: there is no validation channel
  bool differs_by_host = false;  // hosts hold different rows, to be taken together
};

/// How one epoch's candidates did, in order of candidate. The same on all hosts.
struct Judgement {
  std::vector<double> loss;   // mean, on the label's own scale
  std::vector<double> value;  // the criterion, higher is better
  std::vector<double> threshold;

  /// The candidate of highest value; ties go to the lower loss, then to the lower number.
  std::size_t best() const;
};

class Judge {
 public:
  Judge(const Hyperparameters& hp, const Scaler& scaler, const JudgingRows& rows, Team& team,
        collective::Collective& hosts);

  /// @param objective  of the lanes of `p`
  Judgement judge(Objective& objective, const Parameters& p);
  bool decides_by_loss() const;
  /// A value of a Judgement as people read it: a loss positive, a missed target without its handicap.
  double shown(double value) const;
  /// Of a share of the judging rows (accuracy, precision, ...); 0 when a loss decides.
  double standard_error(double value) const;

 private:
  void choose_thresholds(Judgement& judgement, std::int64_t models);
  std::vector<float> everybodys(const std::vector<float>& mine);

  const Hyperparameters& hp_;
  const Scaler& scaler_;
  const JudgingRows& rows_;
  Team& team_;
  collective::Collective& hosts_;
  std::int64_t calibration_rows_ = 0;  // this host's rows that thresholds are chosen on
  std::int64_t total_rows_ = 0;        // all hosts'
  std::vector<float> columns_;         // [M, rows]
  std::vector<float> all_labels_;      // of the calibration rows; several hosts: everybody's, on the first
};

}  // namespace clary::linear_learner
