// SPDX-License-Identifier: Apache-2.0
// -ln p(w) = ln sum_i e^(x_i) - x_w needs every logit once for the sum; the k largest are then looked for among the
// blocks of 64 words whose largest logit is at least the k-th largest of these maxima: some k blocks, whatever V.
#include "algorithms/seq2seq/decode/output_layer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/kernels/words.h"
#include "base/error.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using kernels::kWordBlock;
using numeric::at;

namespace {

/// Numbers of logits that are held at a time; rows beyond take another pass over the weights.
constexpr std::int64_t kLogits = std::int64_t{4} << 20;
constexpr float kImpossible = -std::numeric_limits<float>::infinity();

}  // namespace

OutputLayer::OutputLayer(const Source& source, std::span<const std::int32_t> never)
    : words_(source.architecture.target_vocabulary),
      weight_(source.matrix("output.weight")),
      bias_(source.copy("output.bias")),
      never_(never.begin(), never.end()) {
  never_.insert(never_.end(), {kPad, kBegin});
  std::sort(never_.begin(), never_.end());
  never_.erase(std::unique(never_.begin(), never_.end()), never_.end());
  std::erase_if(never_, [&](std::int32_t word) { return word < 0 || word >= words_; });
  if (choices() < 1) throw Error(Kind::kInvalid, "the target vocabulary has no word that may be chosen");
}

void OutputLayer::best(std::int64_t rows, std::span<const float> features, std::int64_t k,
                       std::vector<WordCost>& out) const {
  out.clear();
  const std::int64_t width = weight_.inputs(), slice = std::min(rows, std::max<std::int64_t>(8, kLogits / words_));
  thread_local numeric::UntouchedFloats logits;  // [slice, V]
  if (logits.size() < at(slice * words_)) logits.resize(at(slice * words_));
  for (std::int64_t begin = 0; begin < rows; begin += slice) {
    const std::int64_t n = std::min(slice, rows - begin);
    weight_.multiply(n, features.data() + begin * width, width, logits.data(), words_, bias_.data());
    for (std::int64_t r = 0; r < n; ++r) best_of_row(logits.data() + r * words_, k, out);
  }
}

void OutputLayer::best_of_row(float* logits, std::int64_t k, std::vector<WordCost>& out) const {
  thread_local std::vector<float> maxima, ranked;
  maxima.resize(at(kernels::word_blocks(words_)));
  kernels::block_maxima(words_, logits, maxima.data());
  const float shift = *std::max_element(maxima.begin(), maxima.end());
  const double normaliser = double{shift} + std::log(double{kernels::exp_sum(words_, logits, shift)});
  for (const std::int32_t word : never_) logits[word] = kImpossible;
  for (std::size_t i = 0; i < never_.size();) {  // the maxima of their blocks, once each
    const std::int64_t block = never_[i] / kWordBlock, first = block * kWordBlock;
    while (i < never_.size() && never_[i] / kWordBlock == block) ++i;
    kernels::block_maxima(std::min(kWordBlock, words_ - first), logits + first, &maxima[at(block)]);
  }
  float threshold = kImpossible;
  if (at(k) <= maxima.size()) {
    ranked = maxima;
    std::nth_element(ranked.begin(), ranked.begin() + (k - 1), ranked.end(), std::greater<>());
    threshold = ranked[at(k - 1)];
  }
  thread_local std::vector<WordCost> found;
  found.clear();
  for (std::size_t block = 0; block < maxima.size(); ++block) {
    if (maxima[block] < threshold) continue;
    const auto first = static_cast<std::int64_t>(block) * kWordBlock;
    for (std::int64_t w = first; w < std::min(first + kWordBlock, words_); ++w)
      if (logits[w] >= threshold && logits[w] > kImpossible)
        found.push_back({normaliser - double{logits[w]}, static_cast<std::int32_t>(w)});
  }
  const auto before = [](const WordCost& a, const WordCost& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.word < b.word;
  };
  std::partial_sort(found.begin(), found.begin() + k, found.end(), before);
  out.insert(out.end(), found.begin(), found.begin() + k);
}

}  // namespace clary::seq2seq
