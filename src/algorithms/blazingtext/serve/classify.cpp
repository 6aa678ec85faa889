// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/serve/classify.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "algorithms/blazingtext/kernels/kernels.h"

namespace clary::blazingtext {
namespace {

constexpr double kLogGuard = 1e-5;  // fastText adds it to every probability before the logarithm
// fastText's sigmoid is this table; its files were trained with it, and its users compare numbers.
constexpr int kSigmoidSteps = 512;
constexpr float kSigmoidRange = 8;

float guarded_log(float p) { return static_cast<float>(std::log(static_cast<double>(p) + kLogGuard)); }

std::array<float, kSigmoidSteps + 1> sigmoid_table() {
  std::array<float, kSigmoidSteps + 1> out{};
  for (int i = 0; i <= kSigmoidSteps; ++i) {
    const float x = static_cast<float>(i) * 2 * kSigmoidRange / kSigmoidSteps - kSigmoidRange;
    out[static_cast<std::size_t>(i)] = static_cast<float>(1.0 / (1.0 + std::exp(static_cast<double>(-x))));
  }
  return out;
}

float table_sigmoid(float x) {
  static const auto table = sigmoid_table();
  // Written as a negation so that NaN takes this branch.
  if (!(x >= -kSigmoidRange)) return 0;  // also for NaN
  if (x > kSigmoidRange) return 1;
  return table[static_cast<std::size_t>((x + kSigmoidRange) * kSigmoidSteps / kSigmoidRange / 2)];
}

/// Of a row of the tree, summed from the first to the last as fastText does. dot() would add in another order, and the
/// last bit matters here: near 1, float32 has so few digits that 1 - p then differs by 1e-3 of itself.
float tree_score(const Model& model, std::int64_t row, std::span<const float> hidden) {
  if (model.quantized_output) return model.quantized_output->dot_row(row, hidden);
  const std::span<const float> weights = model.output.row(row);
  float sum = 0;
  for (std::size_t d = 0; d < hidden.size(); ++d) sum += weights[d] * hidden[d];
  return sum;
}

void softmax(std::vector<float>& scores) {
  const float highest = *std::max_element(scores.begin(), scores.end());
  float sum = 0;
  for (float& score : scores) sum += score = std::exp(score - highest);
  for (float& score : scores) score /= sum;
}

bool better(const RankedLabel& a, const RankedLabel& b) {
  return a.probability != b.probability ? a.probability > b.probability : a.label < b.label;
}

// All labels are scored, then the k best are sorted. fastText reports exp(log(p + 1e-5)), which this repeats.
std::vector<RankedLabel> best_of_all(const Model& model, std::span<const float> hidden, std::int64_t k,
                                     float threshold) {
  std::vector<float> scores(static_cast<std::size_t>(model.dictionary.nlabels));
  if (model.quantized_output)
    for (std::size_t i = 0; i < scores.size(); ++i)
      scores[i] = model.quantized_output->dot_row(static_cast<std::int64_t>(i), hidden);
  else
    kernels::row_products(model.output.values.data(), model.dictionary.nlabels, model.dim(), hidden.data(),
                          scores.data());
  if (model.settings.loss == Loss::kSoftmax)
    softmax(scores);
  else
    for (float& score : scores) score = table_sigmoid(score);
  std::vector<RankedLabel> out;
  out.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!(scores[i] < threshold)) out.push_back({static_cast<std::int64_t>(i), scores[i]});
  const auto end = out.begin() + std::min(k, static_cast<std::int64_t>(out.size()));
  std::partial_sort(out.begin(), end, out.end(), better);
  out.erase(end, out.end());
  for (auto& entry : out) entry.probability = std::exp(guarded_log(entry.probability));
  return out;
}

/// Walks down the tree. A branch is cut when its score is below that of the k-th best label found so far, or below the
/// logarithm of `threshold` guarded like every other: with a threshold of 0, labels whose product of probabilities is
/// below kLogGuard are left out. All arithmetic is fastText's, in float32, so that the answers are the same to the bit.
/// The score is the sum of logarithms along the path, so it only falls on the way down and a branch may be cut.
std::vector<RankedLabel> best_of_tree(const Model& model, std::span<const float> hidden, std::int64_t k,
                                      float threshold) {
  const HuffmanTree& tree = *model.tree;
  const float least = guarded_log(threshold);
  std::vector<RankedLabel> heap;  // probability holds the logarithm here; its worst entry first
  struct Visit {
    std::int32_t node;
    float score;
  };
  std::vector<Visit> open{{tree.root(), 0}};
  // The left branch is visited first, since it is pushed last: the order decides between equal scores, hence it is
  // fastText's.
  while (!open.empty()) {
    const auto [number, score] = open.back();
    open.pop_back();
    if (score < least || (std::ssize(heap) == k && score < heap.front().probability)) continue;
    const auto& node = tree.nodes[static_cast<std::size_t>(number)];
    if (node.left < 0) {
      heap.push_back({number, score});
      std::push_heap(heap.begin(), heap.end(), better);
      if (std::ssize(heap) > k) std::pop_heap(heap.begin(), heap.end(), better), heap.pop_back();
      continue;
    }
    const float right = 1.0F / (1.0F + std::exp(-tree_score(model, number - tree.leaves(), hidden)));
    open.push_back({node.right, score + guarded_log(right)});
    open.push_back({node.left, score + guarded_log(1.0F - right)});
  }
  std::sort_heap(heap.begin(), heap.end(), better);
  for (auto& entry : heap) entry.probability = std::exp(entry.probability);
  return heap;
}

}  // namespace

std::vector<RankedLabel> best_labels(const Model& model, std::span<const float> hidden, std::int64_t k,
                                     float threshold) {
  return model.tree ? best_of_tree(model, hidden, k, threshold) : best_of_all(model, hidden, k, threshold);
}

std::vector<RankedLabel> classify(const Model& model, std::string_view text, std::int64_t k, float threshold) {
  std::vector<std::int32_t> rows;
  append_line_rows(model, text, rows);
  if (rows.empty()) return {};
  std::vector<float> hidden(static_cast<std::size_t>(model.dim()));
  mean_of_rows(model, rows, hidden);
  return best_labels(model, hidden, k, threshold);
}

}  // namespace clary::blazingtext
