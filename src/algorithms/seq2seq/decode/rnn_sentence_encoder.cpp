// SPDX-License-Identifier: Apache-2.0
// The recurrent encoder. Rows are kept step after step, in each step the sentences that are long enough: since lengths
// fall, those are the first ones (PyTorch's PackedSequence has the same order).
#include <fmt/format.h>

#include <algorithm>

#include "algorithms/seq2seq/decode/sentence_encoder.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using numeric::UntouchedFloats;

/// Rows of the steps of sentences of falling length.
class StepRows {
 public:
  explicit StepRows(const Encoded& encoded) {
    const std::int64_t steps = encoded.length(0);
    std::int64_t rows = 0, active = encoded.sentences();
    for (std::int64_t t = 0; t < steps; ++t) {
      while (encoded.length(active - 1) <= t) --active;
      first_.push_back(rows);
      active_.push_back(active);
      rows += active;
    }
  }
  std::int64_t steps() const { return static_cast<std::int64_t>(first_.size()); }
  std::int64_t first(std::int64_t t) const { return first_[at(t)]; }
  /// Sentences longer than t.
  std::int64_t active(std::int64_t t) const { return active_[at(t)]; }

 private:
  std::vector<std::int64_t> first_, active_;
};

enum class Direction { kForward, kBackward };

/// h of every step into out; states start from zeros, backward at each sentence's own end.
void run_layer(const PackedCell& cell, const StepRows& rows, std::int64_t all_rows, nn::Rows<const float> x,
               Direction direction, nn::Rows<float> out) {
  const std::int64_t units = cell.units(), width = cell.gate_width(), sentences = rows.active(0);
  UntouchedFloats gates(at(all_rows * width)), scratch(at(sentences * width));
  numeric::Floats h(at(sentences * units), 0.0F), c(at(sentences * units), 0.0F);
  cell.input(all_rows, x, gates.data());
  for (std::int64_t i = 0; i < rows.steps(); ++i) {
    const std::int64_t t = direction == Direction::kForward ? i : rows.steps() - 1 - i;
    const std::int64_t first = rows.first(t), n = rows.active(t);
    cell.step(n, gates.data() + first * width, scratch.data(), {h.data(), units}, {c.data(), units});
    for (std::int64_t r = 0; r < n; ++r) std::copy_n(h.data() + r * units, units, out.row(first + r));
  }
}

class RnnSentenceEncoder : public SentenceEncoder {
 public:
  explicit RnnSentenceEncoder(const Source& source)
      : architecture_(source.architecture),
        table_(source, "source_embed.weight"),
        forward_(source, "encoder.l0.fwd"),
        backward_(source, "encoder.l0.bwd") {
    for (std::int64_t k = 1; k < architecture_.encoder_layers; ++k)
      upper_.emplace_back(source, fmt::format("encoder.l{}", k));
  }

  Encoded encode(std::span<const Ids> sentences) const override {
    const std::int64_t d = architecture_.rnn_hidden;
    Encoded encoded(sentences, d);
    const StepRows rows(encoded);
    const std::int64_t n = encoded.positions();
    UntouchedFloats x = embed(sentences, rows, n), h(at(n * d));
    run_layer(forward_, rows, n, {x.data(), table_.width}, Direction::kForward, {h.data(), d});
    run_layer(backward_, rows, n, {x.data(), table_.width}, Direction::kBackward, {h.data() + d / 2, d});
    for (std::size_t k = 0; k < upper_.size(); ++k) {
      x.swap(h);
      h.resize(at(n * d));
      run_layer(upper_[k], rows, n, {x.data(), d}, Direction::kForward, {h.data(), d});
      if (architecture_.is_residual(static_cast<std::int64_t>(k) + 2))
        for (std::size_t i = 0; i < h.size(); ++i) h[i] += x[i];
    }
    for (std::int64_t t = 0; t < rows.steps(); ++t)  // step order to sentence order
      for (std::int64_t i = 0; i < rows.active(t); ++i)
        std::copy_n(h.data() + (rows.first(t) + i) * d, d, encoded.values.data() + (encoded.first[at(i)] + t) * d);
    return encoded;
  }

 private:
  UntouchedFloats embed(std::span<const Ids> sentences, const StepRows& rows, std::int64_t n) const {
    UntouchedFloats x(at(n * table_.width));
    float* to = x.data();
    for (std::int64_t t = 0; t < rows.steps(); ++t)
      for (std::int64_t i = 0; i < rows.active(t); ++i)
        to = std::copy_n(table_.row(sentences[at(i)][at(t)]), table_.width, to);
    return x;
  }

  Architecture architecture_;
  Table table_;
  PackedCell forward_, backward_;
  std::vector<PackedCell> upper_;
};

}  // namespace

Encoded::Encoded(std::span<const Ids> sentences, std::int64_t row_width) : first(1, 0), width(row_width) {
  for (const Ids& ids : sentences) first.push_back(first.back() + static_cast<std::int64_t>(ids.size()));
  values.resize(at(positions() * width));
}

std::unique_ptr<const SentenceEncoder> make_rnn_sentence_encoder(const Source& source) {
  return std::make_unique<RnnSentenceEncoder>(source);
}

std::unique_ptr<const SentenceEncoder> make_sentence_encoder(const Source& source) {
  return source.architecture.encoder == NetworkType::kRnn ? make_rnn_sentence_encoder(source)
                                                          : make_cnn_sentence_encoder(source);
}

}  // namespace clary::seq2seq
