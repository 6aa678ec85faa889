// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/trainer.h"
#include "base/error.h"

namespace clary::blazingtext {

Model train_classifier(const TrainingJob&) {
  throw Error(Kind::kInvalid, "mode: this version has no supervised training yet; it has skipgram and cbow");
}

}  // namespace clary::blazingtext
