// SPDX-License-Identifier: Apache-2.0
// Trains an encoder-decoder (one layer each, mlp attention) for some updates on random pairs whose lengths are spread
// as Multi30k's, and prints target words per second, the share of the optimizer, and how near the arithmetic comes to
// that of one large product, measured in the same run on the same threads.
//   seq2seq_arithmetic lstm|gru UNITS EMBED BATCH UPDATES THREADS
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <numeric>
#include <string>
#include <vector>

#include "algorithms/seq2seq/network/network.h"
#include "algorithms/seq2seq/network/products.h"
#include "learning/numeric/idle_threads.h"
#include "learning/numeric/philox.h"
#include "learning/optim/update.h"

namespace {

using namespace clary;
using namespace clary::seq2seq;

constexpr std::int64_t kSourceWords = 7853, kTargetWords = 9797;  // Multi30k en-de, words seen at least twice

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

/// Lengths as the sum of uniform numbers: mean 12, from 4 to 20 and a few longer ones; targets within two of sources.
Pairs random_pairs(std::int64_t n) {
  numeric::PhiloxStream random(1, 2);
  Pairs pairs;
  std::vector<std::int32_t> ids;
  const auto draw = [&](std::uint64_t length, std::int64_t vocabulary) {
    ids.resize(length);
    // Small ids are frequent, as words are: the product of two uniform numbers.
    for (std::int32_t& id : ids) {
      const auto words = static_cast<std::uint64_t>(vocabulary - kFirstWord);
      id = kFirstWord + static_cast<std::int32_t>(random.below(random.below(words) + 1));
    }
    return std::span<const std::int32_t>(ids);
  };
  for (std::int64_t i = 0; i < n; ++i) {
    const std::uint64_t source = 4 + random.below(9) + random.below(9) + (i % 20 == 0 ? random.below(16) : 0);
    pairs.source.add(draw(source, kSourceWords));
    pairs.target.add(draw(source - 2 + random.below(5), kTargetWords));
  }
  return pairs;
}

/// Batches of one bucket each, ten words wide; buckets come in turn.
std::vector<Batch> batches_of(const Pairs& pairs, std::int64_t batch_size, std::size_t count) {
  std::vector<std::vector<std::int64_t>> buckets(8);
  std::vector<Batch> batches;
  for (std::int64_t i = 0; i < pairs.size() && batches.size() < count; ++i) {
    auto& bucket = buckets[static_cast<std::size_t>(std::max(pairs.source.length(i), pairs.target.length(i)) / 10)];
    bucket.push_back(i);
    if (static_cast<std::int64_t>(bucket.size()) < batch_size) continue;
    batches.emplace_back().assign(pairs, bucket);
    bucket.clear();
  }
  return batches;
}

/// Multiplications and additions of a training step's products: forward, and twice that backward.
double flops(const Architecture& a, const Batch& batch) {
  double source = 0;
  for (const std::int32_t length : batch.source_length) source += length;
  const auto target = static_cast<double>(batch.label_count);
  const auto d = static_cast<double>(a.rnn_hidden), gates = static_cast<double>(a.gates()) * d;
  const auto attention = static_cast<double>(a.attention_hidden);
  const double encoder = gates * (static_cast<double>(a.num_embed_source) + d / 2);
  const double decoder = gates * (static_cast<double>(a.num_embed_target) + 2 * d) + d * 2 * d + attention * d +
                         static_cast<double>(a.target_vocabulary) * d;
  return 6 * (source * (encoder + attention * d) + target * decoder);
}

/// Operations per second of one large product, blocks of it on all threads: the best of ten.
double product_limit(numeric::Team& team) {
  const std::int64_t m = 1024, n = 4096, k = 512;
  Matrix a, b, c;
  a.reshape(m, k), b.reshape(k, n), c.reshape(m, n);
  a.zero(), b.zero();
  double best = 0;
  for (int i = 0; i < 10; ++i) {
    const double start = seconds();
    product(team, m, n, k, a.view(), b.view(), 0, c.row(0), n);
    best = std::max(best, 2.0 * static_cast<double>(m * n * k) / (seconds() - start));
  }
  return best;
}

void adam(numeric::Team& team, std::span<float> values, std::vector<float>& first, std::vector<float>& second,
          std::span<const float> gradients, std::int64_t t) {
  const optim::Step step{.clip = 1, .learning_rate = optim::corrected_rate(0.0003F, t)};
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(static_cast<std::int64_t>(values.size()), thread, team.size(), 16);
    optim::update(optim::Rule::kAdam, step, end - begin, values.data() + begin, first.data() + begin,
                  second.data() + begin, gradients.data() + begin);
  });
}

}  // namespace

int main(int argc, char** argv) {
  numeric::let_idle_threads_sleep(argv);
  if (argc != 7) {
    fmt::print(stderr, "usage: seq2seq_arithmetic lstm|gru UNITS EMBED BATCH UPDATES THREADS\n");
    return 2;
  }
  Architecture a{.source_vocabulary = kSourceWords, .target_vocabulary = kTargetWords};
  a.cell = std::string(argv[1]) == "lstm" ? Cell::kLstm : Cell::kGru;
  a.rnn_hidden = a.attention_hidden = std::atoll(argv[2]);
  a.num_embed_source = a.num_embed_target = std::atoll(argv[3]);
  const auto updates = static_cast<std::size_t>(std::atoll(argv[5]));
  constexpr std::size_t kWarmUp = 4;
  const std::vector<Batch> batches = batches_of(random_pairs(29000), std::atoll(argv[4]), updates + kWarmUp);

  numeric::Team team(std::atoi(argv[6]));
  Network network(a, {}, team);
  Parameters parameters(a);
  parameters.initialise({}, 1);
  std::vector<float> first(parameters.values().size()), second(first.size());
  numeric::Floats gradients(first.size());
  double trained = 0, updated = 0, operations = 0, words = 0, padded = 0;
  Score score;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const double start = seconds();
    score = network.train(parameters, batches[i], i, gradients);
    const double middle = seconds();
    adam(team, parameters.values(), first, second, gradients, static_cast<std::int64_t>(i) + 1);
    if (i < kWarmUp) continue;
    trained += middle - start, updated += seconds() - middle;
    operations += flops(a, batches[i]), words += static_cast<double>(batches[i].label_count);
    padded += static_cast<double>(batches[i].target_steps * batches[i].rows);
  }
  const double limit = product_limit(team), rate = operations / trained;
  fmt::print("{} parameters, {} updates, perplexity of the last {:.1f}, padding {:.0f} %\n", parameters.learned(),
             batches.size() - kWarmUp, score.perplexity(), 100 * (1 - words / padded));
  fmt::print(
      "network {:.1f} ms an update, {:.1f} GFLOP/s = {:.0f} % of {:.1f} of one large product; optimizer {:.1f} ms\n",
      1e3 * trained / static_cast<double>(batches.size() - kWarmUp), rate / 1e9, 100 * rate / limit, limit / 1e9,
      1e3 * updated / static_cast<double>(batches.size() - kWarmUp));
  fmt::print("target words per second: {:.0f}, {:.0f} without the optimizer\n", words / (trained + updated),
             words / trained);
}
