// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/blazingtext.h"

#include "algorithms/blazingtext/evaluate/evaluation.h"
#include "base/error.h"

namespace clary::blazingtext {

Model BlazingText::train(const Hyperparameters& hp, shell::TrainContext& context) {
  for (const char* name : {"train", "validation"})
    if (!hp.is_supervised() && context.has_channel(name) && context.channel(name).wraps_records())
      throw Error(Kind::kInvalid, std::string("channel ") + name +
                                      ": RecordWrapperType RecordIO (an augmented manifest) is for mode supervised");
  // Before the training: a bad list must not cost hours.
  if (hp.evaluates()) check_lists(context);
  return blazingtext::train(hp, context);
}

}  // namespace clary::blazingtext
