// SPDX-License-Identifier: Apache-2.0
// The validation pairs whose translations are compared with their targets at every checkpoint.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <vector>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/decode/translator.h"
#include "learning/numeric/team.h"

namespace clary::seq2seq {

class BleuSample {
 public:
  /// @param pairs  must outlive the object; @param size  pairs to take (all where there are not as many), drawn with
  /// Sockeye's fixed seed, so that the sample is the same at every checkpoint of every job; <= 0: all
  BleuSample(const Pairs& pairs, std::int64_t size);

  std::int64_t size() const { return static_cast<std::int64_t>(sources_.size()); }
  /// Of the words of the targets.
  double unknown_share() const;

  /// Corpus BLEU (evaluate/bleu.h) of the best hypotheses of beam search. Sentences are divided over the team; the
  /// result does not depend on how.
  /// @param gives_up  asked between groups of sentences, by any thread. @return nothing when it said so
  std::optional<double> score(const Translator& translator, std::int64_t beam_size, numeric::Team& team,
                              const std::function<bool()>& gives_up) const;

 private:
  std::vector<std::vector<std::int32_t>> sources_, targets_;  // by source length, for groups of equal work
};

}  // namespace clary::seq2seq
