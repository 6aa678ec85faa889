// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/serve/classify.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>

#include "algorithms/blazingtext/model/test_model.h"

namespace clary::blazingtext {
namespace {

/// Softmax by the book, from the rows that the formulas of the README give.
std::vector<double> softmax_of(const Model& model, const std::vector<std::int32_t>& rows) {
  std::vector<double> scores(static_cast<std::size_t>(model.dictionary.nlabels));
  double sum = 0;
  for (std::size_t label = 0; label < scores.size(); ++label) {
    for (std::int64_t d = 0; d < model.dim(); ++d) {
      double mean = 0;
      for (const auto r : rows) mean += static_cast<double>(model.input.row(r)[static_cast<std::size_t>(d)]);
      scores[label] +=
          mean / static_cast<double>(rows.size()) *
          static_cast<double>(model.output.row(static_cast<std::int64_t>(label))[static_cast<std::size_t>(d)]);
    }
    sum += scores[label] = std::exp(scores[label]);
  }
  for (double& score : scores) score /= sum;
  return scores;
}

std::int32_t bigram(const Model& model, const char* a, const char* b) {
  std::int32_t row = -1;
  const std::vector<std::uint32_t> hashes{hash_of(a), hash_of(b)};
  for_each_word_ngram(hashes, 2, [&](std::uint64_t hash) { row = static_cast<std::int32_t>(4 + hash % 20); });
  EXPECT_GE(row, model.dictionary.nwords);
  return row;
}

TEST(Classify, SoftmaxFollowsTheFormulaWithTheLineEnd) {
  const Model model = small_classifier();
  const auto expected = softmax_of(model, {0, 2, 3, bigram(model, "good", "movie"), bigram(model, "movie", "</s>")});
  const auto ranked = classify(model, "good movie", 5);
  ASSERT_EQ(ranked.size(), 2U);
  for (const auto& entry : ranked)
    EXPECT_NEAR(entry.probability, expected[static_cast<std::size_t>(entry.label)] + 1e-5, 1e-6);
  EXPECT_GE(ranked[0].probability, ranked[1].probability);
  EXPECT_EQ(classify(model, "good movie", 1).size(), 1U);
}

TEST(Classify, UnknownWordsTakePartInNgramsOnly) {
  const Model model = small_classifier();
  const auto expected = softmax_of(model, {0, 3, bigram(model, "good", "zebra"), bigram(model, "zebra", "</s>")});
  EXPECT_NEAR(classify(model, "good zebra", 2)[0].probability, std::max(expected[0], expected[1]) + 1e-5, 1e-6);
}

TEST(Classify, LineEndIsLeftOutWhereTrainingHadNone) {
  Model model = small_classifier();
  model.dictionary = dictionary_of({"good", "bad", "movie", "film", "__label__yes", "__label__no"}, 2);
  const auto expected = softmax_of(model, {0, 2, bigram(model, "good", "movie")});
  EXPECT_NEAR(classify(model, "good\nmovie\n", 2)[0].probability, std::max(expected[0], expected[1]) + 1e-5, 1e-6);
}

TEST(Classify, TextWithoutWordsHasNoLabels) {
  const Model model = small_classifier();
  for (const char* text : {"", " \n ", "__label__yes", "__label__unknown"})
    EXPECT_TRUE(classify(model, text, 2).empty());
}

TEST(HuffmanTree, PutsFrequentLabelsNearTheRootAndKeepsHostileCountsShort) {
  const std::vector<std::int64_t> counts{100, 10, 5, 1};
  const auto tree = build_huffman_tree(counts);
  ASSERT_EQ(tree.nodes.size(), 7U);
  EXPECT_EQ(tree.nodes[4].left, 3);
  EXPECT_EQ(tree.nodes[4].right, 2);
  EXPECT_EQ(tree.nodes[5].left, 4);
  EXPECT_EQ(tree.nodes[5].right, 1);
  EXPECT_EQ(tree.nodes[6].left, 5);
  EXPECT_EQ(tree.nodes[6].right, 0);
  EXPECT_EQ(build_huffman_tree(std::vector<std::int64_t>{7}).nodes.size(), 1U);
  const std::vector<std::int64_t> huge(100'000, 999'999'999'999'999);
  EXPECT_EQ(build_huffman_tree(huge).nodes.size(), 199'999U);
}

constexpr int kLabels = 9;

Model tree_classifier() {
  Model model = small_classifier();
  std::vector<std::string> words{"good", "bad", "movie", "</s>"};
  for (int i = 0; i < kLabels; ++i) words.push_back("__label__" + std::to_string(i));
  model.dictionary = dictionary_of(words, kLabels);
  model.output = counting_matrix(kLabels, 3);
  model.settings.loss = Loss::kHierarchicalSoftmax;
  model.tree = build_huffman_tree(std::span(model.dictionary.counts).subspan(4));
  return model;
}

TEST(HuffmanTree, ProbabilitiesOfAllLabelsSumToOne) {
  const Model model = tree_classifier();
  const auto all = classify(model, "good movie", kLabels);
  ASSERT_EQ(all.size(), static_cast<std::size_t>(kLabels));
  float sum = 0;
  for (const auto& entry : all) sum += entry.probability;
  EXPECT_NEAR(sum, 1, 1e-3);
  const auto best = classify(model, "good movie", 3);  // the cut search finds the same three
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(best[i].label, all[i].label);
  const auto likely = classify(model, "good movie", kLabels, all[3].probability - 2e-5F);
  ASSERT_EQ(likely.size(), 4U);
  EXPECT_EQ(likely[3].label, all[3].label);
}

/// fastText's HierarchicalSoftmaxLoss::dfs, without a cut: the sum of guarded logarithms of every label.
void add_scores(const Model& model, std::span<const float> hidden, std::int32_t node, float score,
                std::vector<float>& scores) {
  const auto [left, right] = model.tree->nodes[static_cast<std::size_t>(node)];
  if (left < 0) {
    scores[static_cast<std::size_t>(node)] = score;
    return;
  }
  float f = 0;
  for (std::size_t d = 0; d < hidden.size(); ++d) f += model.output.row(node - kLabels)[d] * hidden[d];
  f = static_cast<float>(1.0 / static_cast<double>(1 + std::exp(-f)));
  const auto guarded = [](double p) {
    return static_cast<float>(std::log(static_cast<double>(static_cast<float>(p)) + 1e-5));
  };
  add_scores(model, hidden, left, score + guarded(1.0 - static_cast<double>(f)), scores);
  add_scores(model, hidden, right, score + guarded(static_cast<double>(f)), scores);
}

// A model that is sure of itself answered small probabilities that differed from fastText's by 1e-3 of themselves, and
// labels that fastText leaves out.
TEST(HuffmanTree, ASureModelAnswersFastTextsNumbersAndLabels) {
  Model model = tree_classifier();
  model.output.values.assign(model.output.values.size(), 0);
  for (std::int64_t node = 0; node < kLabels - 1; ++node)
    for (std::size_t d = 0; d < 3; ++d)
      model.output.row(node)[d] = static_cast<float>(node % 3 - 1) * (3.1F + 0.37F * static_cast<float>(d));
  std::size_t left_out = 0;
  for (const float size : {0.3F, 0.7F, 0.9F, 1.3F, 5.0F}) {
    const std::vector<float> hidden{size, 0.9F * size, 1.1F * size};
    std::vector<float> scores(kLabels);
    add_scores(model, hidden, model.tree->root(), 0, scores);
    const auto ranked = best_labels(model, hidden, kLabels);
    for (const auto& entry : ranked)
      EXPECT_EQ(entry.probability, std::exp(scores[static_cast<std::size_t>(entry.label)]));
    const auto kept = std::count_if(scores.begin(), scores.end(), [](float s) { return !(s < std::log(1e-5F)); });
    EXPECT_EQ(std::ssize(ranked), kept);
    left_out += kLabels - ranked.size();
  }
  EXPECT_GT(left_out, 0U);
}

}  // namespace
}  // namespace clary::blazingtext
