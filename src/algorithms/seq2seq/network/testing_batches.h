// SPDX-License-Identifier: Apache-2.0
// Random parameters and batches for the tests of network/.
#pragma once

#include <cstdint>
#include <numeric>
#include <random>
#include <span>
#include <vector>

#include "algorithms/seq2seq/data/batch.h"
#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"

namespace clary::seq2seq::testing_batches {

/// Every number normal, biases too, so that nothing is zero by chance.
inline Parameters random_parameters(const Architecture& architecture, unsigned seed, float scale = 0.4F) {
  Parameters parameters(architecture);
  std::mt19937 random(seed);
  std::normal_distribution<float> draw(0, scale);
  for (const Tensor& tensor : parameters.list())
    for (float& x : parameters.of(tensor)) x = draw(random);
  return parameters;
}

struct Lengths {
  std::int64_t source, target;  // words
};

inline Batch random_batch(const Architecture& a, std::span<const Lengths> lengths, unsigned seed) {
  std::mt19937 random(seed);
  Pairs pairs;
  const auto words = [&](std::int64_t n, std::int64_t vocabulary) {
    std::uniform_int_distribution<std::int32_t> draw(kFirstWord, static_cast<std::int32_t>(vocabulary) - 1);
    std::vector<std::int32_t> ids(static_cast<std::size_t>(n));
    for (std::int32_t& id : ids) id = draw(random);
    return ids;
  };
  for (const auto& [source, target] : lengths) {
    pairs.source.add(words(source, a.source_vocabulary));
    pairs.target.add(words(target, a.target_vocabulary));
  }
  std::vector<std::int64_t> all(lengths.size());
  std::iota(all.begin(), all.end(), 0);
  Batch batch;
  batch.assign(pairs, all);
  return batch;
}

inline std::vector<float> normal(std::size_t n, unsigned seed) {
  std::mt19937 random(seed);
  std::normal_distribution<float> draw;
  std::vector<float> out(n);
  for (float& x : out) x = draw(random);
  return out;
}

}  // namespace clary::seq2seq::testing_batches
