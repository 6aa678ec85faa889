// SPDX-License-Identifier: Apache-2.0
// Networks that learn to copy and to reverse sequences of up to 20 of 46 words, from nothing but random pairs: training
// and decoding of each kind together. At least 99 of 100 unseen sequences must come out whole.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "algorithms/seq2seq/decode/translator.h"
#include "algorithms/seq2seq/network/network.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"
#include "learning/optim/update.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using Words = std::vector<std::int32_t>;

constexpr std::int64_t kVocabulary = 50, kLongest = 20, kUnits = 64;

struct Task {
  std::string name;
  NetworkType encoder = NetworkType::kRnn, decoder = NetworkType::kRnn;
  Cell cell = Cell::kGru;
  Attention attention = Attention::kMlp;
  std::int64_t layers = 1;
  bool reverses = false;
  double rate = 0.005;
};

Architecture architecture_of(const Task& task) {
  Architecture a;
  a.encoder = task.encoder, a.decoder = task.decoder, a.cell = task.cell, a.attention = task.attention;
  a.source_vocabulary = a.target_vocabulary = kVocabulary;
  a.num_embed_source = a.num_embed_target = kUnits;
  a.rnn_hidden = a.cnn_hidden = a.attention_hidden = kUnits;
  a.encoder_layers = a.decoder_layers = task.layers;
  a.max_seq_len_source = kLongest, a.max_seq_len_target = kLongest + 1;
  return a;
}

class ToyTask : public ::testing::TestWithParam<Task> {
 protected:
  Words random_words() {
    Words words(1 + random_() % kLongest);
    for (std::int32_t& word : words)
      word = static_cast<std::int32_t>(kFirstWord + random_() % (kVocabulary - kFirstWord));
    return words;
  }
  Words answer(Words words) const {
    if (GetParam().reverses) std::reverse(words.begin(), words.end());
    return words;
  }
  Batch batch_of(std::int64_t rows) {
    Pairs pairs;
    for (std::int64_t i = 0; i < rows; ++i) {
      const Words words = random_words();
      pairs.source.add(words), pairs.target.add(answer(words));
    }
    std::vector<std::int64_t> all(at(rows));
    std::iota(all.begin(), all.end(), 0);
    Batch batch;
    batch.assign(pairs, all);
    return batch;
  }

  /// Updates [from, to) of at most `most`; the rate falls to zero over the second half of them.
  void train(Network& network, Parameters& parameters, int from, int to, int most) {
    for (int t = from; t < to; ++t) {
      network.train(parameters, batch_of(32), static_cast<std::uint64_t>(t), gradients_);
      const double rate = GetParam().rate * std::min(1.0, 2.0 * (most - t) / most);
      const optim::Step step{.clip = 1, .learning_rate = optim::corrected_rate(static_cast<float>(rate), t + 1)};
      optim::update(optim::Rule::kAdam, step, static_cast<std::int64_t>(gradients_.size()), parameters.values().data(),
                    first_.data(), second_.data(), gradients_.data());
    }
  }

  std::mt19937 random_{1};
  numeric::Floats gradients_, first_, second_;
};

/// What training says of a translation is what decoding says: the score is the mean of -ln p over its labels.
void expect_score_of_training(Network& network, const Parameters& parameters, const Words& source,
                              const Translation& translation) {
  Pairs pair;
  pair.source.add(source), pair.target.add(translation.ids);
  Batch batch;
  batch.assign(pair, std::vector<std::int64_t>{0});
  const Score score = network.evaluate(parameters, batch);
  EXPECT_NEAR(translation.score, score.nats / static_cast<double>(score.labels), 1e-4);
}

TEST_P(ToyTask, IsLearnt) {
  const Architecture a = architecture_of(GetParam());
  numeric::Team team(1);
  Network network(a, {}, team);
  Parameters parameters(a);
  parameters.initialise({}, 1);
  gradients_.resize(parameters.values().size());
  first_.resize(gradients_.size()), second_.resize(gradients_.size());
  std::vector<Words> sources(200);
  std::generate(sources.begin(), sources.end(), [&] { return random_words(); });

  constexpr int kMost = 2000, kBetween = 200;
  int right = 0;
  const DecodeLimits limits{.length_ratio_mean = 1.2, .length_ratio_std = 0.1, .never = {}};
  for (int t = 0; t < kMost && right < 198; t += kBetween) {
    train(network, parameters, t, t + kBetween, kMost);
    const auto translations = Translator(a, parameters, limits).translate(sources, {.beam_size = 1});
    right = 0;
    for (std::size_t i = 0; i < sources.size(); ++i) right += translations[i][0].ids == answer(sources[i]) ? 1 : 0;
  }
  EXPECT_GE(right, 198) << "of 200";
  const auto best = Translator(a, parameters, limits).translate(std::span(sources).first(20), {.beam_size = 5});
  for (std::size_t i = 0; i < best.size(); ++i) expect_score_of_training(network, parameters, sources[i], best[i][0]);
}

constexpr NetworkType kRnn = NetworkType::kRnn, kCnn = NetworkType::kCnn;
INSTANTIATE_TEST_SUITE_P(
    Seq2Seq, ToyTask,
    ::testing::Values(
        Task{.name = "gru_mlp_copy"},
        Task{.name = "lstm_dot_reverse", .cell = Cell::kLstm, .attention = Attention::kDot, .reverses = true},
        Task{.name = "lstm_bilinear_reverse",
             .cell = Cell::kLstm,
             .attention = Attention::kBilinear,
             .reverses = true,
             .rate = 0.003},
        Task{.name = "lstm_mlp_two_layers_reverse", .cell = Cell::kLstm, .layers = 2, .reverses = true},
        Task{.name = "cnn_copy", .encoder = kCnn, .decoder = kCnn, .layers = 2, .rate = 0.002},
        Task{.name = "rnn_cnn_reverse", .decoder = kCnn, .layers = 2, .reverses = true, .rate = 0.003},
        Task{.name = "cnn_rnn_reverse", .encoder = kCnn, .reverses = true, .rate = 0.003}),
    [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace clary::seq2seq
