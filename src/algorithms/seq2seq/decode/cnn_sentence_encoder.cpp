// SPDX-License-Identifier: Apache-2.0
// The convolutional encoder. All sentences lie in one array with as many rows of zeros around each as a kernel reaches
// over its ends, so that the input of a convolution at a row is the memory from `reach` rows before it on: nothing is
// unfolded, and a layer is one product. Sums of rows between the sentences belong to nobody.
#include <fmt/format.h>

#include <algorithm>

#include "algorithms/seq2seq/decode/sentence_encoder.h"
#include "algorithms/seq2seq/kernels/activation.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using numeric::UntouchedFloats;

struct Layer {
  nn::PackedMatrix weight;  // [O, width * H]
  numeric::Floats bias;     // [O]
};

class CnnSentenceEncoder : public SentenceEncoder {
 public:
  explicit CnnSentenceEncoder(const Source& source)
      : units_(source.architecture.cnn_hidden),
        reach_((source.architecture.kernel_width_encoder - 1) / 2),
        activation_(source.architecture.activation),
        table_(source, "source_embed.weight"),
        positions_(source, "encoder.pos"),
        projection_(source.matrix("encoder.in.weight")) {
    for (std::int64_t k = 0; k < source.architecture.encoder_layers; ++k)
      layers_.push_back({source.convolution(fmt::format("encoder.conv{}.weight", k)),
                         source.copy(fmt::format("encoder.conv{}.bias", k))});
  }

  Encoded encode(std::span<const Ids> sentences) const override {
    Encoded encoded(sentences, units_);
    const std::int64_t n = encoded.sentences();
    // Row of h of a sentence's first position.
    const auto start = [&](std::int64_t i) { return encoded.first[at(i)] + (i + 1) * reach_; };
    const std::int64_t rows = encoded.positions() + (n + 1) * reach_;
    numeric::Floats h(at(rows * units_), 0.0F);
    for (std::int64_t i = 0; i < n; ++i) embed(sentences[at(i)], h.data() + start(i) * units_);
    const std::int64_t sums_rows = rows - 2 * reach_;  // of the array's rows from `reach_` on
    UntouchedFloats sums(at(sums_rows * layers_.front().weight.outputs())), z(at(sums_rows * units_));
    for (const Layer& layer : layers_) {
      layer.weight.multiply(sums_rows, h.data(), units_, sums.data(), layer.weight.outputs());
      kernels::activate(activation_, sums_rows, units_, layer.bias.data(), sums.data(), z.data());
      for (std::int64_t i = 0; i < n; ++i) {
        const float* from = z.data() + (start(i) - reach_) * units_;
        float* to = h.data() + start(i) * units_;
        for (std::int64_t j = 0; j < encoded.length(i) * units_; ++j) to[j] += from[j];
      }
    }
    for (std::int64_t i = 0; i < n; ++i)
      std::copy_n(h.data() + start(i) * units_, encoded.length(i) * units_,
                  encoded.values.data() + encoded.first[at(i)] * units_);
    return encoded;
  }

 private:
  /// (word + position) projected: [length, H]
  void embed(Ids ids, float* to) const {
    const auto length = static_cast<std::int64_t>(ids.size());
    UntouchedFloats x(ids.size() * at(table_.width));
    for (std::int64_t t = 0; t < length; ++t)
      std::transform(table_.row(ids[at(t)]), table_.row(ids[at(t)]) + table_.width, positions_.row(t),
                     x.data() + t * table_.width, std::plus<>());
    projection_.multiply(length, x.data(), table_.width, to, units_);
  }

  std::int64_t units_, reach_;
  ConvActivation activation_;
  Table table_, positions_;
  nn::PackedMatrix projection_;
  std::vector<Layer> layers_;
};

}  // namespace

std::unique_ptr<const SentenceEncoder> make_cnn_sentence_encoder(const Source& source) {
  return std::make_unique<CnnSentenceEncoder>(source);
}

}  // namespace clary::seq2seq
