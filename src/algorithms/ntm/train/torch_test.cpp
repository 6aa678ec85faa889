// SPDX-License-Identifier: Apache-2.0
// The same model on LibTorch's autograd: an implementation that shares no line with the kernels. Runs on the GPU when
// there is one.
#include <gtest/gtest.h>
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wshadow"
#include <torch/torch.h>
#pragma GCC diagnostic pop

#include "algorithms/ntm/train/loss.h"
#include "algorithms/ntm/train/testing_reference.h"

namespace clary::ntm {
namespace {

/// A leaf of rows [from, to) and columns [first, first + count) of m.
torch::Tensor leaf(const Matrix& m, std::int64_t from, std::int64_t to, std::int64_t first, std::int64_t count,
                   torch::Device device) {
  auto t = torch::empty({to - from, count});
  auto a = t.accessor<float, 2>();
  for (std::int64_t r = from; r < to; ++r)
    for (std::int64_t c = 0; c < count; ++c) a[r - from][c] = m.at(r, first + c);
  return t.to(device).requires_grad_(true);
}

torch::Tensor activate(kernels::Activation kind, const torch::Tensor& x) {
  if (kind == kernels::Activation::kSigmoid) return torch::sigmoid(x);
  if (kind == kernels::Activation::kTanh) return torch::tanh(x);
  return torch::relu(x);
}

/// Largest difference of our gradient from autograd's, relative to the largest number in it.
double distance(const torch::Tensor& theirs, const Matrix& own, std::int64_t first = 0) {
  const auto t = theirs.grad().cpu().contiguous();
  const auto a = t.accessor<float, 2>();
  double most = 0, scale = 1e-6;
  for (std::int64_t r = 0; r < t.size(0); ++r) {
    for (std::int64_t c = 0; c < t.size(1); ++c) {
      most = std::max<double>(most, std::abs(a[r][c] - own.at(r, first + c)));
      scale = std::max<double>(scale, std::abs(a[r][c]));
    }
  }
  return most / scale;
}

class NtmTorch : public ::testing::TestWithParam<std::tuple<kernels::Activation, bool>> {};

TEST_P(NtmTorch, AutogradGivesTheSameLossAndGradient) {
  const auto [activation, norm] = GetParam();
  const Shape shape{900, 20, {60, 40}, activation, norm};
  const Parameters p = testing_reference::random_parameters(shape, 5, 0.2f);
  const Documents stored = testing_reference::random_documents(130, 900, 40, 6);
  const auto documents = testing_reference::all(stored);
  const Noise noise{4, 3, 2};
  const auto rows = static_cast<std::int64_t>(documents.size());
  const torch::Device device(torch::cuda::is_available() ? torch::kCUDA : torch::kCPU);

  auto x = torch::zeros({rows, 900}), eps = torch::zeros({rows, 20});
  for (std::int64_t d = 0; d < rows; ++d) {
    const Document& doc = documents[static_cast<std::size_t>(d)];
    for (std::int64_t i = 0; i < doc.size; ++i) x[d][doc.words[i]] = doc.counts[i];
    float row[24];
    draw_noise(noise, doc.number, 20, row);
    for (std::int64_t k = 0; k < 20; ++k) eps[d][k] = row[k];
  }
  x = x.to(device), eps = eps.to(device);
  const auto embedding = leaf(p.embedding, 0, 900, 0, 60, device);
  const auto embedding_bias = leaf(p.embedding_bias, 0, 1, 0, 60, device);
  const auto hidden = leaf(p.hidden[0], 0, 61, 0, 40, device);
  const auto head_mean = leaf(p.head, 0, 41, 0, 20, device), head_ls = leaf(p.head, 0, 41, shape.half(), 20, device);
  const auto decoder = leaf(p.decoder, 0, 21, 0, 900, device);
  std::vector<torch::Tensor> shift;
  for (const Matrix& m : p.shift) shift.push_back(leaf(m, 0, 1, 0, m.columns, device));
  const auto ones = torch::ones({rows, 1}, device);
  const auto layer = [&](torch::Tensor a, std::size_t l) {
    if (norm) a = (a - a.mean(0)) / torch::sqrt(a.var(0, false) + 1e-3) + shift[l];
    return activate(activation, a);
  };
  auto a = layer(torch::mm(x, embedding) + embedding_bias, 0);
  a = layer(torch::mm(torch::cat({a, ones}, 1), hidden), 1);
  a = torch::cat({a, ones}, 1);
  const auto mean = torch::mm(a, head_mean), ls = torch::mm(a, head_ls);
  const auto z = torch::relu(mean + torch::exp(ls) * eps);
  const auto y = torch::log_softmax(torch::mm(torch::cat({z, ones}, 1), decoder), 1);
  const auto tokens = x.sum(1);
  const auto reconstruction = -(x * y).sum(1) / tokens;
  const auto divergence = 0.5 * (mean * mean + torch::exp(2 * ls) - 2 * ls - 1).sum(1) / tokens;
  const auto total = (reconstruction + divergence).sum();
  total.backward();

  Team team(2);
  WordIndex index({0, 400, 900});
  team.run([&](int t) { index.build(t, documents); });
  Objective objective(team);
  Parameters gradient(shape);
  const LossSum sum = objective.loss_and_gradient(p, documents, noise, 1, index, gradient);
  for (int t = 0; t < 2; ++t) {
    const WordIndex::Share& s = index.share(t);
    for (std::size_t i = 0; i < s.words.size(); ++i) {
      const float* row = s.gradient.row(static_cast<std::int64_t>(i));
      std::copy(row, row + 60, gradient.embedding.row(s.words[i]));
    }
  }
  EXPECT_NEAR(sum.total(), total.item<double>(), 1e-5 * sum.total());
  EXPECT_LT(distance(embedding, gradient.embedding), 1e-4);
  EXPECT_LT(distance(hidden, gradient.hidden[0]), 1e-4);
  EXPECT_LT(distance(head_mean, gradient.head), 1e-4);
  EXPECT_LT(distance(head_ls, gradient.head, shape.half()), 1e-4);
  EXPECT_LT(distance(decoder, gradient.decoder), 1e-4);
  if (!norm) {
    EXPECT_LT(distance(embedding_bias, gradient.embedding_bias), 1e-4);
  }
  for (std::size_t l = 0; l < shift.size(); ++l) EXPECT_LT(distance(shift[l], gradient.shift[l]), 1e-4);
}

INSTANTIATE_TEST_SUITE_P(All, NtmTorch,
                         ::testing::Combine(::testing::Values(kernels::Activation::kSigmoid, kernels::Activation::kTanh,
                                                              kernels::Activation::kRelu),
                                            ::testing::Bool()));

}  // namespace
}  // namespace clary::ntm
