// SPDX-License-Identifier: Apache-2.0
// Values computed by hand.
#include "algorithms/seq2seq/evaluate/bleu.h"

#include <gtest/gtest.h>

#include <cmath>

namespace clary::seq2seq {
namespace {

using Ids = std::vector<std::int32_t>;

double bleu(const Ids& hypothesis, const Ids& reference) {
  Bleu counts;
  counts.add(hypothesis, reference);
  return counts.score();
}

TEST(Bleu, OfEqualSentencesIsOne) { EXPECT_DOUBLE_EQ(bleu({4, 5, 6, 7, 8}, {4, 5, 6, 7, 8}), 1); }

TEST(Bleu, IsTheGeometricMeanOfFourPrecisions) {
  // Of 6, 5, 4, 3 n-grams 5, 3, 2, 1 match.
  EXPECT_NEAR(bleu({4, 5, 6, 7, 9, 8}, {4, 5, 6, 7, 8, 10}), std::pow(5.0 / 6 * 3 / 5 * 2 / 4 * 1 / 3, 0.25), 1e-12);
}

TEST(Bleu, CountsNoMoreMatchesThanTheReferenceHas) {
  // "the the the the the the the" beside "the cat is on the mat .": 2 of 7; the other orders have no match.
  EXPECT_NEAR(bleu({4, 4, 4, 4, 4, 4, 4}, {4, 5, 6, 7, 4, 8, 9}),
              std::pow(2.0 / 7 * 0.01 / 6 * 0.01 / 5 * 0.01 / 4, 0.25), 1e-12);
}

TEST(Bleu, LeavesOutOrdersThatNoHypothesisIsLongEnoughFor) {
  EXPECT_DOUBLE_EQ(bleu({4, 5}, {4, 5}), 1);
  EXPECT_NEAR(bleu({4, 5}, {4, 6}), std::sqrt(1.0 / 2 * 0.01), 1e-12);
}

TEST(Bleu, ShortHypothesesArePenalised) {
  EXPECT_NEAR(bleu({4, 5, 6, 7}, {4, 5, 6, 7, 8, 9}), std::exp(1 - 6.0 / 4), 1e-12);
  EXPECT_NEAR(bleu({4, 5, 6, 7, 8, 9}, {4, 5, 6, 7}), std::pow(4.0 / 6 * 3 / 5 * 2 / 4 * 1 / 3, 0.25), 1e-12);
}

TEST(Bleu, OfEmptyHypothesesIsZero) {
  EXPECT_EQ(bleu({}, {4, 5}), 0);
  EXPECT_EQ(Bleu().score(), 0);
}

TEST(Bleu, AddsUpOverTheCorpus) {
  Bleu one, other;
  one.add(Ids{4, 5, 6, 7, 8}, Ids{4, 5, 6, 7, 8});
  other.add(Ids{9, 4, 5}, Ids{4, 5, 9, 10});
  other.add({}, Ids{4});
  one += other;
  EXPECT_EQ(one.hypothesis_length(), 8);
  // Matches 8 of 8, 4 + 1 of 4 + 2, 3 + 0 of 3 + 1, 2 of 2; 8 words beside 10.
  EXPECT_NEAR(one.score(), std::pow(5.0 / 6 * 3 / 4, 0.25) * std::exp(1 - 10.0 / 8), 1e-12);
}

}  // namespace
}  // namespace clary::seq2seq
