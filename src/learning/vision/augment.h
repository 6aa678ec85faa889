// SPDX-License-Identifier: Apache-2.0
// Random changes of training pictures, as MXNet 1.3's src/io/image_aug_default.cc makes them: pure functions of a
// picture and of numbers that were drawn before.
#pragma once

namespace clary::vision {

enum class Augmentation { kNone, kCrop, kCropColor, kCropColorTransform };

}  // namespace clary::vision
