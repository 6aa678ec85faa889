// SPDX-License-Identifier: Apache-2.0
// Files of torch.save() with a state_dict: a zip archive (PyTorch 1.6 and later) or a row of pickles (before), in which
// a pickle names the tensors and their numbers lie beside it. The pickle is read as data (pickle.h). Bytes may come
// from strangers.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "learning/artifact/tensor_file.h"

namespace clary::artifact {

/// The tensors of a state_dict, also below the key state_dict, model_state_dict or model. The prefix "module." of
/// DataParallel is left out.
/// @throws Error{kMalformed} naming the tensor and the rule: a whole pickled module or a TorchScript program, tensors
/// that are not contiguous
std::vector<TensorView> read_torch(std::span<const std::byte> bytes);

}  // namespace clary::artifact
