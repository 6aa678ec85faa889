// SPDX-License-Identifier: Apache-2.0
// The two sides of an artifact: model_algo-1, a zip in MXNet's layout whose names and shapes are a public contract, and
// the plain JSON that people read (README.md, "Artifact").
#pragma once

#include <string>
#include <string_view>

#include "algorithms/linear_learner/model/model.h"

namespace clary::linear_learner {

/// mx-mod-0000.params, mx-mod-symbol.json, manifest.json, additional-params.json, stored, in this order.
std::string to_archive(const StoredModel& model);

/// Archives of this program and of the real service. bias_lr_mult is not read back.
/// @throws Error{kMalformed} naming the member and the rule, Error{kLimit}
StoredModel from_archive(std::string_view bytes);

/// linear-learner-coefficients.json
std::string coefficients_json(const StoredModel& model, const TrainingRecord& record);
/// candidates.json
std::string candidates_json(const TrainingRecord& record);

}  // namespace clary::linear_learner
