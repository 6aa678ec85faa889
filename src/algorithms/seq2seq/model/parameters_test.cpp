// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/model/parameters.h"

#include <gtest/gtest.h>

#include <cmath>

namespace clary::seq2seq {
namespace {

Architecture sized(std::int64_t source, std::int64_t target, std::int64_t hidden, std::int64_t layers) {
  Architecture a;
  a.source_vocabulary = source, a.target_vocabulary = target;
  a.rnn_hidden = a.attention_hidden = hidden;
  a.encoder_layers = a.decoder_layers = layers;
  return a;
}

std::int64_t learned(const Architecture& a) {
  std::int64_t out = 0;
  for (const Tensor& tensor : Parameters::tensors(a)) out += tensor.size;
  return out;
}

TEST(Seq2SeqParameters, CountsAreThoseOfSockeyesModels) {
  EXPECT_EQ(learned(sized(10'661, 15'980, 512, 1)), 28'139'628);
  EXPECT_EQ(learned(sized(10'661, 15'980, 1024, 1)), 51'011'692);
  EXPECT_EQ(learned(sized(50'004, 50'004, 1024, 1)), 123'450'196);
  EXPECT_EQ(learned(sized(50'004, 50'004, 1024, 4)), 192'711'508);
  EXPECT_EQ(Parameters(sized(20, 20, 16, 1)).learned(), learned(sized(20, 20, 16, 1)));
}

TEST(Seq2SeqParameters, DotAttentionProjectsOnlyWhereSizesDiffer) {
  Architecture a = sized(20, 20, 16, 1);
  a.attention = Attention::kDot;
  EXPECT_EQ(Parameters(a).find("attention.source.weight"), nullptr);
  a.attention_hidden = 8;
  EXPECT_NE(Parameters(a).find("attention.source.weight"), nullptr);
  EXPECT_NE(Parameters(a).find("attention.query.weight"), nullptr);
}

TEST(Seq2SeqParameters, RecurrentMatricesHaveOrthonormalColumnsTimes1414) {
  Parameters p(sized(20, 20, 16, 1));
  p.initialise({}, 7);
  const Tensor& tensor = p.tensor("decoder.l0.weight_hh");
  const std::span<const float> w = std::as_const(p).of(tensor);
  const auto columns = static_cast<std::size_t>(tensor.shape[1]);
  for (std::size_t i = 0; i < columns; ++i)
    for (std::size_t j = 0; j < columns; ++j) {
      double dot = 0;
      for (std::size_t r = 0; r < w.size() / columns; ++r)
        dot += static_cast<double>(w[r * columns + i]) * static_cast<double>(w[r * columns + j]);
      EXPECT_NEAR(dot, i == j ? 1.414 * 1.414 : 0.0, 1e-5);
    }
}

TEST(Seq2SeqParameters, XavierBoundsByTheFactorAndSeedsRepeat) {
  Parameters p(sized(300, 20, 16, 1)), again(sized(300, 20, 16, 1));
  p.initialise({.factor = XavierFactor::kOut, .scale = 3}, 7);
  again.initialise({.factor = XavierFactor::kOut, .scale = 3}, 7);
  const double bound = std::sqrt(3.0 / 300);
  double largest = 0;
  for (const float x : std::as_const(p).of("source_embed.weight")) largest = std::max(largest, std::abs(double{x}));
  EXPECT_LE(largest, bound);
  EXPECT_GT(largest, 0.95 * bound);
  EXPECT_TRUE(std::equal(p.values().begin(), p.values().end(), again.values().begin()));
}

}  // namespace
}  // namespace clary::seq2seq
