// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/model.h"

namespace clary::image_classification {

void Model::check_finite(const shell::FiniteCheck& check) const {
  for (const nn::Parameter& p : parameters.list()) check.array(p.name, parameters.of(p));
}

}  // namespace clary::image_classification
