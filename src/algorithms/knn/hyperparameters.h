// SPDX-License-Identifier: Apache-2.0
// k-NN's hyperparameters: plain struct, its member initialisers are the defaults; the table is in hyperparameters.cpp.
#pragma once

#include <cstdint>

#include "learning/hyper/schema.h"

namespace clary::knn {

enum class Task { kClassifier, kRegressor };
enum class IndexType { kFlat, kIvfFlat, kIvfPq };
enum class Metric { kL2, kInnerProduct, kCosine };
enum class Reduction { kNone, kSign, kFjlt };

struct Hyperparameters {
  static constexpr std::int64_t kAll = 0;   // sample_size
  static constexpr std::int64_t kAuto = 0;  // feature_dim, nlists, pq_m
  static constexpr std::int64_t kDefaultProbes = 5;

  std::int64_t feature_dim = kAuto;
  std::int64_t k = 1;
  Task predictor_type = Task::kClassifier;
  std::int64_t sample_size = kAll;
  Reduction reduction_type = Reduction::kNone;
  std::int64_t reduction_target = 0;  // 0: not given
  IndexType index_type = IndexType::kFlat;
  Metric index_metric = Metric::kL2;
  std::int64_t ivf_nlists = kAuto;
  std::int64_t pq_m = kAuto;
  std::int64_t nprobe = kDefaultProbes;
  std::int64_t hidden_nprobe = kDefaultProbes;
  std::int64_t mini_batch_size = 5000;
  std::int64_t epochs = 1;

  /// Cells searched: `nprobe`, or AWS's hidden spelling of it.
  std::int64_t probes() const { return hidden_nprobe != kDefaultProbes ? hidden_nprobe : nprobe; }
};

const Schema<Hyperparameters>& schema();

/// floor(sqrt(n)), at least 1: what `auto` stands for.
std::int64_t automatic_nlists(std::int64_t sample_size);
/// The largest of faiss_index_pq_m's values that is at most 8 and at most `width`.
std::int64_t automatic_pq_m(std::int64_t width);

}  // namespace clary::knn
