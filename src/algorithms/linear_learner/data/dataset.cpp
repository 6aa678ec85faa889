// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
#include <utility>

#include "base/error.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

formats::LabelRule label_rule(const Hyperparameters& hp) {
  formats::LabelRule rule;
  rule.words = "a finite number";
  if (!hp.is_classifier()) return rule;
  rule.low = 0, rule.whole = true;
  rule.high = static_cast<float>(hp.is_binary() ? 1 : hp.num_classes - 1);
  rule.words =
      hp.is_binary()
          ? "0 or 1, as predictor_type binary_classifier needs"
          : fmt::format("an integer from 0 to {} (num_classes {}), as predictor_type multiclass_classifier needs",
                        hp.num_classes - 1, hp.num_classes);
  return rule;
}

bool is_libsvm(const shell::Channel& channel) { return channel.content_type().format() == formats::Format::kLibsvm; }

/// @param features  0: not known yet
formats::ReadOptions read_options(const shell::TrainContext& context, const shell::Channel& channel,
                                  const Hyperparameters& hp, std::int64_t features) {
  formats::ReadOptions options;
  options.num_threads = context.threads();
  options.label_rule = label_rule(hp);
  if (is_libsvm(channel)) options.feature_dim = features;  // its rows do not say how wide they are
  return options;
}

/// The text that AWS's users know and search for, and then what it means.
void check_width(const std::string& channel, std::int64_t width, std::int64_t expected, bool given) {
  if (expected == 0 || width == expected) return;
  throw Error(
      Kind::kInvalid,
      fmt::format("cannot copy sequence with size {} to array axis with dimension {} (channel {}: its rows have "
                  "{} features, {} {})",
                  width, expected, channel, width, given ? "but feature_dim is" : "but the training rows have",
                  expected));
}

std::int64_t bytes_of(const formats::Batch& batch) {
  return static_cast<std::int64_t>((batch.values.size() + batch.columns.size() + batch.labels.size()) * 4 +
                                   batch.offsets.size() * 8);
}

/// All batches of a channel in the layout of the first.
void unify(formats::Batch& batch, bool sparse) {
  if (batch.sparse == sparse) return;
  if (sparse) {
    formats::make_sparse(batch);
  } else {
    formats::make_dense(batch);
  }
}

}  // namespace

std::int64_t RawRows::numbers() const {
  std::int64_t n = 0;
  for (const formats::Batch& chunk : chunks) n += static_cast<std::int64_t>(chunk.values.size());
  return n;
}

RawRows read_rows(shell::TrainContext& context, const std::string& channel, const Hyperparameters& hp,
                  std::int64_t features, std::int64_t max_bytes) {
  RawRows out;
  out.features = features;
  shell::Channel& from = context.channel(channel);
  // Sharded by S3 key, a host may have no file.
  if (from.is_empty() && from.is_sharded()) return out;
  const auto reader = from.rows(read_options(context, from, hp, features));
  std::int64_t bytes = 0;
  formats::Batch batch;
  while (reader->next(batch, kChunkRows)) {
    if (out.rows == 0) {
      check_width(channel, batch.width, features, hp.feature_dim.has_value());
      out.features = batch.width, out.sparse = batch.sparse;
    }
    if (is_libsvm(from)) out.features = std::max(out.features, batch.width);
    unify(batch, out.sparse);
    bytes += bytes_of(batch);
    // The first batch is always kept. `complete` is false when the rest was left unread: the caller then trains on a
    // stream.
    if (bytes > max_bytes && out.rows > 0) {
      out.complete = false;
      break;
    }
    out.rows += batch.rows;
    out.chunks.push_back(std::move(batch));
    batch = {};
    if (context.stop_requested()) break;
  }
  // libsvm: the width is the largest index of the whole channel.
  for (formats::Batch& chunk : out.chunks) chunk.width = out.features;
  return out;
}

bool trains_sparse(bool sparse, double numbers_per_row, std::int64_t features) {
  return sparse && numbers_per_row < kDenseFrom * static_cast<double>(features);
}

Rows scale_rows(RawRows raw, const Scaler& scaler, bool sparse, std::optional<std::uint64_t> shuffle_seed,
                numeric::Team& team) {
  Rows out;
  out.sparse = sparse, out.features = scaler.features(), out.rows = raw.rows;
  out.stride = numeric::padded(out.features);
  for (formats::Batch& chunk : raw.chunks) unify(chunk, sparse);
  std::vector<std::int64_t> order(at(raw.rows));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  if (shuffle_seed) {
    std::mt19937_64 random(*shuffle_seed);
    // Fisher-Yates, written out: std::shuffle differs between standard libraries.
    for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random() % i]);
  }
  const auto chunk_of = [&](std::int64_t i) -> std::pair<const formats::Batch&, std::int64_t> {
    // Every chunk but the last has exactly kChunkRows rows (RowReader::next() returns fewer only at the end).
    return {raw.chunks[at(order[at(i)] / kChunkRows)], order[at(i)] % kChunkRows};
  };
  out.labels.resize(at(out.rows));
  // Places of the rows first, so that threads can write them independently.
  if (sparse) {
    out.offsets.resize(at(out.rows) + 1);
    for (std::int64_t i = 0; i < out.rows; ++i) {
      const auto [chunk, r] = chunk_of(i);
      out.offsets[at(i) + 1] = out.offsets[at(i)] + static_cast<std::int64_t>(chunk.row_size(r));
    }
    out.values.resize(at(out.offsets.back()));
    out.columns.resize(at(out.offsets.back()));
  } else {
    out.values.resize(at(out.rows * out.stride));
  }
  std::vector<float> shift(scaler.shift.begin(), scaler.shift.end());
  std::vector<float> inverse;
  // Multiplied by the inverse: a division per value costs several times as much.
  for (const double s : scaler.scale) inverse.push_back(static_cast<float>(1 / s));
  team.run([&](int t) {
    const auto [begin, end] = numeric::share(out.rows, t, team.size());
    for (std::int64_t i = begin; i < end; ++i) {
      const auto [chunk, r] = chunk_of(i);
      out.labels[at(i)] =
          static_cast<float>((static_cast<double>(chunk.labels[at(r)]) - scaler.label_shift) / scaler.label_scale);
      // Sparse rows are scaled only. Their shift is applied in the model (Scaler::shifted()), as it would make zeros
      // non-zero.
      if (sparse) {
        const auto values = chunk.row_values(r);
        const auto columns = chunk.row_columns(r);
        for (std::size_t j = 0; j < values.size(); ++j) {
          out.columns[at(out.offsets[at(i)]) + j] = columns[j];
          out.values[at(out.offsets[at(i)]) + j] = values[j] * inverse[at(columns[j])];
        }
      } else {
        const float* from = chunk.values.data() + r * out.features;
        float* to = out.values.data() + i * out.stride;
        for (std::int64_t j = 0; j < out.features; ++j) to[j] = (from[j] - shift[at(j)]) * inverse[at(j)];
      }
    }
  });
  return out;
}

RowStream::RowStream(shell::TrainContext& context, std::string channel, const Hyperparameters& hp, const Scaler& scaler,
                     bool sparse)
    : context_(context), channel_(std::move(channel)), hp_(hp), scaler_(scaler), sparse_(sparse) {}

void RowStream::begin_epoch() {
  // Each epoch reads the channel again.
  shell::Channel& channel = context_.channel(channel_);
  reader_ = channel.rows(read_options(context_, channel, hp_, scaler_.features()));
}

std::optional<Rows> RowStream::next(std::int64_t max_rows, numeric::Team& team) {
  RawRows raw;
  formats::Batch batch;
  while (reader_ && raw.rows < max_rows) {
    if (!reader_->next(batch, std::min(max_rows - raw.rows, kChunkRows))) {
      // Not opened again before begin_epoch(): further calls return nothing.
      reader_.reset();
      break;
    }
    check_width(channel_, batch.width, scaler_.features(), hp_.feature_dim.has_value());
    raw.rows += batch.rows;
    raw.chunks.push_back(std::move(batch));
    batch = {};
  }
  if (raw.rows == 0) return std::nullopt;
  return scale_rows(std::move(raw), scaler_, sparse_, std::nullopt, team);
}

}  // namespace clary::linear_learner
