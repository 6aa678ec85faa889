// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/serve/classify.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

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
  if (!(x >= -kSigmoidRange)) return 0;  // also for NaN
  if (x > kSigmoidRange) return 1;
  return table[static_cast<std::size_t>((x + kSigmoidRange) * kSigmoidSteps / kSigmoidRange / 2)];
}

float output_score(const Model& model, std::int64_t row, std::span<const float> hidden) {
  return model.quantized_output ? model.quantized_output->dot_row(row, hidden) : dot(model.output.row(row), hidden);
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

/// Walks down the tree, the likelier paths cut nothing short of the k-th best found so far.
std::vector<RankedLabel> best_of_tree(const Model& model, std::span<const float> hidden, std::int64_t k,
                                      float threshold) {
  const HuffmanTree& tree = *model.tree;
  const float least = threshold > 0 ? guarded_log(threshold) : -std::numeric_limits<float>::infinity();
  std::vector<RankedLabel> heap;  // probability holds the logarithm here; its worst entry first
  struct Visit {
    std::int32_t node;
    float score;
  };
  std::vector<Visit> open{{tree.root(), 0}};
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
    const double raw = static_cast<double>(output_score(model, number - tree.leaves(), hidden));
    const auto right = static_cast<float>(1.0 / (1.0 + std::exp(-raw)));
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
