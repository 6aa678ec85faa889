// SPDX-License-Identifier: Apache-2.0
// A Linear Learner artifact from a stranger: only Error may escape, and what is taken can be asked.
#include "algorithms/linear_learner/model/artifact.h"
#include "base/error.h"

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  try {
    const clary::linear_learner::Model model(
        clary::linear_learner::from_archive({reinterpret_cast<const char*>(data), size}));
    clary::formats::Batch row;
    row.rows = 1, row.width = model.feature_dim();
    row.values.resize(static_cast<std::size_t>(row.width), 1.0f);
    model.predict(row, {});
  } catch (const clary::Error&) {  // NOLINT: the expected answer
  }
  return 0;
}
