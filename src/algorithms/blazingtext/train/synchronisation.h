// SPDX-License-Identifier: Apache-2.0
// batch_skipgram on several hosts: each learns its share of the text into weights of its own; after every slice the
// most frequent words' rows are combined, rarer ones every 2nd, 4th, ... time. Source: Ji et al., arXiv 1604.04661,
// section 4, and its code. Differs: slices end after so many words, not after 0.1 s, so that one thread a host stays
// repeatable; at the end all rows are combined; and a row moves by its hosts' moves m_h since it was last combined as
//
//     w += S * clamp(sum |m_h|^2 / |S|^2, 1 / hosts, 1),  S = sum m_h
//
// which is their mean where they agree (each host has learned the same) and their sum where they have nothing in
// common (each has learned something else). Always the mean, as in the paper, throws away half of what two hosts learn
// of rare words. The idea is that of Maleki et al., "Scaling Distributed Training with Adaptive Summation", arXiv
// 2006.02924; this form needs sums over the hosts only.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "algorithms/blazingtext/train/weights.h"
#include "learning/collective/collective.h"

namespace clary::blazingtext {

class Synchronisation {
 public:
  static constexpr std::int64_t kHotRows = 1024;
  /// Words a thread learns between two meetings: about 0.1 s, as in pWord2Vec.
  static constexpr std::int64_t kSliceTokens = 350'000;

  /// The hosts' weights must be the same.
  Synchronisation(collective::Collective& hosts, TrainingMatrix& input, TrainingMatrix& output)
      : hosts_(hosts), shared_{{input, input.values}, {output, output.values}} {}

  /// Rows of meeting number s (from 1): 1024 times the largest power of two that divides s, at most all.
  static std::int64_t rows_at(std::int64_t meeting, std::int64_t rows);

  struct State {
    bool finished = false;  // this host has learned its share; out: all have
    bool stopped = false;   // this host was asked to stop; out: any was
  };
  /// Combines rows; all hosts call it equally often. The last meeting combines all rows.
  State meet(State mine);

 private:
  struct Shared {
    TrainingMatrix& mine;
    numeric::UntouchedFloats last;  // every row as it was last combined
  };
  void combine(Shared& matrix, std::int64_t rows);

  collective::Collective& hosts_;
  Shared shared_[2];
  std::vector<float> squares_;  // of the moves of rows
  std::int64_t meetings_ = 0;
};

/// @throws Error{kInvalid} when the hosts have counted different words: the text must be FullyReplicated
void check_same_words(collective::Collective& hosts, std::uint64_t fingerprint);

}  // namespace clary::blazingtext
