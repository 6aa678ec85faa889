// SPDX-License-Identifier: Apache-2.0
// Gradients of recurrent networks beside central differences of their loss, and what a network promises beside that.
#include "algorithms/seq2seq/network/network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

Architecture tiny(Cell cell = Cell::kGru) {
  Architecture a;
  a.source_vocabulary = 9, a.target_vocabulary = 11;
  a.num_embed_source = 5, a.num_embed_target = 6;
  a.cell = cell, a.rnn_hidden = 8, a.attention_hidden = 7;
  return a;
}

Batch batch_of(std::initializer_list<std::pair<int, int>> lengths, const Architecture& a) {
  numeric::PhiloxStream random(5, 0);
  Pairs pairs;
  const auto draw = [&](int length, std::int64_t vocabulary) {
    std::vector<std::int32_t> ids(static_cast<std::size_t>(length));
    for (std::int32_t& id : ids)
      id = kFirstWord + static_cast<std::int32_t>(random.below(static_cast<std::uint64_t>(vocabulary - kFirstWord)));
    return ids;
  };
  for (const auto& [source, target] : lengths) {
    pairs.source.add(draw(source, a.source_vocabulary));
    pairs.target.add(draw(target, a.target_vocabulary));
  }
  std::vector<std::int64_t> all(at(pairs.size()));
  std::iota(all.begin(), all.end(), std::int64_t{0});
  Batch batch;
  batch.assign(pairs, all);
  return batch;
}

Parameters initial(const Architecture& a) {
  Parameters parameters(a);
  parameters.initialise({}, 3);
  numeric::PhiloxStream random(4, 0);  // biases that are not zero
  for (const Tensor& tensor : parameters.list())
    if (tensor.start == Start::kZero)
      for (float& x : parameters.of(tensor)) x = static_cast<float>(random.below(1000)) / 2500.0F - 0.2F;
  return parameters;
}

double loss(const Score& score) { return score.nats / static_cast<double>(score.labels); }

/// Each parameter's slope beside central differences. The loss is a mean of float32 sums: the slope's error is that of
/// the loss, some 1e-6, over the step's width.
void expect_gradients(const Architecture& a, const Dropout& dropout = {}, int threads = 1) {
  numeric::Team team(threads);
  Network network(a, dropout, team);
  Parameters parameters = initial(a);
  const Batch batch = batch_of({{3, 4}, {1, 1}, {5, 2}, {4, 6}, {2, 2}}, a);
  numeric::Floats gradients(parameters.values().size(), 7.0F), unused(gradients.size());
  const Score score = network.train(parameters, batch, 1, gradients);
  ASSERT_EQ(score.labels, batch.label_count);
  const float step = 0.01F;
  for (const Tensor& tensor : parameters.list()) {
    const std::span<float> values = parameters.of(tensor);
    for (std::int64_t i = 0; i < tensor.size; i += std::max<std::int64_t>(1, tensor.size / 17)) {
      float& x = values[at(i)];
      const float before = x;
      x = before + step;
      const double high = loss(network.train(parameters, batch, 1, unused));
      x = before - step;
      const double low = loss(network.train(parameters, batch, 1, unused));
      x = before;
      const double slope = (high - low) / (2 * static_cast<double>(step));
      ASSERT_NEAR(gradients[at(tensor.offset + i)], slope, 2e-4 + 0.005 * std::abs(slope)) << tensor.name << " " << i;
    }
    for (std::int64_t i = tensor.size; i < numeric::padded(tensor.size); ++i)
      ASSERT_EQ(gradients[at(tensor.offset + i)], 0) << "padding of " << tensor.name;
  }
}

struct Case {
  const char* name;
  void (*change)(Architecture&);
};

class RecurrentNetwork : public testing::TestWithParam<std::tuple<Cell, Case>> {};

TEST_P(RecurrentNetwork, GradientsMatchCentralDifferences) {
  const auto& [cell, change] = GetParam();
  Architecture a = tiny(cell);
  change.change(a);
  expect_gradients(a);
}

const Case kCases[] = {
    {"mlp", [](Architecture&) {}},
    {"dot", [](Architecture& a) { a.attention = Attention::kDot; }},
    {"dot_without_projection", [](Architecture& a) { a.attention = Attention::kDot, a.attention_hidden = 8; }},
    {"bilinear", [](Architecture& a) { a.attention = Attention::kBilinear; }},
    {"fixed", [](Architecture& a) { a.attention = Attention::kFixed; }},
    {"init_avg", [](Architecture& a) { a.state_init = StateInit::kAvg; }},
    {"init_zero", [](Architecture& a) { a.state_init = StateInit::kZero; }},
    {"deep_upper_attention", [](Architecture& a) { a.encoder_layers = 3, a.decoder_layers = 3; }},
    {"deep_residual_upper_attention",
     [](Architecture& a) {
       a.encoder_layers = 3, a.decoder_layers = 3, a.residual = true, a.first_residual_layer = 3;
     }},
    {"deep_residual",
     [](Architecture& a) {
       a.encoder_layers = 2, a.decoder_layers = 3, a.residual = true, a.attention_in_upper_layers = false;
     }},
};

INSTANTIATE_TEST_SUITE_P(All, RecurrentNetwork,
                         testing::Combine(testing::Values(Cell::kLstm, Cell::kGru), testing::ValuesIn(kCases)),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param) == Cell::kLstm ? "lstm_" : "gru_") +
                                  std::get<1>(param.param).name;
                         });

TEST(NetworkDropout, GradientsMatchCentralDifferencesOfTheSameChoice) {
  expect_gradients(tiny(), {.embed_source = 0.3, .embed_target = 0.3, .decoder_hidden = 0.3});
}

TEST(NetworkDropout, SeedDecidesAndEvaluationDropsNothing) {
  const Architecture a = tiny();
  numeric::Team team(1);
  Network dropping(a, {.embed_source = 0.3, .embed_target = 0.3, .decoder_hidden = 0.3}, team), plain(a, {}, team);
  const Parameters parameters = initial(a);
  const Batch batch = batch_of({{3, 4}, {5, 2}}, a);
  numeric::Floats gradients(parameters.values().size());
  const double one = dropping.train(parameters, batch, 1, gradients).nats;
  EXPECT_EQ(dropping.train(parameters, batch, 1, gradients).nats, one);
  EXPECT_NE(dropping.train(parameters, batch, 2, gradients).nats, one);
  EXPECT_EQ(dropping.evaluate(parameters, batch).nats, plain.train(parameters, batch, 1, gradients).nats);
}

// Threads divide pairs, positions and columns in other ways; a network is the same one for any number of them.
TEST(Network, ResultIsTheSameForAnyNumberOfThreadsButForRounding) {
  Architecture a = tiny(Cell::kLstm);
  a.encoder_layers = a.decoder_layers = 2;
  const Dropout dropout{.embed_source = 0.2, .embed_target = 0.2, .decoder_hidden = 0.2};
  const Parameters parameters = initial(a);
  Batch batch;
  {
    Pairs pairs;
    std::vector<std::int64_t> which;
    numeric::PhiloxStream random(8, 0);
    for (std::int64_t i = 0; i < 45; ++i) {
      std::vector<std::int32_t> ids(1 + random.below(12), kFirstWord + static_cast<std::int32_t>(i % 4));
      pairs.source.add(ids);
      ids.resize(1 + random.below(12), kFirstWord);
      pairs.target.add(ids);
      which.push_back(i);
    }
    batch.assign(pairs, which);
  }
  std::vector<numeric::Floats> gradients;
  std::vector<double> nats;
  for (const int threads : {1, 2, 3, 5}) {
    numeric::Team team(threads);
    Network network(a, dropout, team);
    gradients.emplace_back(parameters.values().size());
    nats.push_back(network.train(parameters, batch, 9, gradients.back()).nats);
    numeric::Floats again(parameters.values().size());
    EXPECT_EQ(network.train(parameters, batch, 9, again).nats, nats.back());
    EXPECT_EQ(again, gradients.back());
  }
  for (std::size_t i = 1; i < nats.size(); ++i) {
    EXPECT_NEAR(nats[i], nats[0], 1e-5 * nats[0]);
    for (std::size_t j = 0; j < gradients[0].size(); ++j) ASSERT_NEAR(gradients[i][j], gradients[0][j], 1e-5);
  }
}

// A pair's loss is its own: padding that longer pairs of the batch bring changes nothing.
TEST(Network, LossOfABatchIsTheSumOverItsPairs) {
  for (const Cell cell : {Cell::kLstm, Cell::kGru}) {
    const Architecture a = tiny(cell);
    numeric::Team team(2);
    Network network(a, {}, team);
    const Parameters parameters = initial(a);
    Score sum;
    Pairs pairs;
    pairs.source.add(std::vector<std::int32_t>{4, 5, 6}), pairs.target.add(std::vector<std::int32_t>{7});
    pairs.source.add(std::vector<std::int32_t>{8}), pairs.target.add(std::vector<std::int32_t>{4, 5, 6, 10, 4});
    Batch batch;
    for (const std::int64_t pair : {0, 1}) {
      batch.assign(pairs, std::vector<std::int64_t>{pair});
      sum += network.evaluate(parameters, batch);
    }
    batch.assign(pairs, std::vector<std::int64_t>{0, 1});
    const Score both = network.evaluate(parameters, batch);
    EXPECT_NEAR(both.nats, sum.nats, 1e-5);
    EXPECT_EQ(both.labels, sum.labels);
    EXPECT_EQ(both.correct, sum.correct);
  }
}

// More labels than a slice of logits has: gradients of the slices add up.
TEST(Network, GradientIsThatOfTheMeanOverAllLabels) {
  const Architecture a = tiny();
  numeric::Team team(2);
  Network network(a, {}, team);
  const Parameters parameters = initial(a);
  Pairs pairs;
  numeric::PhiloxStream random(2, 0);
  for (std::int64_t i = 0; i < 80; ++i) {
    std::vector<std::int32_t> ids(1 + random.below(20));
    for (std::int32_t& id : ids) id = kFirstWord + static_cast<std::int32_t>(random.below(5));
    pairs.source.add(ids);
    ids.resize(ids.size() / 2 + 5, kFirstWord);
    pairs.target.add(ids);
  }
  Batch batch;
  const auto gradients_of = [&](std::int64_t begin, std::int64_t end) {
    std::vector<std::int64_t> which(at(end - begin));
    std::iota(which.begin(), which.end(), begin);
    batch.assign(pairs, which);
    numeric::Floats out(parameters.values().size());
    network.train(parameters, batch, 1, out);
    for (float& x : out) x *= static_cast<float>(batch.label_count);
    return out;
  };
  const numeric::Floats whole = gradients_of(0, 80);
  ASSERT_GT(batch.label_count, 600);
  numeric::Floats sum = gradients_of(0, 30);
  const numeric::Floats rest = gradients_of(30, 80);
  for (std::size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(whole[i], sum[i] + rest[i], 2e-3) << i;
}

TEST(Network, SaysHowMuchMemoryItTakes) {
  const Architecture a = tiny();
  const std::int64_t none = Network::bytes(a, 0, 10, 10), one = Network::bytes(a, 16, 10, 10) - none,
                     two = Network::bytes(a, 32, 10, 10) - none;
  EXPECT_GT(one, 16 * 10 * 8 * 4 * 10);  // ten numbers a unit at least
  EXPECT_NEAR(static_cast<double>(two) / static_cast<double>(one), 2, 0.1);
}

}  // namespace
}  // namespace clary::seq2seq
