// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/blazingtext.h"

#include "algorithms/blazingtext/evaluate/evaluation.h"
#include "base/error.h"

namespace clary::blazingtext {

Model BlazingText::train(const Hyperparameters& hyperparameters, shell::TrainContext& context) {
  for (const char* name : {"train", "validation"})
    if (!hyperparameters.is_supervised() && context.has_channel(name) && context.channel(name).wraps_records())
      throw Error(Kind::kInvalid, std::string("channel ") + name +
                                      ": RecordWrapperType RecordIO (an augmented manifest) is for mode supervised");
  if (hyperparameters.evaluates()) check_lists(context);
  return blazingtext::train(hyperparameters, context);
}

}  // namespace clary::blazingtext
