// SPDX-License-Identifier: Apache-2.0
// A Linear Learner checkpoint from a stranger: only Error may escape.
#include "algorithms/linear_learner/train/checkpoint.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  using namespace clary::linear_learner;
  TrainingData job;
  job.features = 4, job.rows_everywhere = 300, job.batch_rows = 16;
  static const clary::Json identity = checkpoint_identity(Hyperparameters{}, job, 2);
  try {
    from_bytes(std::string_view(reinterpret_cast<const char*>(data), size), identity, Lanes::of(2, 1), 4, 1);
  } catch (const clary::Error&) {  // NOLINT: the expected answer
  }
  return 0;
}
