// SPDX-License-Identifier: Apache-2.0
// Training: from a job's channels to a model.
#pragma once

#include <functional>
#include <optional>

#include "algorithms/blazingtext/cuda/gpu.h"
#include "algorithms/blazingtext/data/corpus.h"
#include "algorithms/blazingtext/hyperparameters.h"
#include "algorithms/blazingtext/model/model.h"
#include "algorithms/blazingtext/train/pretrained.h"
#include "algorithms/blazingtext/train/report.h"
#include "learning/collective/collective.h"
#include "learning/shell/train_context.h"

namespace clary::blazingtext {

/// What a training sees of the world.
struct TrainingJob {
  const Hyperparameters& hp;
  Corpus train;
  std::optional<Corpus> validation;
  Report& report;
  int threads = 1;  // one: exact, repeatable by seed; several: without locks, the last digits differ from run to run
  std::uint64_t seed = 1;
  std::function<bool()> stopped = [] { return false; };
  collective::Collective* hosts = nullptr;  // null: one host
  cuda::Gpu* gpu = nullptr;                 // null: on the CPUs
  std::optional<PretrainedVectors> pretrained{};
};

/// skipgram, cbow, batch_skipgram. When stopped, the vectors as they are.
/// @throws Error{kInvalid} when no word is frequent enough
Model train_word_vectors(const TrainingJob& job);

/// supervised. When stopped, the classifier as it is.
/// @throws Error{kInvalid} without labels or without words
Model train_classifier(const TrainingJob& job);

/// Whether there is a GPU and it has room; a GPU too small for the matrices is reported in the log.
bool fits_gpu(const TrainingJob& job, std::size_t bytes);

Model train(const Hyperparameters& hp, shell::TrainContext& context);

}  // namespace clary::blazingtext
