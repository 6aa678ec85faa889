// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/output_layer.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <vector>

#include "algorithms/seq2seq/data/pairs.h"
#include "base/error.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

struct Layer {
  Architecture architecture;
  Parameters parameters;

  explicit Layer(std::int64_t words) {
    architecture.source_vocabulary = 5, architecture.target_vocabulary = words;
    architecture.num_embed_source = architecture.num_embed_target = 2;
    architecture.rnn_hidden = 4, architecture.attention_hidden = 2;
    parameters = Parameters(architecture);
    std::mt19937 random(1);
    std::normal_distribution<float> draw(0, 2);
    for (const char* name : {"output.weight", "output.bias"})
      for (float& x : parameters.of(*parameters.find(name))) x = draw(random);
  }
  OutputLayer packed(std::vector<std::int32_t> never = {}) const {
    return {{architecture, parameters, nn::WeightPrecision::kFloat32}, never};
  }
  /// All words but `never`, sorted.
  std::vector<WordCost> ranked(const float* features, const std::vector<std::int32_t>& never) const {
    std::vector<double> logits;
    double sum = 0;
    for (std::int64_t w = 0; w < architecture.target_vocabulary; ++w) {
      logits.push_back(parameters.of("output.bias")[at(w)]);
      for (std::int64_t i = 0; i < 4; ++i)
        logits.back() += double{parameters.of("output.weight")[at(w * 4 + i)]} * features[i];
      sum += std::exp(logits.back());
    }
    std::vector<WordCost> out;
    for (std::size_t w = 0; w < logits.size(); ++w)
      if (std::find(never.begin(), never.end(), static_cast<std::int32_t>(w)) == never.end())
        out.push_back({std::log(sum) - logits[w], static_cast<std::int32_t>(w)});
    std::sort(out.begin(), out.end(), [](const WordCost& a, const WordCost& b) { return a.cost < b.cost; });
    return out;
  }
};

TEST(OutputLayer, FindsTheMostProbableWordsOfAnyVocabulary) {
  const std::vector<float> features{0.3F, -0.8F, 0.5F, 0.9F, -0.2F, 0.1F, 0.7F, -0.6F};
  for (const std::int64_t words : {6, 63, 64, 65, 200, 1000, 2047}) {
    const Layer layer(words);
    const OutputLayer output = layer.packed();
    EXPECT_EQ(output.choices(), words - 2);
    for (const std::int64_t k : {std::int64_t{1}, std::int64_t{4}, std::min<std::int64_t>(words - 2, 90)}) {
      std::vector<WordCost> found;
      output.best(2, features, k, found);
      ASSERT_EQ(found.size(), at(2 * k));
      for (std::int64_t r = 0; r < 2; ++r) {
        const std::vector<WordCost> expected = layer.ranked(features.data() + r * 4, {kPad, kBegin});
        for (std::int64_t i = 0; i < k; ++i) {
          EXPECT_EQ(found[at(r * k + i)].word, expected[at(i)].word) << words << " words, rank " << i;
          EXPECT_NEAR(found[at(r * k + i)].cost, expected[at(i)].cost, 1e-5);
        }
      }
    }
  }
}

TEST(OutputLayer, LeavesOutWordsThatAreNeverChosen) {
  const Layer layer(300);
  const std::vector<float> features{1, 1, -1, 0.5F};
  const std::vector<WordCost> all = layer.ranked(features.data(), {});
  std::vector<std::int32_t> never{kPad, kBegin, 299, 299, 1000, -4};
  for (int i = 0; i < 20; ++i) never.push_back(all[at(i)].word);  // the best of all
  const OutputLayer output = layer.packed(never);
  std::vector<WordCost> found;
  output.best(1, features, 5, found);
  const std::vector<WordCost> expected = layer.ranked(features.data(), never);
  for (std::size_t i = 0; i < 5; ++i) {
    EXPECT_EQ(found[i].word, expected[i].word);
    EXPECT_NEAR(found[i].cost, expected[i].cost, 1e-5);  // the probability is that of the whole vocabulary
  }
}

/// Probabilities as a trained model has them: a few words, and a long tail. Large enough to be screened in 8 bits.
TEST(OutputLayer, ScreeningKeepsWordsAndCosts) {
  Layer layer(6000);
  std::mt19937 random(3);
  std::normal_distribution<float> draw(0, 1);
  for (float& x : layer.parameters.of(*layer.parameters.find("output.bias"))) x = 0.1F * draw(random);
  const std::vector<std::int32_t> never{kPad, kBegin, 5000};
  const OutputLayer output = layer.packed(never);
  for (const std::int64_t k : {1, 5, 64, 300}) {
    for (int n = 0; n < 10; ++n) {
      std::vector<float> features(4);
      for (float& x : features) x = 1.5F * draw(random);
      const std::vector<WordCost> expected = layer.ranked(features.data(), never);
      std::vector<WordCost> found;
      output.best(1, features, k, found);
      for (std::size_t i = 0; i < at(k); ++i) {
        ASSERT_EQ(found[i].word, expected[i].word) << "rank " << i << " of " << k;
        ASSERT_NEAR(found[i].cost, expected[i].cost, 1e-3);
      }
    }
  }
}

TEST(OutputLayer, GivesWordsOfInfiniteCostWhereNumbersOverflow) {
  for (const std::int64_t words : {90, 6000}) {
    Layer layer(words);
    for (float& x : layer.parameters.of(*layer.parameters.find("output.weight"))) x = 3e38F;
    std::vector<WordCost> found;
    layer.packed().best(1, std::vector<float>{9, 9, -9, -9}, 3, found);
    ASSERT_EQ(found.size(), 3U);
    for (const WordCost& word : found) EXPECT_TRUE(std::isinf(word.cost) && word.word != kPad && word.word != kBegin);
  }
}

TEST(OutputLayer, EqualWordsComeByRisingId) {
  Layer layer(400);
  for (const char* name : {"output.weight", "output.bias"}) {
    const auto values = layer.parameters.of(*layer.parameters.find(name));
    std::fill(values.begin(), values.end(), 0.0F);
  }
  std::vector<WordCost> found;
  layer.packed({kUnknown}).best(1, std::vector<float>(4, 1.0F), 6, found);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(found[i].word, static_cast<std::int32_t>(i) + 3);
    EXPECT_NEAR(found[i].cost, std::log(400), 1e-6);
  }
}

TEST(OutputLayer, RefusesAVocabularyWithoutAWord) {
  const Layer layer(5);
  EXPECT_THROW(layer.packed({1, 3, 4}), Error);
}

}  // namespace
}  // namespace clary::seq2seq
