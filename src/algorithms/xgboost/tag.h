// SPDX-License-Identifier: Apache-2.0
// The version that an image tag stands for. Training is the same for all of them; accepted hyperparameters, the model
// file's form, the joining of CSV answers and the digits of the log follow the tag that the user asked for.
#pragma once

#include "contract/image.h"
#include "learning/hyper/field_spec.h"

namespace clary::xgboost {

/// "1.0-1-cpu-py3" is {1, 0}; the closed container "xgboost:1" and "xgboost:latest" is kClosedTag.
using Tag = hyper::Version;

inline constexpr Tag kOldest{0, 0}, kClosedTag{0, 72}, kDefaultTag{1, 7};

/// No tag, or one that is not a version: kDefaultTag.
Tag tag_of(const contract::ImageName& image);
inline Tag tag_from_environment() { return tag_of(contract::image_from_environment()); }

}  // namespace clary::xgboost
