// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/attention.h"

#include <algorithm>

#include "algorithms/seq2seq/kernels/attention.h"
#include "algorithms/seq2seq/kernels/softmax.h"

namespace clary::seq2seq {

using numeric::at;

AttentionWeights::AttentionWeights(const Source& from) : kind(from.architecture.attention) {
  if (from.parameters.find("attention.source.weight") != nullptr) source = from.matrix("attention.source.weight");
  if (from.parameters.find("attention.query.weight") != nullptr) query = from.matrix("attention.query.weight");
  if (kind == Attention::kMlp) v = from.copy("attention.v.weight");
}

AttentionSteps::AttentionSteps(const AttentionWeights& weights, const Encoded& encoded)
    : weights_(weights),
      encoded_(encoded),
      key_width_(weights.source ? weights.source->outputs() : encoded.width),
      queries_(weights.query ? weights.query->outputs() : 0),
      alpha_(encoded.length(0)) {
  if (!weights.source) return;
  keys_.resize(at(encoded.positions() * key_width_));
  weights.source->multiply(encoded.positions(), encoded.values.data(), encoded.width, keys_.data(), key_width_);
}

void AttentionSteps::scores(std::int64_t sentence, const float* query, float* out) const {
  const std::int64_t positions = encoded_.length(sentence), first = encoded_.first[at(sentence)];
  const float* keys = weights_.source ? keys_.data() + first * key_width_ : encoded_.of(sentence);
  if (weights_.kind == Attention::kMlp)
    kernels::mlp_scores(positions, key_width_, keys, key_width_, query, weights_.v.data(), out);
  else
    kernels::dot_scores(positions, key_width_, keys, key_width_, query, out);
}

void AttentionSteps::step(std::span<const std::int32_t> sentences, nn::Rows<const float> query,
                          nn::Rows<float> context) {
  const auto rows = static_cast<std::int64_t>(sentences.size());
  alpha_.reserve(rows);
  if (weights_.query) {
    queries_.reserve(rows);
    weights_.query->multiply(rows, query.values, query.stride, queries_.row(0), queries_.width());
    query = {queries_.row(0), queries_.width()};
  }
  for (std::int64_t r = 0; r < rows; ++r) {
    const std::int64_t sentence = sentences[at(r)], positions = encoded_.length(sentence);
    float* alpha = alpha_.row(r);
    if (weights_.kind == Attention::kFixed) {
      std::fill_n(alpha, positions - 1, 0.0F);
      alpha[positions - 1] = 1;
      std::copy_n(encoded_.of(sentence) + (positions - 1) * encoded_.width, encoded_.width, context.row(r));
      continue;
    }
    scores(sentence, query.row(r), alpha);
    kernels::softmax_rows(1, positions, alpha, positions);
    kernels::weighted_sum(positions, encoded_.width, encoded_.of(sentence), encoded_.width, alpha, context.row(r));
  }
}

}  // namespace clary::seq2seq
