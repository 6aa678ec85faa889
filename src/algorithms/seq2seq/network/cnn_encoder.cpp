// SPDX-License-Identifier: Apache-2.0
// The convolutional encoder: h = input, then h <- h + block(h) for each layer. Rows of padding are zero throughout,
// which is the same as masking each block's input, for nobody else reads them.
#include <fmt/format.h>

#include <algorithm>
#include <vector>

#include "algorithms/seq2seq/network/conv_block.h"
#include "algorithms/seq2seq/network/conv_input.h"
#include "algorithms/seq2seq/network/embedding.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

class CnnEncoder : public Encoder {
 public:
  CnnEncoder(const Architecture& a, const Dropout& dropout)
      : units_(a.cnn_hidden),
        input_("encoder", "source_embed.weight", a.num_embed_source, a.cnn_hidden, dropout.embed_source,
               kernels::kSourceEmbedding) {
    for (std::int64_t l = 0; l < a.encoder_layers; ++l)
      blocks_.emplace_back(fmt::format("encoder.conv{}", l), a, a.kernel_width_encoder,
                           (a.kernel_width_encoder - 1) / 2);
  }

  std::span<const float> forward(const Pass& pass) override {
    const Side side = source_side(pass.batch);
    h_.resize(at(side.rows() * units_));
    z_.resize(h_.size());
    input_.forward(pass, side, h_.data());
    for (ConvBlock& block : blocks_) {
      block.prepare(pass, side.steps);
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        std::copy(h_.data() + begin * units_, h_.data() + end * units_, block.input() + begin * units_);
      });
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        block.forward(pass, begin, end, z_.data());
        zero_padding(side, begin, end, units_, z_.data());
        for (std::int64_t i = begin * units_; i < end * units_; ++i) h_[at(i)] += z_[at(i)];
      });
    }
    return h_;
  }

  void backward(const Pass& pass, std::span<const float> output_gradient, std::span<float> gradients) override {
    const Side side = source_side(pass.batch);
    dh_.assign(output_gradient.begin(), output_gradient.end());
    for (std::size_t l = blocks_.size(); l-- > 0;) {
      blocks_[l].backward(pass, dh_.data(), gradients, z_.data());  // z_ becomes the gradient of the block's input
      each_share(pass, side, [&](std::int64_t begin, std::int64_t end) {
        zero_padding(side, begin, end, units_, z_.data());
        for (std::int64_t i = begin * units_; i < end * units_; ++i) dh_[at(i)] += z_[at(i)];
      });
    }
    input_.backward(pass, side, dh_.data(), gradients);
  }

 private:
  template <class F>
  static void each_share(const Pass& pass, const Side& side, const F& f) {
    pass.team.run([&](int thread) {
      const auto [begin, end] = numeric::share(side.rows(), thread, pass.team.size());
      f(begin, end);
    });
  }

  std::int64_t units_;
  ConvInput input_;
  std::vector<ConvBlock> blocks_;
  numeric::UntouchedFloats h_, z_, dh_;  // [S B, H]
};

}  // namespace

std::unique_ptr<Encoder> make_cnn_encoder(const Architecture& architecture, const Dropout& dropout) {
  return std::make_unique<CnnEncoder>(architecture, dropout);
}

std::int64_t cnn_encoder_floats(const Architecture& a, const BatchShape& shape) {
  const std::int64_t rows = shape.rows * shape.source_steps;
  return rows * (3 * a.cnn_hidden + 2 * a.num_embed_source) +
         a.encoder_layers * ConvBlock::floats(a, a.kernel_width_encoder, shape.rows, shape.source_steps);
}

}  // namespace clary::seq2seq
