// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/sampling.h"

#include <algorithm>
#include <cmath>

namespace clary::blazingtext {
namespace {

constexpr double kTwo32 = 4294967296.0;

std::uint32_t as_limit(double probability) {
  // Probabilities as 32-bit limits: a draw is one comparison of integers.
  return static_cast<std::uint32_t>(std::clamp(probability * kTwo32, 0.0, kTwo32 - 1));
}

}  // namespace

// word2vec's rule: a word of frequency f is kept with probability sqrt(t / f) + t / f.
SubSampler::SubSampler(std::span<const std::int64_t> counts, std::int64_t tokens, double threshold) {
  limits_.reserve(counts.size());
  for (const std::int64_t count : counts) {
    const double ratio =
        threshold * static_cast<double>(tokens) / static_cast<double>(std::max<std::int64_t>(count, 1));
    limits_.push_back(as_limit(std::sqrt(ratio) + ratio));
  }
}

double SubSampler::kept(std::span<const std::int64_t> counts) const {
  double out = 0;
  for (std::size_t w = 0; w < counts.size(); ++w)
    out += static_cast<double>(counts[w]) * (limits_[w] == kAlways ? 1 : static_cast<double>(limits_[w]) * 0x1p-32);
  return out;
}

// Alias method (Vose 1991): a cell holds a word, a limit and a second word; a draw takes one random cell and one
// comparison, for any number of words.
NegativeSampler::NegativeSampler(std::span<const std::int64_t> counts, double power) : cells_(counts.size()) {
  std::vector<double> share(counts.size());
  double sum = 0;
  for (std::size_t w = 0; w < counts.size(); ++w)
    sum += share[w] = std::pow(static_cast<double>(std::max<std::int64_t>(counts[w], 1)), power);
  std::vector<std::int32_t> small, large;
  for (std::size_t w = 0; w < counts.size(); ++w) {
    share[w] *= static_cast<double>(counts.size()) / sum;
    (share[w] < 1 ? small : large).push_back(static_cast<std::int32_t>(w));
  }
  const auto at = [](std::int32_t w) { return static_cast<std::size_t>(w); };
  while (!small.empty() && !large.empty()) {
    const std::int32_t s = small.back(), l = large.back();
    small.pop_back();
    // What the small word lacks of a full cell is taken from the large one.
    cells_[at(s)] = {as_limit(share[at(s)]), l};
    share[at(l)] -= 1 - share[at(s)];
    if (share[at(l)] >= 1) continue;
    large.pop_back();
    small.push_back(l);
  }
  for (const auto& rest : {small, large})
    for (const std::int32_t w : rest) cells_[at(w)] = {~std::uint32_t{0}, w};  // 1 but for rounding
}

}  // namespace clary::blazingtext
