// SPDX-License-Identifier: Apache-2.0
// What one thread does with a sentence, whatever the word2vec mode.
#pragma once

#include <cstdint>
#include <span>

#include "base/split_mix.h"

namespace clary::blazingtext {

class SentenceLearner {
 public:
  virtual ~SentenceLearner() = default;
  /// @param sentence  numbers of words; @param rate  the learning rate
  virtual void learn(std::span<const std::int32_t> sentence, float rate, SplitMix64& random) = 0;
  /// Learns what was put off; no sentence follows.
  virtual void finish() {}
};

}  // namespace clary::blazingtext
