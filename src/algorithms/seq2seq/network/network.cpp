// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/network/network.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "algorithms/seq2seq/network/output_loss.h"
#include "algorithms/seq2seq/network/parts.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

/// The pairs of a batch by falling target length; pairs of the same length keep their order.
void sort_by_target_length(const Batch& from, Batch& to) {
  std::vector<std::int64_t> order(at(from.rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](auto a, auto b) { return from.target_length[at(a)] > from.target_length[at(b)]; });
  to.rows = from.rows, to.source_steps = from.source_steps, to.target_steps = from.target_steps;
  to.label_count = from.label_count;
  const auto permute = [&](const std::vector<std::int32_t>& in, std::vector<std::int32_t>& out) {
    out.resize(in.size());
    for (std::size_t step = 0; step < in.size(); step += order.size())
      for (std::size_t i = 0; i < order.size(); ++i) out[step + i] = in[step + at(order[i])];
  };
  permute(from.source, to.source), permute(from.source_length, to.source_length);
  permute(from.input, to.input), permute(from.labels, to.labels), permute(from.target_length, to.target_length);
}

}  // namespace

double Score::perplexity() const { return std::exp(nats / static_cast<double>(labels)); }

struct Network::Parts {
  Parts(const Architecture& architecture, const Dropout& dropout, numeric::Team& team_of_caller)
      : team(team_of_caller),
        encoder(architecture.encoder == NetworkType::kRnn ? make_rnn_encoder(architecture, dropout)
                                                          : make_cnn_encoder(architecture, dropout)),
        decoder(architecture.decoder == NetworkType::kRnn ? make_rnn_decoder(architecture, dropout)
                                                          : make_cnn_decoder(architecture, dropout)),
        output(architecture) {}

  numeric::Team& team;
  std::unique_ptr<Encoder> encoder;
  std::unique_ptr<Decoder> decoder;
  OutputLoss output;
  Batch sorted;
  numeric::UntouchedFloats encoded_gradient;
};

Network::Network(const Architecture& architecture, const Dropout& dropout, numeric::Team& team)
    : parts_(std::make_unique<Parts>(architecture, dropout, team)) {}
Network::Network(Network&&) noexcept = default;
Network::~Network() = default;

Score Network::train(const Parameters& parameters, const Batch& batch, std::uint64_t dropout_seed,
                     std::span<float> gradients) {
  sort_by_target_length(batch, parts_->sorted);
  const Pass pass{parameters, parts_->sorted, parts_->team, true, dropout_seed};
  const std::span<const float> encoded = parts_->encoder->forward(pass);
  const std::span<const float> features = parts_->decoder->forward(pass, encoded);
  Score score;
  const std::span<const float> feature_gradient = parts_->output.train(pass, features, gradients, score);
  parts_->encoded_gradient.resize(encoded.size());
  parts_->decoder->backward(pass, encoded, feature_gradient, gradients, parts_->encoded_gradient);
  parts_->encoder->backward(pass, parts_->encoded_gradient, gradients);
  for (const Tensor& tensor : parameters.list()) {
    const auto begin = gradients.begin() + tensor.offset;
    std::fill(begin + tensor.size, begin + numeric::padded(tensor.size), 0.0F);
  }
  return score;
}

Score Network::evaluate(const Parameters& parameters, const Batch& batch) {
  sort_by_target_length(batch, parts_->sorted);
  const Pass pass{parameters, parts_->sorted, parts_->team, false, 0};
  return parts_->output.evaluate(pass, parts_->decoder->forward(pass, parts_->encoder->forward(pass)));
}

std::int64_t Network::bytes(const Architecture& architecture, std::int64_t rows, std::int64_t source_steps,
                            std::int64_t target_steps) {
  const BatchShape shape{rows, source_steps, target_steps};
  const std::int64_t encoder = architecture.encoder == NetworkType::kRnn ? rnn_encoder_floats(architecture, shape)
                                                                         : cnn_encoder_floats(architecture, shape);
  const std::int64_t decoder = architecture.decoder == NetworkType::kRnn ? rnn_decoder_floats(architecture, shape)
                                                                         : cnn_decoder_floats(architecture, shape);
  const std::int64_t encoded_gradient = rows * source_steps * architecture.encoder_width();
  const std::int64_t floats =
      encoder + decoder + encoded_gradient + OutputLoss::floats(architecture, rows, target_steps);
  // Strips of products that each thread keeps, and oneDNN's own memory: measured.
  constexpr std::int64_t kProducts = std::int64_t{12} << 20;
  return floats * static_cast<std::int64_t>(sizeof(float)) + kProducts;
}

}  // namespace clary::seq2seq
