// SPDX-License-Identifier: Apache-2.0
// The best words are looked for among the blocks of 64 words whose largest logit is at least the k-th largest of these
// maxima: some k blocks, whatever V.
#include "algorithms/seq2seq/decode/output_layer.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "algorithms/seq2seq/data/pairs.h"
#include "algorithms/seq2seq/kernels/words.h"
#include "base/error.h"

namespace clary::seq2seq {

using kernels::kWordBlock;
using numeric::at;

namespace {

/// Numbers of logits that are held at a time; rows beyond take another pass over the weights.
constexpr std::int64_t kLogits = std::int64_t{4} << 20;
/// Below so many words two passes cost more than one in float32.
constexpr std::int64_t kScreenedWords = 2048;
/// Words more probable than this are computed exactly.
constexpr float kExactProbability = 1.0F / 1024;
constexpr float kImpossible = -std::numeric_limits<float>::infinity();

nn::WeightPrecision precision_of(const Source& source) {
  const bool screens = source.architecture.target_vocabulary >= kScreenedWords && nn::has_int8_products();
  return screens ? nn::WeightPrecision::kInt8 : source.precision;
}

float norm(std::span<const float> x) {
  double sum = 0;
  for (const float value : x) sum += double{value} * double{value};
  return static_cast<float>(std::sqrt(sum));
}

float largest(std::span<const float> x) {
  float out = 0;
  for (const float value : x) out = std::max(out, std::abs(value));
  return out;
}

}  // namespace

/// Memory of the thread, used again from row to row.
struct OutputLayer::Scratch {
  numeric::UntouchedFloats logits;  // [slice, V]
  std::vector<float> maxima;        // by block
  std::vector<float> ranked;
  std::vector<std::int32_t> words;  // collected, rising
  std::vector<float> values;        // their logits
  std::vector<WordCost> found;
};

OutputLayer::OutputLayer(const Source& source, std::span<const std::int32_t> never)
    : words_(source.architecture.target_vocabulary),
      weight_(Source{source.architecture, source.parameters, precision_of(source)}.matrix("output.weight")),
      bias_(source.copy("output.bias")),
      never_(never.begin(), never.end()) {
  never_.insert(never_.end(), {kPad, kBegin});
  std::sort(never_.begin(), never_.end());
  never_.erase(std::unique(never_.begin(), never_.end()), never_.end());
  std::erase_if(never_, [&](std::int32_t word) { return word < 0 || word >= words_; });
  if (choices() < 1) throw Error(Kind::kInvalid, "the target vocabulary has no word that may be chosen");
  if (precision_of(source) == source.precision) return;
  exact_ = source.copy("output.weight");
  for (std::int64_t w = 0; w < words_; ++w) {
    const std::span row = std::span(exact_).subspan(at(w * weight_.inputs()), at(weight_.inputs()));
    largest_norm_ = std::max(largest_norm_, norm(row));
    largest_scale_ = std::max(largest_scale_, largest(row) / 127);
  }
}

void OutputLayer::best(std::int64_t rows, std::span<const float> features, std::int64_t k,
                       std::vector<WordCost>& out) const {
  thread_local Scratch scratch;
  out.clear();
  const std::int64_t width = weight_.inputs(), slice = std::min(rows, std::max<std::int64_t>(8, kLogits / words_));
  if (scratch.logits.size() < at(slice * words_)) scratch.logits.resize(at(slice * words_));
  for (std::int64_t begin = 0; begin < rows; begin += slice) {
    const std::int64_t n = std::min(slice, rows - begin);
    const float* x = features.data() + begin * width;
    weight_.multiply(n, x, width, scratch.logits.data(), words_, bias_.data());
    for (std::int64_t r = 0; r < n; ++r)
      best_of_row(x + r * width, scratch.logits.data() + r * words_, k, scratch, out);
  }
}

bool OutputLayer::is_never(std::int32_t word) const { return std::binary_search(never_.begin(), never_.end(), word); }

/// Both factors are rounded to a multiple of a scale s, an error of variance s^2 / 12 in each number.
float OutputLayer::screening_error(const float* features) const {
  const std::span x(features, at(weight_.inputs()));
  const float of_features = largest(x) / 127 * largest_norm_, of_weights = largest_scale_ * norm(x);
  return 6 * std::sqrt((of_features * of_features + of_weights * of_weights) / 12);
}

float OutputLayer::reached_by(std::int64_t k, const float* logits, Scratch& scratch) const {
  std::vector<float>& ranked = scratch.ranked;
  ranked = scratch.maxima;
  for (std::size_t i = 0; i < never_.size();) {  // blocks that have such a word, without it
    const std::int64_t block = never_[i] / kWordBlock, end = std::min((block + 1) * kWordBlock, words_);
    float most = kImpossible;
    for (std::int64_t w = block * kWordBlock; w < end; ++w) {
      if (i < never_.size() && never_[i] == w)
        ++i;
      else
        most = std::max(most, logits[w]);
    }
    ranked[at(block)] = most;
  }
  if (at(k) > ranked.size()) {
    ranked.assign(logits, logits + words_);
    for (float& x : ranked)
      if (std::isnan(x)) x = kImpossible;
    for (const std::int32_t word : never_) ranked[at(word)] = kImpossible;
  }
  std::nth_element(ranked.begin(), ranked.begin() + (k - 1), ranked.end(), std::greater<>());
  return ranked[at(k - 1)];
}

void OutputLayer::collect(const float* logits, float threshold, Scratch& scratch) const {
  scratch.words.clear(), scratch.values.clear();
  for (std::size_t block = 0; block < scratch.maxima.size(); ++block) {
    if (scratch.maxima[block] < threshold) continue;
    const auto first = static_cast<std::int64_t>(block) * kWordBlock;
    for (std::int64_t w = first; w < std::min(first + kWordBlock, words_); ++w)
      if (logits[w] >= threshold) {
        scratch.words.push_back(static_cast<std::int32_t>(w));
        scratch.values.push_back(logits[w]);
      }
  }
}

double OutputLayer::corrected(double sum, const float* features, float shift, Scratch& scratch) const {
  const auto of_words = [&] {
    double part = 0;
    for (const float value : scratch.values) part += std::exp(double{value} - double{shift});
    return part;
  };
  sum = std::max(sum - of_words(), 0.0);
  kernels::word_logits(static_cast<std::int64_t>(scratch.words.size()), scratch.words.data(), exact_.data(),
                       bias_.data(), weight_.inputs(), features, scratch.values.data());
  return sum + of_words();
}

void OutputLayer::best_of_row(const float* features, const float* logits, std::int64_t k, Scratch& scratch,
                              std::vector<WordCost>& out) const {
  std::vector<float>& maxima = scratch.maxima;
  maxima.resize(at(kernels::word_blocks(words_)));
  kernels::block_maxima(words_, logits, maxima.data());
  for (float& x : maxima)
    if (std::isnan(x)) x = kImpossible;  // NaN has no place in an order
  const float shift = *std::max_element(maxima.begin(), maxima.end());
  double sum = double{kernels::exp_sum(words_, logits, shift)};
  float threshold = reached_by(k, logits, scratch);
  if (!exact_.empty()) {
    const float probable = shift + static_cast<float>(std::log(sum * kExactProbability));
    threshold = std::min(threshold - 2 * screening_error(features), probable);
  }
  collect(logits, threshold, scratch);
  if (!exact_.empty()) sum = corrected(sum, features, shift, scratch);
  const double normaliser = double{shift} + std::log(sum);
  scratch.found.clear();
  for (std::size_t i = 0; i < scratch.words.size(); ++i) {
    if (is_never(scratch.words[i])) continue;
    const double cost = normaliser - double{scratch.values[i]};
    scratch.found.push_back({std::isfinite(cost) ? cost : std::numeric_limits<double>::infinity(), scratch.words[i]});
  }
  for (std::int32_t w = 0; scratch.found.size() < at(k); ++w)  // numbers that overflowed
    if (!is_never(w) && !std::binary_search(scratch.words.begin(), scratch.words.end(), w))
      scratch.found.push_back({std::numeric_limits<double>::infinity(), w});
  const auto before = [](const WordCost& a, const WordCost& b) {
    return a.cost != b.cost ? a.cost < b.cost : a.word < b.word;
  };
  std::partial_sort(scratch.found.begin(), scratch.found.begin() + k, scratch.found.end(), before);
  out.insert(out.end(), scratch.found.begin(), scratch.found.begin() + k);
}

}  // namespace clary::seq2seq
