// SPDX-License-Identifier: Apache-2.0
// Steps of the convolutional decoder (README.md, "Decoder"): each layer keeps its last kernel - 1 inputs, so that a
// step costs one position. Attention weights that are reported are the mean over the layers.
#include <fmt/format.h>

#include <algorithm>

#include "algorithms/seq2seq/decode/decoder_steps.h"
#include "algorithms/seq2seq/decode/row_buffer.h"
#include "algorithms/seq2seq/kernels/activation.h"
#include "algorithms/seq2seq/kernels/attention.h"
#include "algorithms/seq2seq/kernels/rows.h"
#include "algorithms/seq2seq/kernels/softmax.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

struct Layer {
  nn::PackedMatrix weight;  // [O, width * H]
  numeric::Floats bias;     // [O]
};

struct CnnWeights {
  std::int64_t units, kernel_width;
  ConvActivation activation;
  Table table, positions;
  nn::PackedMatrix projection;
  std::vector<Layer> layers;

  explicit CnnWeights(const Source& source)
      : units(source.architecture.cnn_hidden),
        kernel_width(source.architecture.kernel_width_decoder),
        activation(source.architecture.activation),
        table(source, "target_embed.weight"),
        positions(source, "decoder.pos"),
        projection(source.matrix("decoder.in.weight")) {
    for (std::int64_t k = 0; k < source.architecture.decoder_layers; ++k)
      layers.push_back({source.convolution(fmt::format("decoder.conv{}.weight", k)),
                        source.copy(fmt::format("decoder.conv{}.bias", k))});
  }
};

class CnnSteps : public DecoderSteps {
 public:
  CnnSteps(const CnnWeights& weights, const Encoded& encoded)
      : weights_(weights),
        encoded_(encoded),
        words_(weights.table.width),
        h_(weights.units),
        z_(weights.units),
        sums_(weights.layers.front().weight.outputs()),
        context_(weights.units),
        alpha_(encoded.length(0)),
        mean_alpha_(encoded.length(0)) {
    for (std::size_t k = 0; k < weights.layers.size(); ++k) {
      windows_.emplace_back(weights.kernel_width * weights.units).reserve(encoded.sentences());
      windows_.back().zero();
    }
    context_.reserve(1);
    alpha_.reserve(1);
  }

  void select(std::span<const std::int32_t> parents) override {
    for (RowBuffer& window : windows_) window.select(parents);
  }

  std::span<const float> step(std::span<const std::int32_t> words, std::span<const std::int32_t> sentences) override {
    const auto rows = static_cast<std::int64_t>(words.size());
    for (RowBuffer* buffer : {&words_, &h_, &z_, &sums_, &mean_alpha_}) buffer->reserve(rows);
    mean_alpha_.zero();
    embed(words);
    for (std::size_t k = 0; k < weights_.layers.size(); ++k) {
      convolve(k, rows);
      for (std::int64_t r = 0; r < rows; ++r) attend(r, sentences[at(r)]);
    }
    ++position_;
    return {h_.row(0), at(rows * weights_.units)};
  }

  const float* attention(std::int64_t row) const override { return mean_alpha_.row(row); }

 private:
  void embed(std::span<const std::int32_t> words) {
    const auto rows = static_cast<std::int64_t>(words.size());
    const std::int64_t width = weights_.table.width;
    const float* position = weights_.positions.row(position_);
    for (std::int64_t r = 0; r < rows; ++r)
      std::transform(position, position + width, weights_.table.row(words[at(r)]), words_.row(r), std::plus<>());
    weights_.projection.multiply(rows, words_.row(0), width, h_.row(0), weights_.units);
  }

  /// z = block(h); the layer's window moves on by one step.
  void convolve(std::size_t k, std::int64_t rows) {
    const Layer& layer = weights_.layers[k];
    RowBuffer& window = windows_[k];
    const std::int64_t units = weights_.units, before = window.width() - units;
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(h_.row(r), units, window.row(r) + before);
    layer.weight.multiply(rows, window.row(0), window.width(), sums_.row(0), sums_.width());
    kernels::activate(weights_.activation, rows, units, layer.bias.data(), sums_.row(0), z_.row(0));
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy(window.row(r) + units, window.row(r) + window.width(), window.row(r));
  }

  /// h += z + attention of z, for one row.
  void attend(std::int64_t r, std::int64_t sentence) {
    const std::int64_t units = weights_.units, positions = encoded_.length(sentence);
    float* alpha = alpha_.row(0);
    kernels::dot_scores(positions, units, encoded_.of(sentence), units, z_.row(r), alpha);
    kernels::softmax_rows(1, positions, alpha, positions);
    kernels::weighted_sum(positions, units, encoded_.of(sentence), units, alpha, context_.row(0));
    kernels::add(units, z_.row(r), h_.row(r));
    kernels::add(units, context_.row(0), h_.row(r));
    const float share = 1.0F / static_cast<float>(weights_.layers.size());
    for (std::int64_t s = 0; s < positions; ++s) mean_alpha_.row(r)[s] += share * alpha[s];
  }

  const CnnWeights& weights_;
  const Encoded& encoded_;
  std::int64_t position_ = 0;
  std::vector<RowBuffer> windows_;  // by layer: [rows, width * H], the last step's inputs at the end
  RowBuffer words_, h_, z_, sums_;  // [rows, E], [rows, H] twice, [rows, O]
  RowBuffer context_, alpha_;       // of one row
  RowBuffer mean_alpha_;            // [rows, longest sentence]
};

class CnnDecoderWeights : public DecoderWeights {
 public:
  explicit CnnDecoderWeights(const Source& source) : weights_(source) {}
  std::unique_ptr<DecoderSteps> start(const Encoded& encoded) const override {
    return std::make_unique<CnnSteps>(weights_, encoded);
  }

 private:
  CnnWeights weights_;
};

}  // namespace

std::unique_ptr<const DecoderWeights> make_cnn_decoder_weights(const Source& source) {
  return std::make_unique<CnnDecoderWeights>(source);
}

}  // namespace clary::seq2seq
