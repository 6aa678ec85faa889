// SPDX-License-Identifier: Apache-2.0
// NTM's hyperparameters: the struct and its one table (ntm.md section 2).
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "algorithms/ntm/kernels/kernels.h"
#include "algorithms/ntm/model/parameters.h"
#include "algorithms/ntm/train/optimizer.h"
#include "learning/hyper/schema.h"
#include "learning/optim/update.h"

namespace clary::ntm {

struct Hyperparameters {
  std::int64_t feature_dim = 0;
  std::int64_t num_topics = 0;
  std::vector<std::int64_t> encoder_layers;  // empty: auto
  kernels::Activation encoder_layers_activation = kernels::Activation::kSigmoid;
  std::int64_t epochs = 50;
  std::int64_t mini_batch_size = 256;
  optim::Rule optimizer = optim::Rule::kAdadelta;
  double learning_rate = 0.01;  // what AWS's container logs; its manual says 0.001
  std::int64_t num_patience_epochs = 3;
  double tolerance = 0.001;
  bool batch_norm = false;
  double rescale_gradient = 1;
  double clip_gradient = std::numeric_limits<double>::infinity();
  double weight_decay = 0;
  double sub_sample = 1;
  // Clary only.
  std::int64_t patience_warmup_epochs = 0;
  std::int64_t kl_warmup_epochs = 0;
  std::int64_t sync_steps = 0;  // 0: auto

  Shape shape() const;
  OptimizerOptions optimizer_options() const;
};

const Schema<Hyperparameters>& schema();

}  // namespace clary::ntm
