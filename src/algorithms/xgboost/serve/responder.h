// SPDX-License-Identifier: Apache-2.0
// One request of the serving contract: body to rows, rows to scores, scores to the form that the tag, Accept, the batch
// transform and the selectable content ask for; statuses and texts are the published container's.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "algorithms/xgboost/serve/predictor.h"
#include "algorithms/xgboost/tag.h"
#include "learning/shell/serve_request.h"

namespace clary::xgboost {

struct ResponderOptions {
  Tag tag = kDefaultTag;
  std::string default_accept = "text/csv";  // SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT
  std::vector<std::string> keys;            // SAGEMAKER_INFERENCE_OUTPUT: selectable content; empty: scores
  bool batch = false;                       // SAGEMAKER_BATCH is set: one prediction a line
  bool ensemble = true;                     // SAGEMAKER_INFERENCE_ENSEMBLE
  bool rows_as_lines = false;               // CLARY_XGBOOST_CSV=lines: the newer CSV form also for tags up to 1.0
};
ResponderOptions responder_options_from_environment();

class Responder {
 public:
  /// @param boosters  outlive this
  Responder(std::span<Booster> boosters, ResponderOptions options);

  /// Thread-safe.
  shell::Answer answer(const shell::Invocation& invocation) const;

 private:
  shell::Answer predicted(const formats::Batch& rows, const std::string& accept) const;

  ResponderOptions options_;
  Predictor predictor_;
};

}  // namespace clary::xgboost
