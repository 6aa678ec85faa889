// SPDX-License-Identifier: Apache-2.0
// The fused loss against plain loops in double precision, and its gradient against central differences of those loops.
#include "algorithms/ntm/train/loss.h"

#include <gtest/gtest.h>

#include "algorithms/ntm/train/testing_reference.h"

namespace clary::ntm {
namespace {

using kernels::Activation;
using testing_reference::all;

struct Case {
  const char* name;
  Activation activation;
  bool batch_norm;
  std::vector<std::int64_t> layers;
  std::int64_t vocabulary, topics;
  int threads;
};

const Case kCases[] = {
    {"sigmoid", Activation::kSigmoid, false, {9, 6}, 37, 3, 1},
    {"tanh", Activation::kTanh, false, {9, 6}, 37, 3, 2},
    {"relu", Activation::kRelu, false, {9, 6}, 37, 3, 2},
    {"sigmoid with batch norm", Activation::kSigmoid, true, {9, 6}, 37, 3, 2},
    {"tanh with batch norm", Activation::kTanh, true, {17, 5, 4}, 37, 3, 1},
    {"relu with batch norm", Activation::kRelu, true, {9, 6}, 37, 3, 3},
    {"one layer, wide", Activation::kTanh, false, {40}, 700, 21, 2},
    {"four layers, more threads than registers of words", Activation::kTanh, false, {20, 16, 15, 8}, 33, 17, 4},
};

Parameters gradient_of(const Parameters& p, const std::vector<Document>& documents, const Noise& noise, float weight,
                       int threads, LossSum* sum = nullptr) {
  Team team(threads);
  std::vector<std::int64_t> occurrences(static_cast<std::size_t>(p.shape.vocabulary), 1);
  WordIndex index(balanced_borders(occurrences, threads));
  team.run([&](int t) { index.build(t, documents); });
  Objective objective(team);
  Parameters gradient(p.shape);
  const LossSum found = objective.loss_and_gradient(p, documents, noise, weight, index, gradient);
  if (sum) *sum = found;
  for (int t = 0; t < threads; ++t) {
    const WordIndex::Share& s = index.share(t);
    for (std::size_t i = 0; i < s.words.size(); ++i) {
      const float* row = s.gradient.row(static_cast<std::int64_t>(i));
      std::copy(row, row + p.embedding.columns, gradient.embedding.row(s.words[i]));
    }
  }
  return gradient;
}

class NtmLoss : public ::testing::TestWithParam<Case> {
 protected:
  Shape shape() const {
    const Case& c = GetParam();
    return {c.vocabulary, c.topics, c.layers, c.activation, c.batch_norm};
  }
};

TEST_P(NtmLoss, EqualsPlainLoops) {
  const Parameters p = testing_reference::random_parameters(shape(), 5);
  const Documents documents = testing_reference::random_documents(300, GetParam().vocabulary, 20, 7);
  Team team(GetParam().threads);
  Objective objective(team);
  const Noise noise{3, 2, 1};
  const LossSum sum = objective.loss(p, all(documents), noise);
  const auto plain = testing_reference::loss(p, all(documents), noise, false);
  EXPECT_EQ(sum.documents, 300);
  EXPECT_NEAR(sum.reconstruction, plain.reconstruction, 2e-6 * plain.reconstruction);
  EXPECT_NEAR(sum.divergence, plain.divergence, 1e-5 * plain.divergence);
}

TEST_P(NtmLoss, GradientMatchesCentralDifferences) {
  Parameters p = testing_reference::random_parameters(shape(), 11);
  const Documents stored = testing_reference::random_documents(7, GetParam().vocabulary, 12, 3);
  const auto documents = all(stored);
  const Noise noise{9, 1, 4};
  LossSum sum;
  const Parameters gradient = gradient_of(p, documents, noise, 1, GetParam().threads, &sum);
  const auto plain = testing_reference::loss(p, documents, noise, true);
  EXPECT_NEAR(sum.total(), plain.total(), 1e-5 * plain.total());

  int checked = 0, kinks = 0;
  const auto check = [&](const char* name, Matrix& m, const Matrix& g) {
    const std::int64_t size = m.rows * m.columns;
    for (std::int64_t i = 0; i < size; i += 1 + size / 60) {
      float& w = m.at(i / m.columns, i % m.columns);
      const float old = w, step = 1.0f / 512;
      const auto at = [&](float x) {
        w = x;
        const double value = testing_reference::loss(p, documents, noise, true).total();
        w = old;
        return value;
      };
      const double up = at(old + step), middle = at(old), down = at(old - step);
      // Where a relu's kink lies between the points the two one-sided slopes differ: no derivative to compare with.
      if (std::abs(up + down - 2 * middle) > 0.005 * step * (1 + std::abs(up - down) / step)) {
        ++kinks;
        continue;
      }
      const double difference = (up - down) / (2 * static_cast<double>(step));
      EXPECT_NEAR(g.at(i / m.columns, i % m.columns), difference, 3e-4 + 3e-3 * std::abs(difference))
          << name << " " << i / m.columns << "," << i % m.columns;
      ++checked;
    }
  };
  check("embedding", p.embedding, gradient.embedding);
  check("embedding bias", p.embedding_bias, gradient.embedding_bias);
  for (std::size_t l = 0; l < p.hidden.size(); ++l) check("hidden", p.hidden[l], gradient.hidden[l]);
  check("decoder", p.decoder, gradient.decoder);
  for (std::size_t l = 0; l < p.shift.size(); ++l) check("shift", p.shift[l], gradient.shift[l]);
  check("head", p.head, gradient.head);
  EXPECT_GT(checked, 100);
  EXPECT_LT(kinks, checked / 4);
}

INSTANTIATE_TEST_SUITE_P(All, NtmLoss, ::testing::ValuesIn(kCases), [](const auto& row) {
  std::string name = row.param.name;
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
  return name;
});

TEST(NtmLossScale, LargeLogitsNeitherOverflowNorVanish) {
  const Shape shape{600, 4, {5}, Activation::kTanh, false};
  Parameters p = testing_reference::random_parameters(shape, 2);
  for (std::int64_t v = 0; v < 600; ++v)
    p.decoder.at(4, v) = v < 300 ? -90.0f : 70.0f * std::sin(static_cast<float>(v));
  const Documents stored = testing_reference::random_documents(9, 600, 30, 8);
  const Noise noise{1, 1, 1};
  for (const int threads : {1, 2}) {
    LossSum sum;
    const Parameters gradient = gradient_of(p, all(stored), noise, 1, threads, &sum);
    const auto plain = testing_reference::loss(p, all(stored), noise, true);
    EXPECT_NEAR(sum.total(), plain.total(), 1e-5 * plain.total());
    double column_sum = 0;  // the bias gradient of a softmax sums to zero
    for (std::int64_t v = 0; v < 600; ++v) column_sum += gradient.decoder.at(4, v);
    EXPECT_NEAR(column_sum, 0, 1e-4);
  }
}

TEST(NtmLossScale, LargeVocabulariesRecomputeInsteadOfKeepingExponentials) {
  // 140 documents x 20,000 words exceed what Decoder keeps: the second branch must give the same gradient as two
  // threads that do keep (their shares are half as large) and as a batch in two halves.
  const Shape shape{20000, 5, {6}, Activation::kSigmoid, false};
  const Parameters p = testing_reference::random_parameters(shape, 4, 0.2f);
  const Documents stored = testing_reference::random_documents(140, 20000, 40, 8);
  const auto documents = all(stored);
  const Noise noise{1, 1, 1};
  const Parameters whole = gradient_of(p, documents, noise, 1, 1);
  const Parameters first = gradient_of(p, {documents.begin(), documents.begin() + 40}, noise, 1, 1);
  const Parameters second = gradient_of(p, {documents.begin() + 40, documents.end()}, noise, 1, 4);
  for (std::int64_t k = 0; k <= 5; ++k) {
    for (std::int64_t v = 0; v < 20000; ++v) {
      const float sum = first.decoder.at(k, v) + second.decoder.at(k, v);
      ASSERT_NEAR(whole.decoder.at(k, v), sum, 2e-5 + 1e-4 * std::abs(sum)) << k << "," << v;
    }
  }
  for (std::int64_t c = 0; c < 6; ++c) {
    EXPECT_NEAR(whole.embedding_bias.at(0, c), first.embedding_bias.at(0, c) + second.embedding_bias.at(0, c), 1e-4);
  }
}

TEST(NtmLossWarmUp, WeighsOnlyTheDivergencesGradient) {
  const Shape shape{50, 3, {5}, Activation::kTanh, false};
  const Parameters p = testing_reference::random_parameters(shape, 2);
  const Documents stored = testing_reference::random_documents(9, 50, 10, 8);
  LossSum none, full;
  const Parameters g0 = gradient_of(p, all(stored), {}, 0, 1, &none), g1 = gradient_of(p, all(stored), {}, 1, 1, &full);
  const Parameters half = gradient_of(p, all(stored), {}, 0.5f, 1);
  EXPECT_EQ(none.total(), full.total());
  for (std::int64_t c = 0; c < 3; ++c) {
    EXPECT_NEAR(half.head.at(0, c), (g0.head.at(0, c) + g1.head.at(0, c)) / 2, 1e-5);
    EXPECT_NE(g0.head.at(0, c), g1.head.at(0, c));
  }
}

TEST(NtmNoise, IsStandardNormal) {
  double sum = 0, squares = 0, cubes = 0, fourth = 0;
  constexpr int kRows = 2000, kTopics = 101;
  float row[kTopics + 3];
  for (std::uint32_t d = 0; d < kRows; ++d) {
    draw_noise({7, 3, 1}, d, kTopics, row);
    for (int k = 0; k < kTopics; ++k) {
      const double x = row[k];
      sum += x, squares += x * x, cubes += x * x * x, fourth += x * x * x * x;
    }
  }
  constexpr double kCount = kRows * kTopics;
  EXPECT_NEAR(sum / kCount, 0, 0.01);
  EXPECT_NEAR(squares / kCount, 1, 0.015);
  EXPECT_NEAR(cubes / kCount, 0, 0.04);
  EXPECT_NEAR(fourth / kCount, 3, 0.1);
  float other[kTopics + 3];
  draw_noise({7, 3, 2}, kRows - 1, kTopics, other);
  EXPECT_NE(row[0], other[0]);
}

}  // namespace
}  // namespace clary::ntm
