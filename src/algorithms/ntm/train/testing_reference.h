// SPDX-License-Identifier: Apache-2.0
// Test only: the model of ntm.md section 1 as plain loops in double precision, sharing no code with the kernels.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <random>
#include <vector>

#include "algorithms/ntm/data/documents.h"
#include "algorithms/ntm/model/parameters.h"
#include "algorithms/ntm/train/loss.h"

namespace clary::ntm::testing_reference {

using Table = std::vector<std::vector<double>>;

struct Loss {
  double reconstruction = 0, divergence = 0;
  double total() const { return reconstruction + divergence; }
};

inline double activate(kernels::Activation kind, double x) {
  if (kind == kernels::Activation::kSigmoid) return 1 / (1 + std::exp(-x));
  if (kind == kernels::Activation::kTanh) return std::tanh(x);
  return std::max(0.0, x);
}

/// Batch statistics when `trains`, else the running ones.
inline void batch_norm(Table& a, const Parameters& p, std::size_t layer, bool trains) {
  for (std::size_t c = 0; c < a[0].size(); ++c) {
    const auto i = static_cast<std::int64_t>(c);
    double mean = p.running_mean[layer].at(0, i), variance = p.running_variance[layer].at(0, i);
    if (trains) {
      mean = variance = 0;
      for (const auto& row : a) mean += row[c] / static_cast<double>(a.size());
      for (const auto& row : a) variance += (row[c] - mean) * (row[c] - mean) / static_cast<double>(a.size());
    }
    for (auto& row : a) row[c] = (row[c] - mean) / std::sqrt(variance + 1e-3) + p.shift[layer].at(0, i);
  }
}

inline Table encode(const Parameters& p, const std::vector<Document>& documents, bool trains) {
  Table a;
  for (std::size_t l = 0; l < p.shape.layers.size(); ++l) {
    Table next;
    for (std::size_t d = 0; d < documents.size(); ++d) {
      std::vector<double> row;
      for (std::int64_t u = 0; u < p.shape.layers[l]; ++u) {
        double x = 0;
        if (l == 0) {
          x = p.embedding_bias.at(0, u);
          for (std::int64_t i = 0; i < documents[d].size; ++i) {
            x += static_cast<double>(documents[d].counts[i]) * p.embedding.at(documents[d].words[i], u);
          }
        } else {
          const Matrix& w = p.hidden[l - 1];
          x = w.at(w.rows - 1, u);
          for (std::int64_t i = 0; i + 1 < w.rows; ++i) x += a[d][static_cast<std::size_t>(i)] * w.at(i, u);
        }
        row.push_back(x);
      }
      next.push_back(row);
    }
    if (p.shape.batch_norm) batch_norm(next, p, l, trains);
    for (auto& row : next)
      for (double& x : row) x = activate(p.shape.activation, x);
    a = next;
  }
  Table out;
  for (const auto& row : a) {
    std::vector<double> head;
    for (std::int64_t c = 0; c < p.head.columns; ++c) {
      double x = p.head.at(p.head.rows - 1, c);
      for (std::int64_t i = 0; i + 1 < p.head.rows; ++i) x += row[static_cast<std::size_t>(i)] * p.head.at(i, c);
      head.push_back(x);
    }
    out.push_back(head);
  }
  return out;
}

/// Sum over the documents.
inline Loss loss(const Parameters& p, const std::vector<Document>& documents, const Noise& noise, bool trains) {
  const Table heads = encode(p, documents, trains);
  const std::int64_t topics = p.shape.topics, half = p.shape.half();
  Loss sum;
  for (std::size_t d = 0; d < documents.size(); ++d) {
    const Document& doc = documents[d];
    std::vector<float> eps(static_cast<std::size_t>(topics) + 4);
    draw_noise(noise, doc.number, topics, eps.data());
    std::vector<double> z;
    double divergence = 0;
    for (std::int64_t k = 0; k < topics; ++k) {
      const double mean = heads[d][static_cast<std::size_t>(k)], ls = heads[d][static_cast<std::size_t>(half + k)];
      z.push_back(std::max(0.0, mean + std::exp(ls) * eps[static_cast<std::size_t>(k)]));
      divergence += 0.5 * (mean * mean + std::exp(2 * ls) - 2 * ls - 1);
    }
    std::vector<double> logits;
    double top = -1e300, total = 0;
    for (std::int64_t v = 0; v < p.shape.vocabulary; ++v) {
      double x = p.decoder.at(topics, v);
      for (std::int64_t k = 0; k < topics; ++k) x += z[static_cast<std::size_t>(k)] * p.decoder.at(k, v);
      logits.push_back(x);
      top = std::max(top, x);
    }
    for (const double x : logits) total += std::exp(x - top);
    double words = 0;
    for (std::int64_t i = 0; i < doc.size; ++i) {
      words += doc.counts[i] * (logits[static_cast<std::size_t>(doc.words[i])] - top - std::log(total));
    }
    sum.reconstruction += -words / doc.total;
    sum.divergence += divergence / doc.total;
  }
  return sum;
}

inline Documents random_documents(std::int64_t rows, std::int64_t vocabulary, std::int64_t words, unsigned seed) {
  std::mt19937 random(seed);
  Documents out;
  for (std::int64_t d = 0; d < rows; ++d) {
    std::vector<std::int32_t> chosen;
    for (std::int64_t i = 0; i < words; ++i) {
      // Squared: a few words are common, most are rare.
      const double u = std::uniform_real_distribution<>(0, 1)(random);
      chosen.push_back(static_cast<std::int32_t>(u * u * static_cast<double>(vocabulary)));
    }
    std::sort(chosen.begin(), chosen.end());
    chosen.erase(std::unique(chosen.begin(), chosen.end()), chosen.end());
    float total = 0;
    for (const std::int32_t w : chosen) {
      const float count = static_cast<float>(1 + random() % 3);
      out.words.push_back(w);
      out.counts.push_back(count);
      total += count;
    }
    out.totals.push_back(total);
    out.offsets.push_back(static_cast<std::int64_t>(out.words.size()));
  }
  return out;
}

inline std::vector<Document> all(const Documents& documents) {
  std::vector<Document> out;
  for (std::int64_t i = 0; i < documents.size(); ++i) out.push_back(documents[i]);
  return out;
}

/// Parameters large enough that every term of the gradient matters.
inline Parameters random_parameters(const Shape& shape, unsigned seed, float range = 0.5f) {
  std::mt19937 random(seed);
  std::uniform_real_distribution<float> uniform(-range, range);
  Parameters p(shape);
  const auto fill = [&](Matrix& m) {
    for (std::int64_t r = 0; r < m.rows; ++r)
      for (std::int64_t c = 0; c < m.columns; ++c) m.at(r, c) = uniform(random);
  };
  fill(p.embedding);
  Parameters::each_dense(p, fill);
  for (std::int64_t r = 0; r < p.head.rows; ++r) {
    for (std::int64_t c = 0; c < p.head.columns; ++c) {
      if (c % shape.half() >= shape.topics) p.head.at(r, c) = 0;
    }
  }
  for (auto& m : p.running_mean) fill(m);
  return p;
}

}  // namespace clary::ntm::testing_reference
