// SPDX-License-Identifier: Apache-2.0
// Image Classification's hyperparameters: the struct and its one table. Names, ranges and defaults are those of AWS's
// manual page "Image classification hyperparameters"; momentum's default is what its container runs with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "learning/hyper/schema.h"
#include "learning/nn/graph.h"
#include "learning/optim/update.h"
#include "learning/vision/augment.h"

namespace clary::image_classification {

struct Hyperparameters {
  std::int64_t num_classes = 0;
  std::int64_t num_training_samples = 0;
  vision::Augmentation augmentation_type = vision::Augmentation::kNone;
  double beta_1 = 0.9;                               // adam
  double beta_2 = 0.999;                             // adam
  std::optional<std::int64_t> checkpoint_frequency;  // epochs; none: the best model only
  bool early_stopping = false;
  std::int64_t early_stopping_min_epochs = 10;
  std::int64_t early_stopping_patience = 5;
  double early_stopping_tolerance = 0;  // relative
  std::int64_t epochs = 30;
  double eps = 1e-8;   // adam, rmsprop
  double gamma = 0.9;  // rmsprop
  std::string image_shape = "3,224,224";
  std::string kv_store;  // "dist_sync", "dist_async" or none
  double learning_rate = 0.1;
  double lr_scheduler_factor = 0.1;
  std::vector<std::int64_t> lr_scheduler_step;  // epochs; empty: the rate never changes
  std::int64_t mini_batch_size = 32;            // on each host
  double momentum = 0.9;                        // sgd, nag
  bool multi_label = false;
  std::int64_t num_layers = 152;
  optim::Rule optimizer = optim::Rule::kMomentum;
  bool float16 = false;  // precision_dtype
  std::optional<std::int64_t> resize;
  std::optional<std::int64_t> top_k;
  bool use_pretrained_model = false;
  bool use_weighted_loss = false;  // multi_label
  double weight_decay = 0.0001;    // sgd, nag

  /// image_shape as numbers; it was checked.
  nn::MapShape image() const;
  /// sgd, adam, rmsprop or nag.
  const char* optimizer_name() const;
};

const Schema<Hyperparameters>& schema();

}  // namespace clary::image_classification
