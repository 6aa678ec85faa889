// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/loss.h"

#include <algorithm>
#include <cmath>

#include "learning/numeric/index.h"

namespace clary::ntm {
namespace {

using numeric::at;

/// Scoring keeps this many documents' logits tiles in flight at once.
constexpr std::int64_t kScoreRows = 256;

}  // namespace

// Noise depends on (seed, stream, pass, document, topic), not on the batch or thread that asks for it.
void draw_noise(const Noise& noise, std::uint32_t document, std::int64_t topics, float* out) {
  // 64 counters at a time make 256 numbers; K above that takes several rounds.
  constexpr std::int64_t kCounters = 64;
  std::uint32_t first[kCounters], second[kCounters];
  float numbers[4 * kCounters];
  for (std::int64_t k = 0; k < topics; k += 4 * kCounters) {
    const std::int64_t want = std::min(topics - k, 4 * kCounters), counters = (want + 3) / 4;
    for (std::int64_t i = 0; i < counters; ++i) {
      first[i] = static_cast<std::uint32_t>(k / 4 + i);
      second[i] = document;
    }
    kernels::fill_normal(counters, first, second, noise.pass, noise.stream, noise.seed, numbers);
    std::copy(numbers, numbers + want, out + k);
  }
}

void Objective::reserve(std::int64_t rows, const Shape& shape) {
  z_.reshape(rows, shape.topics + 1);
  deviation_.reshape(rows, shape.topics);
  noise_.reshape(rows, shape.topics);
  z_gradient_.reshape(rows, shape.topics);
  reconstruction_.resize(at(rows));
  divergence_.resize(at(rows));
}

/// Reparametrisation of rows [from, to): noise, deviation, z; and their divergence.
/// The formulas are in loss.h (Kingma and Welling 2014, section 2.4 and appendix B).
void Objective::sample(std::span<const Document> documents, const Shape& shape, const Noise& noise, std::int64_t from,
                       std::int64_t to) {
  const std::int64_t topics = shape.topics, half = shape.half();
  for (std::int64_t d = from; d < to; ++d) {
    const float* mean = encoder_.output().row(d);
    const float* log_deviation = mean + half;
    float* eps = noise_.row(d);
    float* deviation = deviation_.row(d);
    float* z = z_.row(d);
    draw_noise(noise, documents[at(d)].number, topics, eps);
    // The whole padded half: exp_sum works on full vectors; its sum is not used.
    std::copy(log_deviation, log_deviation + half, deviation);
    kernels::exp_sum(deviation, half, 0);
    float sum = 0;
    for (std::int64_t k = 0; k < topics; ++k) {
      z[k] = std::max(0.0f, mean[k] + deviation[k] * eps[k]);
      sum += mean[k] * mean[k] + deviation[k] * deviation[k] - 2 * log_deviation[k] - 1;
    }
    z[topics] = 1;
    divergence_[at(d)] = 0.5 * static_cast<double>(sum) / documents[at(d)].total;
  }
}

// The KL weight scales the gradient only; the reported loss has the full term.
void Objective::latent_backward(const Document& d, std::int64_t row, const Shape& shape, float divergence_weight) {
  const float* mean = encoder_.output().row(row);
  const float* deviation = deviation_.row(row);
  const float* eps = noise_.row(row);
  const float* z = z_.row(row);
  const float* from_decoder = z_gradient_.row(row);
  float* mean_gradient = encoder_.output_gradient().row(row);
  float* log_deviation_gradient = mean_gradient + shape.half();
  const float weight = divergence_weight / d.total;
  for (std::int64_t k = 0; k < shape.topics; ++k) {
    const float h = z[k] > 0 ? from_decoder[k] : 0.0f;  // through z = relu(h)
    mean_gradient[k] = h + weight * mean[k];
    log_deviation_gradient[k] = h * eps[k] * deviation[k] + weight * (deviation[k] * deviation[k] - 1);
  }
}

// In row order and float64: the same sum for any number of threads.
LossSum Objective::sum_losses(std::int64_t rows) const {
  LossSum sum;
  for (std::int64_t d = 0; d < rows; ++d) {
    sum.reconstruction += reconstruction_[at(d)];
    sum.divergence += divergence_[at(d)];
  }
  sum.documents = rows;
  return sum;
}

LossSum Objective::loss_and_gradient(const Parameters& p, std::span<const Document> documents, const Noise& noise,
                                     float divergence_weight, WordIndex& index, Parameters& gradient) {
  const auto rows = static_cast<std::int64_t>(documents.size());
  reserve(rows, p.shape);
  encoder_.forward(documents, p, Encoder::Statistics::kBatch, team_);
  const auto rows_of = [&](int t) { return share(rows, t, team_.size()); };
  team_.run([&](int t) { sample(documents, p.shape, noise, rows_of(t).first, rows_of(t).second); });
  // Barriers between the steps: combine() needs every thread's range, backward() every document's normaliser.
  decoder_.begin(documents, z_, p.decoder, team_.size(), true);
  team_.run([&](int t) { decoder_.forward(t); });
  team_.run([&](int t) {
    for (auto [d, end] = rows_of(t); d < end; ++d) {
      reconstruction_[at(d)] = decoder_.combine(d, z_gradient_.row(d));
      latent_backward(documents[at(d)], d, p.shape, divergence_weight);
    }
  });
  team_.run([&](int t) { decoder_.backward(t, gradient.decoder); });
  encoder_.backward(documents, p, team_, gradient, index);
  return sum_losses(rows);
}

// Scoring takes one sample of z, as the training loss does; kRunning statistics, so that documents do not affect each
// other.
LossSum Objective::loss(const Parameters& p, std::span<const Document> documents, const Noise& noise) {
  LossSum sum;
  for (std::size_t first = 0; first < documents.size(); first += kScoreRows) {
    const auto part = documents.subspan(first, std::min<std::size_t>(kScoreRows, documents.size() - first));
    const auto rows = static_cast<std::int64_t>(part.size());
    reserve(rows, p.shape);
    encoder_.forward(part, p, Encoder::Statistics::kRunning, team_);
    decoder_.begin(part, z_, p.decoder, team_.size(), false);
    const auto rows_of = [&](int t) { return share(rows, t, team_.size()); };
    team_.run([&](int t) { sample(part, p.shape, noise, rows_of(t).first, rows_of(t).second); });
    team_.run([&](int t) { decoder_.forward(t); });
    for (std::int64_t d = 0; d < rows; ++d) reconstruction_[at(d)] = decoder_.combine(d, nullptr);
    sum += sum_losses(rows);
  }
  return sum;
}

}  // namespace clary::ntm
