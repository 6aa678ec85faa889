// SPDX-License-Identifier: Apache-2.0
// The convolutional encoder and decoder, each by itself: gradients beside central differences of a random weighting of
// its outputs, and what padding, batch mates, threads and dropout may change.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "algorithms/seq2seq/network/parts.h"
#include "algorithms/seq2seq/network/testing_batches.h"
#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using testing_batches::Lengths;

Architecture tiny(ConvActivation activation) {
  Architecture a;
  a.encoder = a.decoder = NetworkType::kCnn;
  a.source_vocabulary = 11, a.target_vocabulary = 13;
  a.num_embed_source = 5, a.num_embed_target = 3;
  a.cnn_hidden = 6;
  a.encoder_layers = a.decoder_layers = 2;
  a.max_seq_len_source = 7, a.max_seq_len_target = 9;
  a.activation = activation;
  return a;
}

const std::vector<Lengths> kLengths{{4, 3}, {1, 6}, {6, 1}};

/// Both parts over one batch.
struct Halves {
  Halves(const Architecture& architecture, const Dropout& dropout, int threads, std::span<const Lengths> lengths)
      : a(architecture),
        parameters(testing_batches::random_parameters(a, 1)),
        batch(testing_batches::random_batch(a, lengths, 2)),
        team(threads),
        encoder(make_cnn_encoder(a, dropout)),
        decoder(make_cnn_decoder(a, dropout)) {
    weighting = weights(batch.target_steps, batch.target_length);
  }

  /// Random numbers for rows of words, zero for padding.
  std::vector<float> weights(std::int64_t steps, std::span<const std::int32_t> lengths) const {
    std::vector<float> out = testing_batches::normal(at(steps * batch.rows * a.cnn_hidden), 3);
    for (std::int64_t i = 0; i < static_cast<std::int64_t>(out.size()); ++i) {
      const std::int64_t row = i / a.cnn_hidden;
      if (row / batch.rows >= lengths[at(row % batch.rows)]) out[at(i)] = 0;
    }
    return out;
  }

  Pass pass() { return {parameters, batch, team, true, 77}; }

  std::vector<float> features() {
    const auto out = decoder->forward(pass(), encoder->forward(pass()));
    return {out.begin(), out.end()};
  }
  double loss() {
    const std::vector<float> out = features();
    double sum = 0;
    for (std::size_t i = 0; i < out.size(); ++i) sum += double{out[i]} * double{weighting[i]};
    return sum;
  }
  std::vector<float> gradients() {
    std::vector<float> out(parameters.values().size(), 7.0F);  // what nobody overwrites is found below
    const auto encoded = encoder->forward(pass());
    decoder->forward(pass(), encoded);
    std::vector<float> encoded_gradient(encoded.size(), 7.0F);
    decoder->backward(pass(), encoded, weighting, out, encoded_gradient);
    encoder->backward(pass(), encoded_gradient, out);
    return out;
  }

  Architecture a;
  Parameters parameters;
  Batch batch;
  numeric::Team team;
  std::unique_ptr<Encoder> encoder;
  std::unique_ptr<Decoder> decoder;
  std::vector<float> weighting;  // of the decoder's features
};

/// Gradients by `halves`, differences by `one`: the same on one thread, which does not wait for others.
void expect_central_differences(Halves& halves, Halves& one) {
  const std::vector<float> gradients = halves.gradients();
  const double middle = one.loss();
  for (const Tensor& tensor : one.parameters.list()) {
    if (tensor.name.starts_with("output.")) continue;  // not of these parts
    for (std::int64_t i = 0; i < tensor.size; ++i) {
      float& w = one.parameters.of(tensor)[at(i)];
      const float before = w, h = 2e-3F;
      w = before + h;
      const double above = (one.loss() - middle) / double{h};
      w = before - h;
      const double below = (middle - one.loss()) / double{h};
      w = before;
      const double slope = (above + below) / 2;
      const bool kink = one.a.activation == ConvActivation::kRelu && std::abs(above - below) > 0.05;
      if (kink) continue;
      EXPECT_NEAR(gradients[at(tensor.offset + i)], slope, 4e-3 * (1 + std::abs(slope)))
          << tensor.name << '[' << i << ']';
    }
  }
}

void expect_central_differences(const Architecture& a, const Dropout& dropout, int threads) {
  Halves halves(a, dropout, threads, kLengths), one(a, dropout, 1, kLengths);
  expect_central_differences(halves, one);
}

class CnnActivations : public ::testing::TestWithParam<ConvActivation> {};

TEST_P(CnnActivations, GradientsMatchCentralDifferences) { expect_central_differences(tiny(GetParam()), {}, 2); }

TEST_P(CnnActivations, GradientsMatchCentralDifferencesWithDropout) {
  expect_central_differences(tiny(GetParam()), {.embed_source = 0.2, .embed_target = 0.3, .cnn_hidden = 0.25}, 3);
}

INSTANTIATE_TEST_SUITE_P(Seq2Seq, CnnActivations,
                         ::testing::Values(ConvActivation::kGlu, ConvActivation::kRelu, ConvActivation::kSoftRelu,
                                           ConvActivation::kSigmoid, ConvActivation::kTanh));

TEST(Seq2SeqCnn, KernelsWiderThanTheSequencesHaveRightGradients) {
  Architecture a = tiny(ConvActivation::kGlu);
  a.kernel_width_encoder = 9, a.kernel_width_decoder = 8;
  a.encoder_layers = a.decoder_layers = 1;
  expect_central_differences(a, {}, 2);
}

TEST(Seq2SeqCnn, KernelsOfWidthOneHaveRightGradients) {
  Architecture a = tiny(ConvActivation::kTanh);
  a.kernel_width_encoder = a.kernel_width_decoder = 1;
  expect_central_differences(a, {}, 1);
}

/// Features of pair `pair` alone, step after step.
std::vector<float> of_pair(const std::vector<float>& features, const Halves& halves, std::int64_t pair) {
  std::vector<float> out;
  for (std::int64_t t = 0; t < halves.batch.target_length[at(pair)]; ++t) {
    const auto row = features.begin() + (t * halves.batch.rows + pair) * halves.a.cnn_hidden;
    out.insert(out.end(), row, row + halves.a.cnn_hidden);
  }
  return out;
}

TEST(Seq2SeqCnn, PairsDoNotSeeTheirBatchMates) {
  Halves together(tiny(ConvActivation::kGlu), {}, 2, kLengths);
  const std::vector<float> all = together.features();
  for (std::size_t pair = 0; pair < kLengths.size(); ++pair) {
    Halves alone(tiny(ConvActivation::kGlu), {}, 2, std::span(kLengths).subspan(pair, 1));
    std::vector<std::int32_t> source, input;
    for (std::int64_t t = 0; t < alone.batch.source_steps; ++t)
      source.push_back(together.batch.source[at(t) * kLengths.size() + pair]);
    for (std::int64_t t = 0; t < alone.batch.target_steps; ++t)
      input.push_back(together.batch.input[at(t) * kLengths.size() + pair]);
    alone.batch.source = source, alone.batch.input = input;
    const std::vector<float> one = alone.features(), same = of_pair(all, together, static_cast<std::int64_t>(pair));
    ASSERT_EQ(one.size(), same.size());
    for (std::size_t i = 0; i < one.size(); ++i) EXPECT_NEAR(one[i], same[i], 1e-5);
  }
}

TEST(Seq2SeqCnn, TheDecoderDoesNotSeeTheFuture) {
  Halves halves(tiny(ConvActivation::kGlu), {}, 1, kLengths);
  const std::vector<float> before = halves.features();
  const std::int64_t changed = 4;
  for (std::int64_t b = 0; b < halves.batch.rows; ++b)
    halves.batch.input[at(changed * halves.batch.rows + b)] = kUnknown;
  const std::vector<float> after = halves.features();
  const auto border = static_cast<std::ptrdiff_t>(changed * halves.batch.rows * halves.a.cnn_hidden);
  EXPECT_TRUE(std::equal(before.begin(), before.begin() + border, after.begin()));
  EXPECT_FALSE(std::equal(before.begin() + border, before.end(), after.begin() + border));
}

TEST(Seq2SeqCnn, ThreadsChangeRoundingAlone) {
  const Dropout dropout{.embed_source = 0.1, .embed_target = 0.1, .cnn_hidden = 0.2};
  Halves one(tiny(ConvActivation::kGlu), dropout, 1, kLengths);
  const std::vector<float> reference = one.gradients();
  for (const int threads : {2, 3, 5}) {
    Halves many(tiny(ConvActivation::kGlu), dropout, threads, kLengths);
    const std::vector<float> gradients = many.gradients();
    EXPECT_EQ(gradients, many.gradients()) << threads;
    for (std::size_t i = 0; i < gradients.size(); ++i) EXPECT_NEAR(gradients[i], reference[i], 2e-5);
  }
}

TEST(Seq2SeqCnn, MoreStepsThanPositionsAreRefused) {
  Architecture a = tiny(ConvActivation::kGlu);
  a.max_seq_len_source = 5;
  Halves halves(a, {}, 1, kLengths);
  EXPECT_THROW(halves.features(), Error);
}

}  // namespace
}  // namespace clary::seq2seq
