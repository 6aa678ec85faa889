// SPDX-License-Identifier: Apache-2.0
// Bytes of model files: what each image tag wrote, and everything that users bring. Tags up to 1.2 hold a Python pickle
// of xgboost.core.Booster; it is written by hand, and read by looking for its `handle` bytes among its opcodes, never
// by executing it. Later tags hold what the library saves.
#pragma once

#include <string>
#include <string_view>

#include "algorithms/xgboost/library/library.h"
#include "algorithms/xgboost/model/booster_pickle.h"
#include "algorithms/xgboost/tag.h"

namespace clary::xgboost {

enum class ModelFile { kPickle, kBinary, kUbj, kJson };

/// What the image of the user's choice writes, unless CLARY_XGBOOST_MODEL_FORMAT
/// says pickle, binary, ubj or json. @throws Error{kInvalid} for another value
ModelFile model_file_of(Tag tag);

/// The bytes of `xgboost-model`.
std::string write_model(const Booster& booster, ModelFile form);

/// Attribute of a model whose base_score differs by class, as XGBoost writes it since 3.1: comma-separated numbers, one
/// a class, to be given to each row as its base margin. The library before 3.1 holds one number only.
inline constexpr const char* kBaseMarginsAttribute = "clary_base_margins";

/// The bytes of a model file of any kind and age. @throws Error{kMalformed} in one line: what is wrong with the file,
/// and which versions of XGBoost wrote and read it; the library's own text goes to standard error
Booster read_model(std::string_view bytes);

}  // namespace clary::xgboost
