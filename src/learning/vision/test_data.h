// SPDX-License-Identifier: Apache-2.0
// For tests: the pictures of testdata/, and how far two differ.
#pragma once

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "base/files.h"
#include "learning/vision/picture.h"
#include "support/paths.h"

namespace clary::vision::tests {

constexpr Size kSize{47, 61};  // of every picture in testdata/

inline std::string test_file(const std::string& name) {
  return read_file(clary::tests::source_folder() / "src/learning/vision/testdata" / name);
}

inline std::span<const std::byte> bytes_of(const std::string& text) { return std::as_bytes(std::span(text)); }

/// "resize_32_40" of that size: the file resize_32_40.rgb.raw, or .grey.raw.
inline Picture golden(const std::string& name, Size size, std::int64_t channels) {
  const std::string bytes = test_file(name + (channels == 3 ? ".rgb.raw" : ".grey.raw"));
  Picture out(size, channels);
  if (bytes.size() != out.size_bytes()) throw std::logic_error(name + " has another size");
  std::memcpy(out.row(0), bytes.data(), bytes.size());
  return out;
}

/// Calls f once for each instruction set that the kernels exist for here.
template <class F>
void for_each_target(F f) {
  const auto targets = hwy::SupportedTargets();
  for (auto left = targets; left != 0; left &= left - 1) {
    const auto target = left & -left;
    SCOPED_TRACE(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().DeInit();  // chosen anew at the next call
    f();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

/// The largest difference of two bytes; 256 when the pictures have not the same shape.
inline int distance(const Picture& a, const Picture& b) {
  if (a.height() != b.height() || a.width() != b.width() || a.channels() != b.channels()) return 256;
  int most = 0;
  for (std::size_t i = 0; i < a.size_bytes(); ++i) most = std::max(most, std::abs(a.row(0)[i] - b.row(0)[i]));
  return most;
}

}  // namespace clary::vision::tests
