// SPDX-License-Identifier: Apache-2.0
// Measures a finished model: the score of the test channel, and how many of the true nearest
// neighbours an IVF index finds.
#pragma once

#include <cstdint>
#include <optional>
#include <utility>

#include "algorithms/knn/data/vectors.h"
#include "algorithms/knn/hyperparameters.h"
#include "algorithms/knn/model/model.h"
#include "learning/shell/train_context.h"

namespace clary::knn {

/// recall@10 of an IVF index against exact search over the same rows. Queries are the first rows of the test channel,
/// or, without one, stored rows that are then left out of both answers.
class Recall {
 public:
  static constexpr std::int64_t kQueries = 1000;
  static constexpr std::int64_t kNeighbours = 10;

  /// The rows as they went into the index; without this call there is nothing to measure.
  void keep(Vectors stored, bool l2) {
    stored_ = std::move(stored);
    l2_ = l2;
  }
  bool wants_queries() const { return stored_.rows() > 0 && queries_.rows() < kQueries; }
  /// @param rows  prepared for the index
  void add_queries(const Vectors& rows);
  std::optional<double> measure(const Model& model);
  /// Logs "#quality_metric: host=algo-1, train recall@10 <score>=..." and lets the rows go.
  void report(const Model& model, shell::TrainLog& log);

 private:
  Vectors stored_, queries_;
  bool l2_ = true;
};

/// Scores the model on the test channel and logs it; every host calls it (a sharded channel is gathered first).
/// @param model, recall  null on hosts other than the first
void score_test_channel(const Hyperparameters& hp, const Model* model, Recall* recall, shell::TrainContext& context);

}  // namespace clary::knn
