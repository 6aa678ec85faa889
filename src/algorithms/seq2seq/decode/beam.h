// SPDX-License-Identifier: Apache-2.0
// The hypotheses of one sentence and the rules by which they are chosen (README.md, "Decoding"); no network here.
// Scores are sums of -ln p over the hypothesis's length l, that is divided by the length penalty
// ((beta + l) / (beta + 1))^alpha of Wu et al., "Google's neural machine translation system", 2016, eq. 14, with alpha
// 1 and beta 0. Internal to decode/.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "algorithms/seq2seq/decode/output_layer.h"

namespace clary::seq2seq {

class Beam {
 public:
  /// @param width   hypotheses that are kept
  /// @param steps   words, the end included, after which the search stops
  /// @param positions  of the source, for attention rows; 0: none are kept
  Beam(std::int64_t width, std::int64_t steps, std::int64_t positions);

  /// Hypotheses that are not finished, in the beam's order: those that the next step extends. At first one, empty.
  struct Open {
    std::int32_t parent;  // which of the open ones before the last advance() it continues
    std::int32_t word;    // its last; kBegin at first
  };
  const std::vector<Open>& open() const { return open_; }
  /// No hypothesis is open, or the length limit is reached.
  bool done() const { return open_.empty() || step_ == steps_; }

  /// One step. Candidates are all extensions and every finished hypothesis; the `width` best stay: lower score first,
  /// then lower hypothesis, then lower word.
  /// @param extensions  [open, k]: for each open hypothesis its k cheapest words, k >= width or all there are
  void advance(std::span<const WordCost> extensions, std::int64_t k);
  /// Attention weights of an open hypothesis in the step that advance() comes next with; in order.
  void add_attention(const float* weights);

  struct Result {
    std::vector<std::int32_t> ids;  // without kEnd
    double cost = 0;                // sum of -ln p
    std::int64_t length = 0;        // words, the end included
    std::vector<float> attention;   // [ids, positions]
    double score() const { return cost / static_cast<double>(length); }
  };
  /// The hypotheses so far, best first.
  std::vector<Result> results(std::int64_t count) const;

 private:
  struct Hypothesis {
    double cost = 0;
    std::int64_t length = 0;
    std::int32_t node = -1;  // its last word; -1: none
    bool finished = false;
  };
  struct Node {
    std::int32_t before, word;
    std::int64_t attention;  // row of attention_
  };
  struct Candidate {
    double score, cost;
    std::int32_t hypothesis, word, open;  // open: number among the open ones; -1: it was finished
  };

  void keep(const std::vector<Candidate>& best);

  std::int64_t width_, steps_, positions_, step_ = 0;
  std::vector<Hypothesis> hypotheses_;
  std::vector<Open> open_;
  std::vector<Node> nodes_;
  std::vector<float> attention_;  // [.., positions]: a row per open hypothesis and step
  std::int64_t attention_rows_ = 0;
};

}  // namespace clary::seq2seq
