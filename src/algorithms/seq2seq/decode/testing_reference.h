// SPDX-License-Identifier: Apache-2.0
// Translation as the formulas say it, one number at a time in float64 and without any state: every step computes the
// whole sentence again. The tests' reference for decode/, which shares no code with it.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "algorithms/seq2seq/model/architecture.h"
#include "algorithms/seq2seq/model/parameters.h"

namespace clary::seq2seq::testing_reference {

using Vec = std::vector<double>;
using Rows = std::vector<Vec>;
using Words = std::vector<std::int32_t>;

inline double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }
inline Vec operator+(Vec a, const Vec& b) {
  for (std::size_t i = 0; i < a.size(); ++i) a[i] += b[i];
  return a;
}
inline Vec joined(Vec a, const Vec& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}
inline Vec tanh_of(Vec a) {
  for (double& x : a) x = std::tanh(x);
  return a;
}
inline double dot(const Vec& a, const Vec& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct CellState {
  Vec h, c;
};

class Model {
 public:
  Model(Architecture architecture, const Parameters& parameters)
      : a_(std::move(architecture)), parameters_(parameters) {}

  struct Step {
    Vec costs;  // -ln p by word
    Vec attention;
  };
  /// After the target words so far (the first one is begin-of-sentence).
  Step step(const Words& source, const Words& so_far) const {
    const Rows encoded = a_.encoder == NetworkType::kRnn ? rnn_encode(source) : cnn_encode(source);
    Step out;
    const Vec features = a_.decoder == NetworkType::kRnn ? rnn_features(encoded, so_far, out.attention)
                                                         : cnn_features(encoded, so_far, out.attention);
    const Vec logits = times("output.weight", features) + all("output.bias");
    double sum = 0;
    for (const double x : logits) sum += std::exp(x);
    for (const double x : logits) out.costs.push_back(std::log(sum) - x);
    return out;
  }

 private:
  Vec all(const std::string& name) const {
    const auto values = parameters_.of(name);
    return {values.begin(), values.end()};
  }
  Vec row(const std::string& name, std::int64_t r) const {
    const auto values = parameters_.of(name);
    const auto width = parameters_.tensor(name).shape[1];
    return {values.begin() + r * width, values.begin() + (r + 1) * width};
  }
  Vec times(const std::string& name, const Vec& x) const {
    Vec out;
    for (std::int64_t r = 0; r < parameters_.tensor(name).shape[0]; ++r) out.push_back(dot(row(name, r), x));
    return out;
  }
  bool has(const std::string& name) const { return parameters_.find(name) != nullptr; }
  Vec project(const std::string& name, const Vec& x) const { return has(name) ? times(name, x) : x; }

  CellState cell(const std::string& prefix, const Vec& x, const CellState& before) const {
    const Vec wx = times(prefix + ".weight_ih", x) + all(prefix + ".bias_ih");
    const Vec uh = times(prefix + ".weight_hh", before.h) + all(prefix + ".bias_hh");
    const std::size_t units = before.h.size();
    CellState after{Vec(units), Vec(units)};
    for (std::size_t u = 0; u < units; ++u) {
      const auto sum = [&](std::size_t gate) { return wx[gate * units + u] + uh[gate * units + u]; };
      if (a_.cell == Cell::kLstm) {
        after.c[u] = sigmoid(sum(1)) * before.c[u] + sigmoid(sum(0)) * std::tanh(sum(2));
        after.h[u] = sigmoid(sum(3)) * std::tanh(after.c[u]);
      } else {
        const double r = sigmoid(sum(0)), z = sigmoid(sum(1));
        const double n = std::tanh(wx[2 * units + u] + r * uh[2 * units + u]);
        after.h[u] = (1 - z) * n + z * before.h[u];
      }
    }
    return after;
  }

  Rows run(const std::string& prefix, const Rows& x, std::int64_t units) const {
    CellState state{Vec(static_cast<std::size_t>(units)), Vec(static_cast<std::size_t>(units))};
    Rows out;
    for (const Vec& step : x) {
      state = cell(prefix, step, state);
      out.push_back(state.h);
    }
    return out;
  }

  Rows rnn_encode(const Words& source) const {
    Rows x;
    for (const std::int32_t word : source) x.push_back(row("source_embed.weight", word));
    Rows reversed(x.rbegin(), x.rend());
    Rows h = run("encoder.l0.fwd", x, a_.rnn_hidden / 2);
    const Rows backward = run("encoder.l0.bwd", reversed, a_.rnn_hidden / 2);
    for (std::size_t t = 0; t < h.size(); ++t) h[t] = joined(h[t], backward[h.size() - 1 - t]);
    for (std::int64_t k = 1; k < a_.encoder_layers; ++k) {
      Rows out = run("encoder.l" + std::to_string(k), h, a_.rnn_hidden);
      for (std::size_t t = 0; t < h.size(); ++t)
        if (a_.is_residual(k + 1)) out[t] = out[t] + h[t];
      h = out;
    }
    return h;
  }

  double activated(double x) const {
    switch (a_.activation) {
      case ConvActivation::kRelu:
        return std::max(x, 0.0);
      case ConvActivation::kSoftRelu:
        return std::log1p(std::exp(x));
      case ConvActivation::kSigmoid:
        return sigmoid(x);
      default:
        return std::tanh(x);
    }
  }

  /// Output at step t of a convolution whose kernel's first input is step t - left.
  Vec block(const std::string& prefix, const Rows& x, std::int64_t t, std::int64_t left) const {
    const Tensor& weight = parameters_.tensor(prefix + ".weight");
    const auto w = parameters_.of(weight);
    Vec sums = all(prefix + ".bias");
    for (std::int64_t o = 0; o < weight.shape[0]; ++o)
      for (std::int64_t i = 0; i < weight.shape[1]; ++i)
        for (std::int64_t j = 0; j < weight.shape[2]; ++j) {
          const std::int64_t from = t - left + j;
          if (from < 0 || from >= static_cast<std::int64_t>(x.size())) continue;
          sums[static_cast<std::size_t>(o)] +=
              double{w[static_cast<std::size_t>((o * weight.shape[1] + i) * weight.shape[2] + j)]} *
              x[static_cast<std::size_t>(from)][static_cast<std::size_t>(i)];
        }
    Vec out;
    for (std::size_t u = 0; u < static_cast<std::size_t>(a_.cnn_hidden); ++u)
      out.push_back(a_.activation == ConvActivation::kGlu
                        ? sums[u] * sigmoid(sums[static_cast<std::size_t>(a_.cnn_hidden) + u])
                        : activated(sums[u]));
    return out;
  }

  Rows cnn_input(const std::string& side, const std::string& table, const Words& words) const {
    Rows h;
    for (std::size_t t = 0; t < words.size(); ++t)
      h.push_back(times(side + ".in.weight", row(table, words[t]) + row(side + ".pos", static_cast<std::int64_t>(t))));
    return h;
  }

  Rows cnn_encode(const Words& source) const {
    Rows h = cnn_input("encoder", "source_embed.weight", source);
    for (std::int64_t k = 0; k < a_.encoder_layers; ++k) {
      Rows out;
      for (std::size_t t = 0; t < h.size(); ++t)
        out.push_back(h[t] + block("encoder.conv" + std::to_string(k), h, static_cast<std::int64_t>(t),
                                   (a_.kernel_width_encoder - 1) / 2));
      h = out;
    }
    return h;
  }

  static Vec softmax(Vec x) {
    const double largest = *std::max_element(x.begin(), x.end());
    double sum = 0;
    for (double& v : x) sum += v = std::exp(v - largest);
    for (double& v : x) v /= sum;
    return x;
  }
  static Vec weighted(const Rows& rows, const Vec& weights) {
    Vec sum(rows.front().size());
    for (std::size_t s = 0; s < rows.size(); ++s)
      for (std::size_t i = 0; i < sum.size(); ++i) sum[i] += weights[s] * rows[s][i];
    return sum;
  }

  Vec attention(const Rows& encoded, const Vec& query) const {
    Vec weights;
    if (a_.attention == Attention::kFixed) {
      weights.assign(encoded.size(), 0);
      weights.back() = 1;
      return weights;
    }
    for (const Vec& h : encoded) {
      const Vec key = project("attention.source.weight", h), q = project("attention.query.weight", query);
      weights.push_back(a_.attention == Attention::kMlp ? dot(all("attention.v.weight"), tanh_of(key + q))
                                                        : dot(key, q));
    }
    return softmax(weights);
  }

  CellState initial_state(const Rows& encoded, std::int64_t layer) const {
    const auto d = static_cast<std::size_t>(a_.rnn_hidden);
    if (a_.state_init == StateInit::kZero) return {Vec(d), Vec(d)};
    const Vec equal(encoded.size(), 1.0 / static_cast<double>(encoded.size()));
    const Vec from = a_.state_init == StateInit::kLast ? encoded.back() : weighted(encoded, equal);
    const std::string prefix = "decoder.init." + std::to_string(layer);
    CellState state;
    state.h = tanh_of(times(prefix + ".h.weight", from) + all(prefix + ".h.bias"));
    if (a_.cell == Cell::kLstm) state.c = tanh_of(times(prefix + ".c.weight", from) + all(prefix + ".c.bias"));
    return state;
  }

  Vec rnn_features(const Rows& encoded, const Words& so_far, Vec& alpha) const {
    Vec fed(static_cast<std::size_t>(a_.rnn_hidden));
    std::vector<CellState> states;
    for (std::int64_t k = 0; k < a_.decoder_layers; ++k) states.push_back(initial_state(encoded, k));
    const bool upper = a_.attention_in_upper_layers && a_.decoder_layers > 1;
    for (const std::int32_t word : so_far) {
      Vec context, x = joined(row("target_embed.weight", word), fed);
      for (std::int64_t k = 0; k < a_.decoder_layers; ++k) {
        CellState& state = states[static_cast<std::size_t>(k)];
        state = cell("decoder.l" + std::to_string(k), upper && k > 0 ? joined(x, context) : x, state);
        x = a_.is_residual(k + 1) ? state.h + x : state.h;
        if (upper && k == 0) context = weighted(encoded, alpha = attention(encoded, x));
      }
      if (!upper) context = weighted(encoded, alpha = attention(encoded, x));
      fed = tanh_of(times("decoder.hidden.weight", joined(x, context)) + all("decoder.hidden.bias"));
    }
    return fed;
  }

  Vec cnn_features(const Rows& encoded, const Words& so_far, Vec& alpha) const {
    Rows h = cnn_input("decoder", "target_embed.weight", so_far);
    alpha.assign(encoded.size(), 0);
    for (std::int64_t k = 0; k < a_.decoder_layers; ++k) {
      Rows out;
      for (std::size_t t = 0; t < h.size(); ++t) {
        const Vec z =
            block("decoder.conv" + std::to_string(k), h, static_cast<std::int64_t>(t), a_.kernel_width_decoder - 1);
        Vec scores;
        for (const Vec& key : encoded) scores.push_back(dot(z, key));
        const Vec weights = softmax(scores);
        out.push_back(h[t] + z + weighted(encoded, weights));
        for (std::size_t s = 0; t + 1 == h.size() && s < weights.size(); ++s)
          alpha[s] += weights[s] / static_cast<double>(a_.decoder_layers);
      }
      h = out;
    }
    return h.back();
  }

  Architecture a_;
  const Parameters& parameters_;
};

struct Found {
  Words ids;
  double score = 0;
  Rows attention;
};

/// Beam search of one sentence, a hypothesis a whole list of words.
inline std::vector<Found> beam_search(const Model& model, const Words& source, std::int64_t beam, std::int64_t cells) {
  struct Hypothesis {
    Words words{2};
    double cost = 0, score = 0;
    bool finished = false;
    Rows attention;
  };
  struct Candidate {
    double score;
    std::size_t from;
    std::int32_t word;
    Hypothesis hypothesis;
  };
  std::vector<Hypothesis> hypotheses(1);
  for (std::int64_t length = 1; length < cells; ++length) {
    std::vector<Candidate> candidates;
    for (std::size_t i = 0; i < hypotheses.size(); ++i) {
      const Hypothesis& old = hypotheses[i];
      if (old.finished) {
        candidates.push_back({old.score, i, 3, old});
        continue;
      }
      const Model::Step step = model.step(source, old.words);
      for (std::int32_t word = 1; word < static_cast<std::int32_t>(step.costs.size()); ++word) {
        if (word == 2) continue;  // never begin-of-sentence
        Hypothesis next = old;
        next.words.push_back(word);
        next.cost += step.costs[static_cast<std::size_t>(word)];
        next.score = next.cost / static_cast<double>(length);
        next.finished = word == 3;
        if (!next.finished) next.attention.push_back(step.attention);
        candidates.push_back({next.score, i, word, next});
      }
    }
    std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
      if (a.score != b.score) return a.score < b.score;
      return a.from != b.from ? a.from < b.from : a.word < b.word;
    });
    hypotheses.clear();
    for (std::size_t i = 0; i < candidates.size() && i < static_cast<std::size_t>(beam); ++i)
      hypotheses.push_back(candidates[i].hypothesis);
    if (std::all_of(hypotheses.begin(), hypotheses.end(), [](const Hypothesis& h) { return h.finished; })) break;
  }
  std::vector<Found> found;
  for (const Hypothesis& h : hypotheses) {
    found.push_back({{}, h.score, h.attention});
    for (const std::int32_t word : h.words)
      if (word != 2 && word != 3) found.back().ids.push_back(word);
  }
  return found;
}

}  // namespace clary::seq2seq::testing_reference
