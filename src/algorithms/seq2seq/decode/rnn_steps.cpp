// SPDX-License-Identifier: Apache-2.0
// Steps of the recurrent decoder (README.md, "Decoder"): u = [embedding of the previous word ; a of the step before]
// runs through the layers, attention gives the context c, and a = tanh(W_h [r ; c] + b) is what the output layer reads.
#include <fmt/format.h>

#include <algorithm>

#include "algorithms/seq2seq/decode/attention.h"
#include "algorithms/seq2seq/decode/decoder_steps.h"
#include "algorithms/seq2seq/decode/row_buffer.h"
#include "algorithms/seq2seq/kernels/attention.h"
#include "algorithms/seq2seq/kernels/rows.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

/// Of one initial state: tanh(W x + b).
struct InitWeights {
  nn::PackedMatrix weight;
  numeric::Floats bias;
};

struct RnnWeights {
  Architecture architecture;
  Table table;
  std::vector<PackedCell> cells;
  std::vector<InitWeights> init;  // layer by layer: h, then c of an LSTM
  AttentionWeights attention;
  nn::PackedMatrix hidden;
  numeric::Floats hidden_bias;

  explicit RnnWeights(const Source& source)
      : architecture(source.architecture),
        table(source, "target_embed.weight"),
        attention(source),
        hidden(source.matrix("decoder.hidden.weight")),
        hidden_bias(source.copy("decoder.hidden.bias")) {
    for (std::int64_t k = 0; k < architecture.decoder_layers; ++k) {
      cells.emplace_back(source, fmt::format("decoder.l{}", k));
      if (architecture.state_init == StateInit::kZero) continue;
      for (const char* state : {"h", "c"})
        if (*state == 'h' || architecture.cell == Cell::kLstm) {
          const std::string prefix = fmt::format("decoder.init.{}.{}", k, state);
          init.push_back({source.matrix(prefix + ".weight"), source.copy(prefix + ".bias")});
        }
    }
  }
};

class RnnSteps : public DecoderSteps {
 public:
  RnnSteps(const RnnWeights& weights, const Encoded& encoded)
      : weights_(weights),
        a_(weights.architecture),
        d_(a_.rnn_hidden),
        attention_(weights.attention, encoded),
        u_(a_.num_embed_target + d_),
        gates_(a_.gates() * d_),
        scratch_(a_.gates() * d_),
        last_(d_ + encoded.width),
        features_(d_) {
    const std::int64_t rows = encoded.sentences();
    u_.reserve(rows);
    u_.zero();
    for (std::int64_t k = 0; k < a_.decoder_layers; ++k)
      for (auto* states : {&h_, &c_}) {
        states->emplace_back(d_).reserve(rows);
        states->back().zero();
      }
    if (a_.state_init != StateInit::kZero) initialise(encoded);
  }

  void select(std::span<const std::int32_t> parents) override {
    u_.select(parents);
    for (RowBuffer& h : h_) h.select(parents);
    if (a_.cell == Cell::kLstm)
      for (RowBuffer& c : c_) c.select(parents);
  }

  std::span<const float> step(std::span<const std::int32_t> words, std::span<const std::int32_t> sentences) override {
    const auto rows = static_cast<std::int64_t>(words.size());
    for (RowBuffer* buffer : {&gates_, &scratch_, &last_, &features_}) buffer->reserve(rows);
    for (std::int64_t r = 0; r < rows; ++r)
      std::copy_n(weights_.table.row(words[at(r)]), a_.num_embed_target, u_.row(r));
    run_cell(0, rows, {u_.row(0), u_.width()});
    put_left(rows, h_[0], last_);
    if (a_.context_in_upper_layers())
      upper_layers_with_context(sentences);
    else
      upper_layers(sentences);
    weights_.hidden.multiply(rows, last_.row(0), last_.width(), features_.row(0), d_);
    for (std::int64_t r = 0; r < rows; ++r) {
      kernels::tanh_bias(d_, weights_.hidden_bias.data(), features_.row(r));
      std::copy_n(features_.row(r), d_, u_.row(r) + a_.num_embed_target);
    }
    return {features_.row(0), at(rows * d_)};
  }

  const float* attention(std::int64_t row) const override { return attention_.alpha(row); }

 private:
  void initialise(const Encoded& encoded) {
    const std::int64_t sentences = encoded.sentences(), width = encoded.width;
    numeric::Floats x(at(sentences * width), 0.0F);
    for (std::int64_t i = 0; i < sentences; ++i) {
      float* to = x.data() + i * width;
      const float* rows = encoded.of(i);
      const std::int64_t length = encoded.length(i);
      if (a_.state_init == StateInit::kLast) {
        std::copy_n(rows + (length - 1) * width, width, to);
        continue;
      }
      const std::vector<float> equal(at(length), 1.0F / static_cast<float>(length));
      kernels::weighted_sum(length, width, rows, width, equal.data(), to);
    }
    auto init = weights_.init.begin();
    const auto fill = [&](RowBuffer& state) {
      init->weight.multiply(sentences, x.data(), width, state.row(0), d_);
      for (std::int64_t i = 0; i < sentences; ++i) kernels::tanh_bias(d_, init->bias.data(), state.row(i));
      ++init;
    };
    for (std::int64_t k = 0; k < a_.decoder_layers; ++k) {
      fill(h_[at(k)]);
      if (a_.cell == Cell::kLstm) fill(c_[at(k)]);
    }
  }

  void run_cell(std::int64_t layer, std::int64_t rows, nn::Rows<const float> x) {
    const PackedCell& cell = weights_.cells[at(layer)];
    cell.input(rows, x, gates_.row(0));
    cell.step(rows, gates_.row(0), scratch_.row(0), {h_[at(layer)].row(0), d_}, {c_[at(layer)].row(0), d_});
  }

  /// The first d columns of `to` become x.
  void put_left(std::int64_t rows, const RowBuffer& x, RowBuffer& to) const {
    for (std::int64_t r = 0; r < rows; ++r) std::copy_n(x.row(r), d_, to.row(r));
  }

  /// last_'s left half becomes layer's output on x = last_'s left half, the residual included.
  void output_of(std::int64_t layer, std::int64_t rows) {
    const bool residual = a_.is_residual(layer + 1);
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* h = h_[at(layer)].row(r);
      float* to = last_.row(r);
      if (residual)
        kernels::add(d_, h, to);
      else
        std::copy_n(h, d_, to);
    }
  }

  /// The stack runs without context; the query is its output.
  void upper_layers(std::span<const std::int32_t> sentences) {
    const auto rows = static_cast<std::int64_t>(sentences.size());
    for (std::int64_t k = 1; k < a_.decoder_layers; ++k) {
      run_cell(k, rows, {last_.row(0), last_.width()});
      output_of(k, rows);
    }
    attention_.step(sentences, {last_.row(0), last_.width()}, {last_.row(0) + d_, last_.width()});
  }

  /// The query is the first layer's output; each upper layer reads [its input ; context].
  void upper_layers_with_context(std::span<const std::int32_t> sentences) {
    const auto rows = static_cast<std::int64_t>(sentences.size());
    attention_.step(sentences, {last_.row(0), last_.width()}, {last_.row(0) + d_, last_.width()});
    for (std::int64_t k = 1; k < a_.decoder_layers; ++k) {
      run_cell(k, rows, {last_.row(0), last_.width()});
      output_of(k, rows);
    }
  }

  const RnnWeights& weights_;
  const Architecture& a_;
  std::int64_t d_;
  AttentionSteps attention_;
  RowBuffer u_;                   // [rows, E + d]: word, a
  std::vector<RowBuffer> h_, c_;  // by layer: [rows, d]
  RowBuffer gates_, scratch_;     // [rows, G d]
  RowBuffer last_;                // [rows, d + W]: output of the layer that ran last, context
  RowBuffer features_;            // [rows, d]: a
};

class RnnDecoderWeights : public DecoderWeights {
 public:
  explicit RnnDecoderWeights(const Source& source) : weights_(source) {}
  std::unique_ptr<DecoderSteps> start(const Encoded& encoded) const override {
    return std::make_unique<RnnSteps>(weights_, encoded);
  }

 private:
  RnnWeights weights_;
};

}  // namespace

std::unique_ptr<const DecoderWeights> make_rnn_decoder_weights(const Source& source) {
  return std::make_unique<RnnDecoderWeights>(source);
}

}  // namespace clary::seq2seq
