// SPDX-License-Identifier: Apache-2.0
// libjpeg-turbo behind an object: windows, CMYK, errors as exceptions. Internal to vision.
#pragma once

#include <cstddef>
#include <memory>
#include <span>

#include "learning/vision/picture.h"

namespace clary::vision {

class JpegReader {
 public:
  JpegReader();
  ~JpegReader();

  /// @throws Error{kMalformed}
  Size open(std::span<const std::byte> bytes, std::int64_t channels);
  /// @throws Error{kMalformed, kLimit}
  void read(const Window& wanted, Picture& out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace clary::vision
