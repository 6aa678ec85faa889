// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/encoder.h"

#include <algorithm>
#include <cmath>

#include "learning/numeric/index.h"

namespace clary::ntm {
namespace {

using numeric::at;

/// [C, R] of the first `rows` rows of w.
void transpose(const Matrix& w, std::int64_t rows, Matrix& out, std::int64_t from, std::int64_t to) {
  for (std::int64_t r = 0; r < rows; ++r) {
    const float* source = w.row(r);
    for (std::int64_t c = from; c < to; ++c) out.at(c, r) = source[c];
  }
}

}  // namespace

// Borders of word ranges with about equal numbers of occurrences: words are far from equally frequent, and a thread's
// work on the first layer's gradient is its words' occurrences.
std::vector<std::int64_t> balanced_borders(std::span<const std::int64_t> occurrences, int threads) {
  std::int64_t total = 0;
  // Half an occurrence's weight goes to words nobody uses, so that their rows are shared out too.
  for (const std::int64_t n : occurrences) total += 2 * n + 1;
  std::vector<std::int64_t> borders{0};
  std::int64_t seen = 0;
  for (std::size_t w = 0; w < occurrences.size(); ++w) {
    while (static_cast<int>(borders.size()) < threads &&
           seen >= total * static_cast<std::int64_t>(borders.size()) / threads) {
      borders.push_back(static_cast<std::int64_t>(w));
    }
    seen += 2 * occurrences[w] + 1;
  }
  borders.resize(static_cast<std::size_t>(threads) + 1, static_cast<std::int64_t>(occurrences.size()));
  return borders;
}

// An inverted index of the batch for this thread's words: for each word the documents that hold it and their counts
// (compressed rows). Each thread then sums the gradient of its own words, without atomics.
void WordIndex::build(int thread, std::span<const Document> documents) {
  Share& s = share(thread);
  const auto [begin, end] = range(thread);
  s.slot.resize(at(end - begin), 0);
  // slot is as long as the range and is cleared by the words of the last batch only.
  for (const std::int32_t w : s.words) s.slot[at(w - begin)] = 0;
  s.words.clear();
  s.offsets.assign(1, 0);
  for (const Document& d : documents) {
    for (const std::int32_t* w = std::lower_bound(d.words, d.words + d.size, begin); w != d.words + d.size && *w < end;
         ++w) {
      std::int32_t& slot = s.slot[at(*w - begin)];
      // slot is 1 + the word's place in `words`; 0: not seen in this batch.
      if (slot == 0) {
        s.words.push_back(*w);
        s.offsets.push_back(0);
        slot = static_cast<std::int32_t>(s.words.size());
      }
      ++s.offsets[at(slot)];
    }
  }
  for (std::size_t i = 1; i < s.offsets.size(); ++i) s.offsets[i] += s.offsets[i - 1];
  s.documents.resize(at(s.offsets.back()));
  s.counts.resize(at(s.offsets.back()));
  // Fill each word's list from its start; afterwards offsets[i] has moved to the start of list i + 1.
  for (std::size_t i = s.offsets.size() - 1; i > 0; --i) s.offsets[i] = s.offsets[i - 1];
  for (std::size_t b = 0; b < documents.size(); ++b) {
    const Document& d = documents[b];
    const std::int64_t first = std::lower_bound(d.words, d.words + d.size, begin) - d.words;
    for (std::int64_t j = first; j < d.size && d.words[j] < end; ++j) {
      const std::int64_t to = s.offsets[at(s.slot[at(d.words[j] - begin)])]++;
      s.documents[at(to)] = static_cast<std::int32_t>(b);
      s.counts[at(to)] = d.counts[j];
    }
  }
}

void Encoder::reserve(std::int64_t rows, const Shape& shape) {
  rows_ = rows;
  activation_ = shape.activation;
  const std::size_t depth = shape.layers.size();
  layers_.resize(depth);
  delta_.resize(depth);
  transposed_.resize(depth);
  for (std::size_t l = 0; l < depth; ++l) {
    // + 1: a column of ones behind the units, which meets the bias row of the next layer's weights.
    layers_[l].reshape(rows, shape.layers[l] + 1);
    delta_[l].reshape(rows, shape.layers[l]);
  }
  head_.reshape(rows, 2 * shape.half());
  head_gradient_.reshape(rows, 2 * shape.half());
  // Never shrinks: ones_ serves any batch up to its length.
  if (static_cast<std::int64_t>(ones_.size()) < rows) ones_.assign(at(rows), 1.0f);
  if (!shape.batch_norm) return;
  normalised_.resize(depth);
  batch_mean_.resize(depth);
  batch_variance_.resize(depth);
  for (std::size_t l = 0; l < depth; ++l) {
    normalised_[l].reshape(rows, shape.layers[l]);
    batch_mean_[l].reshape(1, shape.layers[l]);
    batch_variance_[l].reshape(1, shape.layers[l]);
  }
}

void Encoder::affine(std::size_t layer, std::span<const Document> documents, const Parameters& p, std::int64_t from,
                     std::int64_t to) {
  Matrix& out = layers_[layer];
  if (layer == 0) {
    // The first layer is a sum of embedding rows, weighted by counts: documents hold few of the words.
    for (std::int64_t d = from; d < to; ++d) {
      const Document& doc = documents[at(d)];
      kernels::gather_sum(doc.size, doc.words, doc.counts, p.embedding.values.data(), p.embedding.stride,
                          p.embedding.stride, p.embedding_bias.row(0), out.row(d));
    }
    return;
  }
  const Matrix& w = p.hidden[layer - 1];
  const Matrix& in = layers_[layer - 1];
  kernels::gemm_nn(to - from, w.stride, w.rows, in.row(from), in.stride, w.values.data(), w.stride, out.row(from),
                   out.stride, false);
}

void Encoder::finish_layer(std::size_t layer, const Parameters& p, std::int64_t from, std::int64_t to) {
  Matrix& out = layers_[layer];
  const std::int64_t units = p.shape.layers[layer];
  // Room behind the ones up to the stride is zeroed, as products run over whole vectors.
  for (std::int64_t d = from; d < to; ++d) {
    float* row = out.row(d);
    kernels::activate(p.shape.activation, row, kernels::padded(units));
    std::fill(row + units, row + out.stride, 0.0f);
    row[units] = 1;
  }
}

// Without the scale gamma, which is fixed to 1 (MXNet's fix_gamma); the shift is learned.
void Encoder::normalise_running(std::size_t layer, const Parameters& p, std::int64_t from, std::int64_t to) {
  const float* mean = p.running_mean[layer].row(0);
  const float* variance = p.running_variance[layer].row(0);
  const float* shift = p.shift[layer].row(0);
  for (std::int64_t d = from; d < to; ++d) {
    float* row = layers_[layer].row(d);
    for (std::int64_t c = 0; c < p.shape.layers[layer]; ++c) {
      row[c] = (row[c] - mean[c]) / std::sqrt(variance[c] + kBatchNormEpsilon) + shift[c];
    }
  }
}

/// Columns [from, to) of the whole batch.
void Encoder::normalise_batch(std::size_t layer, const Parameters& p, std::int64_t from, std::int64_t to) {
  Matrix& a = layers_[layer];
  for (std::int64_t c = from; c < to; ++c) {
    double sum = 0, squares = 0;
    for (std::int64_t d = 0; d < rows_; ++d) sum += a.at(d, c);
    const double mean = sum / static_cast<double>(rows_);
    // Two passes in float64: E[x^2] - E[x]^2 would cancel for large means.
    for (std::int64_t d = 0; d < rows_; ++d) squares += (a.at(d, c) - mean) * (a.at(d, c) - mean);
    const double variance = squares / static_cast<double>(rows_);
    const auto scale = static_cast<float>(1 / std::sqrt(variance + kBatchNormEpsilon));
    for (std::int64_t d = 0; d < rows_; ++d) {
      const float x = (a.at(d, c) - static_cast<float>(mean)) * scale;
      normalised_[layer].at(d, c) = x;
      a.at(d, c) = x + p.shift[layer].at(0, c);
    }
    batch_mean_[layer].at(0, c) = static_cast<float>(mean);
    batch_variance_[layer].at(0, c) = static_cast<float>(variance);
  }
}

/// delta <- d loss / d affine output; columns [from, to) of the whole batch.
/// dx = scale (dy - mean(dy) - x^ mean(dy x^)), with x^ the normalised value (Ioffe and Szegedy 2015, section 3).
void Encoder::normalise_backward(std::size_t layer, Matrix& shift_gradient, std::int64_t from, std::int64_t to) {
  Matrix& delta = delta_[layer];
  const Matrix& x = normalised_[layer];
  const auto n = static_cast<double>(rows_);
  for (std::int64_t c = from; c < to; ++c) {
    double sum = 0, projected = 0;
    for (std::int64_t d = 0; d < rows_; ++d) {
      sum += delta.at(d, c);
      projected += static_cast<double>(delta.at(d, c)) * x.at(d, c);
    }
    const auto scale = 1 / std::sqrt(static_cast<double>(batch_variance_[layer].at(0, c)) + kBatchNormEpsilon);
    for (std::int64_t d = 0; d < rows_; ++d) {
      delta.at(d, c) = static_cast<float>(scale * (delta.at(d, c) - sum / n - x.at(d, c) * projected / n));
    }
    shift_gradient.at(0, c) = static_cast<float>(sum);
  }
}

void Encoder::forward(std::span<const Document> documents, const Parameters& p, Statistics statistics, Team& team) {
  reserve(static_cast<std::int64_t>(documents.size()), p.shape);
  const auto finish_head = [&](std::int64_t from, std::int64_t to) {
    const Matrix& in = layers_.back();
    kernels::gemm_nn(to - from, p.head.stride, p.head.rows, in.row(from), in.stride, p.head.values.data(),
                     p.head.stride, head_.row(from), head_.stride, false);
  };
  // Without statistics of the batch rows are independent: each thread takes its rows through all layers, with no
  // barrier between them.
  if (!p.shape.batch_norm || statistics == Statistics::kRunning) {
    team.run([&](int t) {
      const auto [from, to] = share(rows_, t, team.size());
      for (std::size_t l = 0; l < layers_.size(); ++l) {
        affine(l, documents, p, from, to);
        if (p.shape.batch_norm) normalise_running(l, p, from, to);
        finish_layer(l, p, from, to);
      }
      finish_head(from, to);
    });
    return;
  }
  // Batch normalisation needs all rows of a column: a barrier (the end of run()) before and after it.
  for (std::size_t l = 0; l < layers_.size(); ++l) {
    const auto rows_of = [&](int t) { return share(rows_, t, team.size()); };
    team.run([&](int t) { affine(l, documents, p, rows_of(t).first, rows_of(t).second); });
    team.run([&](int t) {
      const auto [from, to] = share(p.shape.layers[l], t, team.size(), kernels::kPad);
      normalise_batch(l, p, from, to);
    });
    team.run([&](int t) { finish_layer(l, p, rows_of(t).first, rows_of(t).second); });
  }
  team.run([&](int t) {
    const auto [from, to] = share(rows_, t, team.size());
    finish_head(from, to);
  });
}

// Row-major transposes let the backward products use the same kernel as the forward ones. The bias row is left out.
void Encoder::transpose_weights(const Parameters& p, Team& team) {
  const std::size_t depth = layers_.size();
  for (std::size_t l = 0; l < depth; ++l) {
    const Matrix& w = l + 1 < depth ? p.hidden[l] : p.head;
    transposed_[l].reshape(w.columns, w.rows - 1);
  }
  team.run([&](int t) {
    for (std::size_t l = 0; l < depth; ++l) {
      const Matrix& w = l + 1 < depth ? p.hidden[l] : p.head;
      const auto [from, to] = share(w.columns, t, team.size());
      transpose(w, w.rows - 1, transposed_[l], from, to);
    }
  });
}

void Encoder::backward(std::span<const Document> documents, const Parameters& p, Team& team, Parameters& gradient,
                       WordIndex& index) {
  (void)documents;
  transpose_weights(p, team);
  const std::size_t depth = layers_.size();
  const auto delta_of = [&](std::size_t l, int t) {
    const Matrix& above = l + 1 < depth ? delta_[l + 1] : head_gradient_;
    const Matrix& w = transposed_[l];
    const auto [from, to] = share(rows_, t, team.size());
    kernels::gemm_nn(to - from, w.stride, w.rows, above.row(from), above.stride, w.values.data(), w.stride,
                     delta_[l].row(from), delta_[l].stride, false);
    for (std::int64_t d = from; d < to; ++d) {
      kernels::activate_backward(activation_, layers_[l].row(d), delta_[l].row(d), delta_[l].stride);
    }
  };
  // As in forward(): no barrier between layers when rows are independent.
  if (!p.shape.batch_norm) {
    team.run([&](int t) {
      for (std::size_t l = depth; l-- > 0;) delta_of(l, t);
    });
  } else {
    for (std::size_t l = depth; l-- > 0;) {
      team.run([&](int t) { delta_of(l, t); });
      team.run([&](int t) {
        const auto [from, to] = share(p.shape.layers[l], t, team.size(), kernels::kPad);
        normalise_backward(l, gradient.shift[l], from, to);
      });
    }
  }
  // Threads share the rows of the weight gradients in multiples of 6, the row block of gemm_tn_add.
  team.run([&](int t) {
    const auto dense = [&](const Matrix& in, const Matrix& delta, Matrix& out) {
      // Rows of the gradient matrix are the inputs, the ones column included, whose row is the bias gradient.
      const auto [from, to] = share(out.rows, t, team.size(), 6);
      std::fill(out.row(from), out.row(to), 0.0f);
      kernels::gemm_tn_add(rows_, out.stride, to - from, in.values.data() + from, in.stride, delta.values.data(),
                           delta.stride, out.row(from), out.stride);
    };
    for (std::size_t l = 1; l < depth; ++l) dense(layers_[l - 1], delta_[l], gradient.hidden[l - 1]);
    dense(layers_.back(), head_gradient_, gradient.head);
    // One row only: not worth sharing out.
    if (t == 0) {
      gradient.embedding_bias.zero();
      kernels::gemm_tn_add(rows_, delta_[0].stride, 1, ones_.data(), 1, delta_[0].values.data(), delta_[0].stride,
                           gradient.embedding_bias.row(0), gradient.embedding_bias.stride);
    }
    WordIndex::Share& words = index.share(t);
    words.gradient.reshape(static_cast<std::int64_t>(words.words.size()), p.embedding.columns);
    // The gradient of a word's embedding row: the sum of its documents' deltas, weighted by counts.
    for (std::size_t i = 0; i < words.words.size(); ++i) {
      const std::int64_t first = words.offsets[i];
      kernels::gather_sum(words.offsets[i + 1] - first, words.documents.data() + first, words.counts.data() + first,
                          delta_[0].values.data(), delta_[0].stride, delta_[0].stride, nullptr,
                          words.gradient.row(static_cast<std::int64_t>(i)));
    }
  });
}

}  // namespace clary::ntm
