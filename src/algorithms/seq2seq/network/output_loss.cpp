// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/output_loss.h"

#include <algorithm>

#include "learning/numeric/gemm.h"

namespace clary::seq2seq {
namespace {

using nn::Transposed;
using numeric::at;

/// Labels of a slice: with more, logits leave the caches; with fewer, the gradient of the weights, to which every slice
/// adds, is read and written too often. Large vocabularies have slices of some 64 MiB.
std::int64_t slice_labels(std::int64_t labels, std::int64_t words) {
  constexpr std::int64_t kMost = 512, kFewest = 64, kFloats = 16 << 20;
  const std::int64_t most = std::clamp(kFloats / words, kFewest, kMost);
  const std::int64_t slices = std::max<std::int64_t>((labels + most - 1) / most, 1);
  return (labels + slices - 1) / slices;
}

/// Rows that are a multiple of 1 KiB apart would fall on the same few cache sets.
std::int64_t logit_stride(std::int64_t words) {
  const std::int64_t padded = numeric::padded(words);
  return padded % 256 == 0 ? padded + numeric::kPad : padded;
}

}  // namespace

void OutputLoss::gather(const Pass& pass, std::span<const float> features) {
  rows_.clear();
  for (std::size_t i = 0; i < pass.batch.labels.size(); ++i)
    if (pass.batch.labels[i] != kPad) rows_.push_back(static_cast<std::int64_t>(i));
  const auto labels = static_cast<std::int64_t>(rows_.size());
  scores_.resize(rows_.size());
  gathered_.reshape(labels, width_);
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(labels, thread, pass.team.size());
    for (std::int64_t i = begin; i < end; ++i)
      std::copy_n(features.data() + rows_[at(i)] * width_, width_, gathered_.row(i));
  });
}

void OutputLoss::scatter_gradient(const Pass& pass) {
  const auto labels = static_cast<std::int64_t>(rows_.size());
  feature_gradient_.reshape(static_cast<std::int64_t>(pass.batch.labels.size()), width_);
  feature_gradient_.zero();
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(labels, thread, pass.team.size());
    for (std::int64_t i = begin; i < end; ++i)
      std::copy_n(gathered_gradient_.row(i), width_, feature_gradient_.row(rows_[at(i)]));
  });
}

void OutputLoss::slice_logits(const Pass& pass, std::int64_t first, std::int64_t n) {
  product(pass.team, n, words_, width_, {gathered_.row(first), width_},
          {pass.parameters.of("output.weight").data(), width_, Transposed::kYes}, 0, logits_.row(0), logits_.width());
}

/// Logits become gradients of the loss times `scale`.
void OutputLoss::slice_losses(const Pass& pass, std::int64_t first, std::int64_t n, float scale) {
  const float* bias = pass.parameters.of("output.bias").data();
  pass.team.run([&](int thread) {
    const auto [begin, end] = numeric::share(n, thread, pass.team.size());
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int32_t label = pass.batch.labels[at(rows_[at(first + i)])];
      scores_[at(first + i)] = kernels::cross_entropy(words_, bias, label, scale, logits_.row(i));
    }
  });
}

Score OutputLoss::sum(const Pass& pass) const {
  Score score;
  for (const kernels::LabelScore& label : scores_) {
    score.nats += static_cast<double>(label.nats);
    score.correct += label.is_largest ? 1 : 0;
  }
  score.labels = pass.batch.label_count;
  return score;
}

Score OutputLoss::evaluate(const Pass& pass, std::span<const float> features) {
  gather(pass, features);
  const std::int64_t labels = gathered_.rows(), slice = slice_labels(labels, words_);
  logits_.reshape(slice, logit_stride(words_));
  for (std::int64_t first = 0; first < labels; first += slice) {
    const std::int64_t n = std::min(slice, labels - first);
    slice_logits(pass, first, n);
    slice_losses(pass, first, n, 0);
  }
  return sum(pass);
}

std::span<const float> OutputLoss::train(const Pass& pass, std::span<const float> features, std::span<float> gradients,
                                         Score& score) {
  gather(pass, features);
  const Tensor& weight = pass.parameters.tensor("output.weight");
  float* weight_gradient = gradients.data() + weight.offset;
  float* bias_gradient = gradients.data() + pass.parameters.tensor("output.bias").offset;
  const std::int64_t labels = gathered_.rows(), slice = slice_labels(labels, words_);
  const float scale = 1 / static_cast<float>(labels);
  logits_.reshape(slice, logit_stride(words_));
  gathered_gradient_.reshape(labels, width_);
  for (std::int64_t first = 0; first < labels; first += slice) {
    const std::int64_t n = std::min(slice, labels - first), stride = logits_.width();
    const float beta = first == 0 ? 0.0F : 1.0F;
    slice_logits(pass, first, n);
    slice_losses(pass, first, n, scale);
    product(pass.team, n, width_, words_, logits_.view(), {pass.parameters.of(weight).data(), width_}, 0,
            gathered_gradient_.row(first), width_);
    product(pass.team, words_, width_, n, logits_.view(Transposed::kYes), {gathered_.row(first), width_}, beta,
            weight_gradient, width_);
    column_sums(pass.team, n, words_, logits_.row(0), stride, beta, bias_gradient);
  }
  scatter_gradient(pass);
  score = sum(pass);
  return feature_gradient_.values();
}

std::int64_t OutputLoss::floats(const Architecture& architecture, std::int64_t rows, std::int64_t target_steps) {
  const std::int64_t labels = rows * target_steps, words = architecture.target_vocabulary;
  return 3 * labels * architecture.decoder_width() + slice_labels(labels, words) * logit_stride(words);
}

}  // namespace clary::seq2seq
