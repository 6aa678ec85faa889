// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/decoder.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "learning/numeric/index.h"
#include "learning/numeric/team.h"

namespace clary::ntm {
namespace {

using numeric::share;

/// exp arguments may exceed the running maximum by this much before sums are rescaled; e^20 is far from overflow.
constexpr float kSlack = 20;
/// Below this, dividing by a document's factor would lose the counts' precision; such rows are scaled instead.
constexpr float kSmallestFactor = 1e-12f;

using numeric::at;

template <class Vector>
void need(Vector& v, std::int64_t n) {
  if (static_cast<std::int64_t>(v.size()) < n) v.resize(at(n));
}

}  // namespace

void Decoder::begin(std::span<const Document> documents, const Matrix& z, const Matrix& weights, int threads,
                    bool trains) {
  // Kept until the batch's backward(): the caller's z and weights must not change before.
  documents_ = documents;
  z_ = &z;
  weights_ = &weights;
  topics_ = weights.rows - 1;
  trains_ = trains;
  shares_.resize(at(threads));
  need(log_normaliser_, static_cast<std::int64_t>(documents.size()));
  for (int t = 0; t < threads; ++t) {
    // Each thread owns a range of the vocabulary for the whole batch: its slice of weights, counts and gradient, so
    // that no two threads write the same element.
    Share& s = shares_[at(t)];
    std::tie(s.begin, s.end) = share(weights.columns, t, threads, kernels::kPad);
  }
}

void Decoder::pack_weights(Share& s, std::int64_t from, std::int64_t count) const {
  // Rows 0 to K - 1 are the topics' weights, row K the bias; z has a last column of ones to match.
  for (std::int64_t k = 0; k <= topics_; ++k) {
    std::memcpy(s.tile_weights.data() + k * kTileStride, weights_->row(k) + from,
                static_cast<std::size_t>(kernels::padded(count)) * sizeof(float));
  }
}

void Decoder::seek(Share& s, std::int64_t first, std::int64_t count) const {
  // Words of a document ascend: the cursor walks over them once, tile after tile.
  for (std::int64_t i = 0; i < count; ++i) {
    const Document& d = documents_[at(first + i)];
    s.cursor[at(i)] = std::lower_bound(d.words, d.words + d.size, s.begin) - d.words;
  }
}

// [tiles, batch, kTileStride] when the batch is kept for backward(), else room for one chunk, written again and again.
float* Decoder::kept_rows(Share& s, std::int64_t tile, std::int64_t first) {
  const auto batch = static_cast<std::int64_t>(documents_.size());
  return s.kept.data() + (s.keeps ? (tile * batch + first) * kTileStride : 0);
}

// Softmax over the vocabulary, one tile of columns at a time, with the running maximum m and the sum of exp(x - m) of
// each document (online softmax). The full logits, batch x V, would not fit in the cache and often not in memory.
void Decoder::forward(int thread) {
  Share& s = shares_[at(thread)];
  const auto batch = static_cast<std::int64_t>(documents_.size());
  s.keeps = trains_ && s.tiles() * batch * kTileStride <= kKeepFloats;
  need(s.kept, s.keeps ? s.tiles() * batch * kTileStride : kChunk * kTileStride);
  need(s.tile_weights, (topics_ + 1) * kTileStride);
  need(s.shift, s.tiles() * batch);
  need(s.cursor, kChunk);
  // -inf: the first tile's maximum is always taken over.
  s.maximum.assign(at(batch), -std::numeric_limits<float>::infinity());
  s.sum.assign(at(batch), 0.0);
  s.word_logits.assign(at(batch), 0.0f);
  if (trains_) {
    need(s.exp_gradient, batch * topics_);
    s.word_gradient.assign(at(batch * topics_), 0.0f);
  }
  for (std::int64_t first = 0; first < batch; first += kChunk) {
    const std::int64_t count = std::min(kChunk, batch - first);
    // `lanes` collects sum_v exp(logit_v - m) w_kv over the tiles, in vector lanes; summed once per chunk.
    if (trains_) s.lanes.assign(at(count * topics_ * kernels::kPad), 0.0f);
    seek(s, first, count);
    for (std::int64_t tile = 0; tile < s.tiles(); ++tile) forward_tile(s, tile, first, count);
    if (trains_) kernels::sum_lanes(count * topics_, s.lanes.data(), s.exp_gradient.data() + first * topics_);
  }
}

// The data term: sum_v x_v logit_v and its gradient towards z, sum_v x_v w_kv; only words that occur, hence without a
// matrix product.
void Decoder::count_words(Share& s, std::int64_t document, std::int64_t slot, const float* logits, std::int64_t from,
                          std::int64_t to) {
  const Document& d = documents_[at(document)];
  float* gradient = trains_ ? s.word_gradient.data() + document * topics_ : nullptr;
  float sum = 0;
  std::int64_t i = s.cursor[at(slot)];
  for (; i < d.size && d.words[i] < to; ++i) {
    const std::int64_t column = d.words[i] - from;
    const float x = d.counts[i];
    sum += x * logits[column];
    if (!gradient) continue;
    const float* w = s.tile_weights.data() + column;
    for (std::int64_t k = 0; k < topics_; ++k) gradient[k] += x * w[k * kTileStride];
  }
  s.cursor[at(slot)] = i;
  s.word_logits[at(document)] += sum;
}

void Decoder::forward_tile(Share& s, std::int64_t tile, std::int64_t first, std::int64_t count) {
  const std::int64_t from = s.begin + tile * kTile, columns = std::min(kTile, s.end - from);
  const std::int64_t width = kernels::padded(columns);
  pack_weights(s, from, columns);
  float* rows = kept_rows(s, tile, first);
  kernels::gemm_nn(count, width, topics_ + 1, z_->row(first), z_->stride, s.tile_weights.data(), kTileStride, rows,
                   kTileStride, false);
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t d = first + i;
    float* row = rows + i * kTileStride;
    count_words(s, d, i, row, from, from + columns);
    // Padding columns must not count: -inf makes their exponential 0 and never is the maximum.
    std::fill(row + columns, row + width, -std::numeric_limits<float>::infinity());
    const float top = kernels::maximum(row, width);
    if (!(top <= s.maximum[at(d)] + kSlack)) {
      // What was summed so far is scaled to the new maximum.
      const float keep = s.sum[at(d)] > 0 ? std::exp(s.maximum[at(d)] - top) : 0.0f;
      s.sum[at(d)] *= keep;
      if (trains_) kernels::scale(s.lanes.data() + i * topics_ * kernels::kPad, topics_ * kernels::kPad, keep);
      s.maximum[at(d)] = top;
    }
    s.sum[at(d)] += kernels::exp_sum(row, width, s.maximum[at(d)]);
    // Zeros for the product below and for backward().
    std::fill(row + columns, row + width, 0.0f);
    // The shift that this tile's exponentials were taken with; m may still grow in later tiles.
    s.shift[at(tile * static_cast<std::int64_t>(documents_.size()) + d)] = s.maximum[at(d)];
  }
  if (trains_) {
    kernels::gemm_nt_lanes(count, width, topics_, rows, kTileStride, s.tile_weights.data(), kTileStride,
                           s.lanes.data());
  }
}

// Joins the threads' ranges: log sum_v exp(logit_v) from each range's maximum and sum, in thread order, in float64.
double Decoder::combine(std::int64_t document, float* gradient) {
  const std::size_t d = at(document);
  float top = -std::numeric_limits<float>::infinity();
  for (const Share& s : shares_) top = std::max(top, s.maximum[d]);
  double sum = 0, words = 0;
  for (const Share& s : shares_) {
    if (s.begin < s.end) sum += s.sum[d] * std::exp(static_cast<double>(s.maximum[d] - top));
    words += s.word_logits[d];
  }
  const double normaliser = top + std::log(sum);
  log_normaliser_[d] = static_cast<float>(normaliser);
  const double tokens = documents_[d].total;
  if (gradient) {
    // d loss / d z_k = sum_v softmax_v w_kv - sum_v (x_v / tokens) w_kv.
    std::fill(gradient, gradient + topics_, 0.0f);
    for (const Share& s : shares_) {
      if (s.begin >= s.end) continue;
      const float factor = static_cast<float>(std::exp(static_cast<double>(s.maximum[d]) - normaliser));
      const float inverse = static_cast<float>(1 / tokens);
      for (std::int64_t k = 0; k < topics_; ++k) {
        const std::size_t i = at(document * topics_ + k);
        gradient[k] += factor * s.exp_gradient[i] - inverse * s.word_gradient[i];
      }
    }
  }
  // The document's loss divided by its tokens: log sum exp - sum_v (x_v / tokens) logit_v.
  return normaliser - words / tokens;
}

// d loss / d logit_v = softmax_v - x_v / tokens. Row holds softmax / factor, hence the division by it.
void Decoder::subtract_counts(Share& s, std::int64_t document, std::int64_t slot, float* row, std::int64_t from,
                              std::int64_t to, float factor) {
  const Document& d = documents_[at(document)];
  const float weight = 1 / (d.total * factor);
  std::int64_t i = s.cursor[at(slot)];
  for (; i < d.size && d.words[i] < to; ++i) row[d.words[i] - from] -= weight * d.counts[i];
  s.cursor[at(slot)] = i;
}

// Writes the columns of this thread's range only. Needs the normalisers of combine(), so that the caller waits for all
// threads in between.
void Decoder::backward(int thread, Matrix& gradient) {
  Share& s = shares_[at(thread)];
  const auto batch = static_cast<std::int64_t>(documents_.size());
  need(s.scaled_z, kChunk * z_->stride);
  for (std::int64_t k = 0; k <= topics_; ++k) {
    std::fill(gradient.row(k) + s.begin, gradient.row(k) + s.begin + kernels::padded(s.end - s.begin), 0.0f);
  }
  for (std::int64_t first = 0; first < batch; first += kChunk) {
    const std::int64_t count = std::min(kChunk, batch - first);
    seek(s, first, count);
    for (std::int64_t tile = 0; tile < s.tiles(); ++tile) backward_tile(s, tile, first, count, gradient);
  }
}

void Decoder::backward_tile(Share& s, std::int64_t tile, std::int64_t first, std::int64_t count, Matrix& gradient) {
  const auto batch = static_cast<std::int64_t>(documents_.size());
  const std::int64_t from = s.begin + tile * kTile, columns = std::min(kTile, s.end - from);
  const std::int64_t width = kernels::padded(columns);
  float* rows = kept_rows(s, tile, first);
  // Not kept: the logits of the tile are computed a second time, which is cheaper than the memory traffic.
  if (!s.keeps) {
    pack_weights(s, from, columns);
    kernels::gemm_nn(count, width, topics_ + 1, z_->row(first), z_->stride, s.tile_weights.data(), kTileStride, rows,
                     kTileStride, false);
  }
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t d = first + i;
    float* row = rows + i * kTileStride;
    // row holds exp(logit - shift); the softmax is factor * row.
    float factor = 1;
    if (s.keeps) {
      factor = std::exp(s.shift[at(tile * batch + d)] - log_normaliser_[at(d)]);
      if (factor < kSmallestFactor) {
        kernels::scale(row, width, factor);
        factor = 1;
      }
    } else {
      kernels::exp_sum(row, width, log_normaliser_[at(d)]);
      std::fill(row + columns, row + width, 0.0f);
    }
    subtract_counts(s, d, i, row, from, from + columns, factor);
    const float* z = z_->row(d);
    float* scaled = s.scaled_z.data() + i * z_->stride;
    // The factor of a row goes to its z: (factor * z) x row = z x (factor * row), with K numbers to scale in place of
    // a tile's.
    for (std::int64_t k = 0; k <= topics_; ++k) scaled[k] = factor * z[k];
  }
  kernels::gemm_tn_add(count, width, topics_ + 1, s.scaled_z.data(), z_->stride, rows, kTileStride,
                       gradient.row(0) + from, gradient.stride);
}

}  // namespace clary::ntm
