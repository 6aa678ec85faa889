// SPDX-License-Identifier: Apache-2.0
// What a model file says of how it was trained: the `args` block of fastText's binary files, member for member.
#pragma once

#include <cstdint>

#include "algorithms/blazingtext/hyperparameters.h"

namespace clary::blazingtext {

/// Values as in the file.
enum class Architecture : std::int32_t { kCbow = 1, kSkipgram = 2, kSupervised = 3 };

struct Settings {
  std::int32_t dim = 100, window_size = 5, epochs = 5, min_count = 5, negative_samples = 5, word_ngrams = 1;
  Loss loss = Loss::kNegativeSampling;
  Architecture architecture = Architecture::kSkipgram;
  std::int32_t buckets = 0;            // hashed rows after the words'; 0 without n-grams
  std::int32_t min_char = 0;           // minn
  std::int32_t max_char = 0;           // maxn; 0 without character n-grams
  std::int32_t update_rate = 100;      // lrUpdateRate: fastText's default
  double sampling_threshold = 0.0001;  // t

  bool is_supervised() const { return architecture == Architecture::kSupervised; }
  bool operator==(const Settings&) const = default;
};

/// batch_skipgram is written as skipgram, which it is to every reader. Buckets and n-gram lengths are 0 unless used.
Settings settings_of(const Hyperparameters& hp);

}  // namespace clary::blazingtext
