// SPDX-License-Identifier: Apache-2.0
// The convolutional decoder: h = input, then for each layer z = block(drop(h)), c = attention of z over the encoder's
// outputs (scores <z, h_s>, not scaled; the values are the outputs themselves), h <- h + z + c. The blocks see the past
// alone, and rows of padding come after the end of a target: they need no mask, but are zero all the same.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "algorithms/seq2seq/kernels/softmax.h"
#include "algorithms/seq2seq/network/conv_block.h"
#include "algorithms/seq2seq/network/conv_input.h"
#include "algorithms/seq2seq/network/embedding.h"
#include "learning/nn/product.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using nn::product;
using nn::Transposed;
using numeric::at;

struct Layer {
  ConvBlock block;
  numeric::UntouchedFloats z;      // [T B, H]
  numeric::UntouchedFloats alpha;  // [B, T, S]; defined in a pair's own steps
};

class CnnDecoder : public Decoder {
 public:
  CnnDecoder(const Architecture& a, const Dropout& dropout)
      : units_(a.cnn_hidden),
        block_dropout_(dropout.cnn_hidden),
        input_("decoder", "target_embed.weight", a.num_embed_target, a.cnn_hidden, dropout.embed_target,
               kernels::kTargetEmbedding) {
    for (std::int64_t l = 0; l < a.decoder_layers; ++l)
      layers_.push_back(
          {ConvBlock(fmt::format("decoder.conv{}", l), a, a.kernel_width_decoder, a.kernel_width_decoder - 1), {}, {}});
  }

  std::span<const float> forward(const Pass& pass, std::span<const float> encoded) override {
    const Side side = target_side(pass.batch);
    h_.resize(at(side.rows() * units_));
    input_.forward(pass, side, h_.data());
    for (std::size_t l = 0; l < layers_.size(); ++l) {
      Layer& layer = layers_[l];
      layer.z.resize(h_.size());
      layer.alpha.resize(at(side.rows() * pass.batch.source_steps));
      layer.block.prepare(pass, side.steps);
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        float* x = layer.block.input() + begin * units_;
        std::copy(h_.data() + begin * units_, h_.data() + end * units_, x);
        kernels::drop(mask(pass, l), begin, end - begin, units_, x, units_);
      });
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        layer.block.forward(pass, begin, end, layer.z.data());
        zero_padding(side, begin, end, units_, layer.z.data());
        add(begin, end, layer.z, h_);
      });
      each_pair(pass, [&](std::int64_t pair) { attend(pass.batch, pair, encoded.data(), layer); });
    }
    return h_;
  }

  void backward(const Pass& pass, std::span<const float> encoded, std::span<const float> feature_gradient,
                std::span<float> gradients, std::span<float> encoded_gradient) override {
    const Side side = target_side(pass.batch);
    dh_.assign(feature_gradient.begin(), feature_gradient.end());
    dz_.resize(dh_.size());
    dx_.resize(dh_.size());
    std::fill(encoded_gradient.begin(), encoded_gradient.end(), 0.0F);
    scores_.resize(at(pass.team.size() * side.steps * pass.batch.source_steps));
    for (std::size_t l = layers_.size(); l-- > 0;) {
      Layer& layer = layers_[l];
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        std::copy(dh_.data() + begin * units_, dh_.data() + end * units_, dz_.data() + begin * units_);
      });
      pass.team.run([&](int thread) {
        float* scores = scores_.data() + thread * side.steps * pass.batch.source_steps;
        const auto [first, last] = numeric::share(pass.batch.rows, thread, pass.team.size());
        for (std::int64_t pair = first; pair < last; ++pair)
          attend_backward(pass.batch, pair, encoded.data(), layer, scores, encoded_gradient.data());
      });
      layer.block.backward(pass, dz_.data(), gradients, dx_.data());
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        kernels::drop(mask(pass, l), begin, end - begin, units_, dx_.data() + begin * units_, units_);
        zero_padding(side, begin, end, units_, dx_.data());
        add(begin, end, dx_, dh_);
      });
    }
    input_.backward(pass, side, dh_.data(), gradients);
  }

 private:
  kernels::DropoutMask mask(const Pass& pass, std::size_t layer) const {
    return dropout_mask(pass, block_dropout_, kernels::kConvolution + static_cast<std::uint32_t>(layer));
  }

  template <class F>
  static void each_share(const Pass& pass, const Side& side, const F& f) {
    pass.team.run([&](int thread) {
      const auto [begin, end] = numeric::share(side.rows(), thread, pass.team.size());
      f(begin, end);
    });
  }

  template <class F>
  static void each_pair(const Pass& pass, const F& f) {
    pass.team.run([&](int thread) {
      const auto [begin, end] = numeric::share(pass.batch.rows, thread, pass.team.size());
      for (std::int64_t pair = begin; pair < end; ++pair) f(pair);
    });
  }

  void add(std::int64_t begin, std::int64_t end, const numeric::UntouchedFloats& x,
           numeric::UntouchedFloats& to) const {
    for (std::int64_t i = begin * units_; i < end * units_; ++i) to[at(i)] += x[at(i)];
  }

  /// h += softmax(z K^T) K over the true steps of one pair; K are its encoder outputs. A pair's steps are B rows apart.
  void attend(const Batch& batch, std::int64_t pair, const float* encoded, Layer& layer) {
    const std::int64_t steps = batch.target_length[at(pair)], words = batch.source_length[at(pair)];
    const std::int64_t stride = batch.rows * units_, at_pair = pair * units_, columns = batch.source_steps;
    float* alpha = layer.alpha.data() + pair * batch.target_steps * columns;
    product(steps, words, units_, {layer.z.data() + at_pair, stride}, {encoded + at_pair, stride, Transposed::kYes},
            0.0F, alpha, columns);
    kernels::softmax_rows(steps, words, alpha, columns);
    product(steps, units_, words, {alpha, columns}, {encoded + at_pair, stride}, 1.0F, h_.data() + at_pair, stride);
  }

  /// dz_ += the attention's part; dK += that of scores and of values.
  /// @param scores  [T, S] of the calling thread
  void attend_backward(const Batch& batch, std::int64_t pair, const float* encoded, const Layer& layer, float* scores,
                       float* encoded_gradient) {
    const std::int64_t steps = batch.target_length[at(pair)], words = batch.source_length[at(pair)];
    const std::int64_t stride = batch.rows * units_, at_pair = pair * units_, columns = batch.source_steps;
    const float *alpha = layer.alpha.data() + pair * batch.target_steps * columns, *dh = dh_.data() + at_pair;
    const nn::MatrixView keys{encoded + at_pair, stride};
    product(steps, words, units_, {dh, stride}, {keys.values, stride, Transposed::kYes}, 0.0F, scores, columns);
    kernels::softmax_rows_backward(steps, words, alpha, scores, columns);
    product(steps, units_, words, {scores, columns}, keys, 1.0F, dz_.data() + at_pair, stride);
    product(words, units_, steps, {alpha, columns, Transposed::kYes}, {dh, stride}, 1.0F, encoded_gradient + at_pair,
            stride);
    product(words, units_, steps, {scores, columns, Transposed::kYes}, {layer.z.data() + at_pair, stride}, 1.0F,
            encoded_gradient + at_pair, stride);
  }

  std::int64_t units_;
  double block_dropout_;
  ConvInput input_;
  std::vector<Layer> layers_;
  numeric::UntouchedFloats h_, dh_, dz_, dx_;  // [T B, H]
  numeric::UntouchedFloats scores_;            // [threads, T, S]
};

}  // namespace

std::unique_ptr<Decoder> make_cnn_decoder(const Architecture& architecture, const Dropout& dropout) {
  return std::make_unique<CnnDecoder>(architecture, dropout);
}

std::int64_t cnn_decoder_floats(const Architecture& a, const BatchShape& shape) {
  const std::int64_t rows = shape.rows * shape.target_steps;
  const std::int64_t layer = rows * (a.cnn_hidden + shape.source_steps) +
                             ConvBlock::floats(a, a.kernel_width_decoder, shape.rows, shape.target_steps);
  return rows * (4 * a.cnn_hidden + 2 * a.num_embed_target) + a.decoder_layers * layer;
}

}  // namespace clary::seq2seq
