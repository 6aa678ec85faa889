// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/bleu_sample.h"

#include <algorithm>
#include <atomic>
#include <numeric>
#include <span>
#include <utility>

#include "algorithms/seq2seq/evaluate/bleu.h"
#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

constexpr std::uint64_t kSampleSeed = 42;  // Sockeye's
constexpr std::int64_t kGroup = 16;        // Sockeye's batch of sentences when it decodes for BLEU

std::vector<std::int64_t> drawn(std::int64_t pairs, std::int64_t size) {
  std::vector<std::int64_t> out(at(pairs));
  std::iota(out.begin(), out.end(), std::int64_t{0});
  if (size <= 0 || size >= pairs) return out;
  numeric::PhiloxStream random(kSampleSeed, 0);
  for (std::int64_t i = 0; i < size; ++i)  // the first `size` steps of Fisher and Yates' shuffle
    std::swap(out[at(i)], out[at(i) + random.below(static_cast<std::uint64_t>(pairs - i))]);
  out.resize(at(size));
  return out;
}

}  // namespace

BleuSample::BleuSample(const Pairs& pairs, std::int64_t size) {
  std::vector<std::int64_t> which = drawn(pairs.size(), size);
  std::ranges::sort(which, {}, [&](std::int64_t i) { return std::pair(pairs.source.length(i), i); });
  for (const std::int64_t i : which) {
    sources_.emplace_back(pairs.source[i].begin(), pairs.source[i].end());
    targets_.emplace_back(pairs.target[i].begin(), pairs.target[i].end());
  }
}

double BleuSample::unknown_share() const {
  std::int64_t words = 0, unknown = 0;
  for (const std::vector<std::int32_t>& target : targets_)
    words += std::ssize(target), unknown += std::ranges::count(target, kUnknown);
  return words == 0 ? 0 : static_cast<double>(unknown) / static_cast<double>(words);
}

std::optional<double> BleuSample::score(const Translator& translator, std::int64_t beam_size, numeric::Team& team,
                                        const std::function<bool()>& gives_up) const {
  const DecodeOptions options{.beam_size = beam_size, .n_best = 1, .attention = false};
  std::vector<Bleu> counts(at((size() + kGroup - 1) / kGroup));
  std::atomic<bool> given_up = false;
  team.run_units(std::ssize(counts), [&](std::int64_t group) {
    if (given_up || gives_up()) {
      given_up = true;
      return;
    }
    const std::size_t first = at(group * kGroup), count = std::min(at(kGroup), sources_.size() - first);
    const auto translations = translator.translate(std::span(sources_).subspan(first, count), options);
    for (std::size_t i = 0; i < count; ++i) counts[at(group)].add(translations[i].front().ids, targets_[first + i]);
  });
  if (given_up) return std::nullopt;
  Bleu all;
  for (const Bleu& group : counts) all += group;
  return all.score();
}

}  // namespace clary::seq2seq
