// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/train/training_data.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "learning/numeric/index.h"
#include "learning/numeric/memory.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

/// Shares of the memory that is free at the start. Training rows are held twice while they are scaled.
constexpr std::int64_t kTrainPart = 4, kOtherPart = 16;
/// Training rows that judge the candidates when there is no validation channel.
constexpr std::int64_t kSampleRows = 100'000;
constexpr std::int64_t kSmallestBatch = 16;

/// Bytes of memory to count on; set by the operator, else what is free.
constexpr const char* kEnvMemory = "CLARY_LINEAR_LEARNER_MEMORY";

std::int64_t memory_for_rows() {
  const char* given = std::getenv(kEnvMemory);
  const std::int64_t bytes = given == nullptr ? 0 : std::strtoll(given, nullptr, 10);
  return bytes > 0 ? bytes : numeric::available_memory();
}

std::int64_t maximum(collective::Collective& hosts, std::int64_t mine) {
  double value = static_cast<double>(mine);
  hosts.all_reduce_max(std::span(&value, 1));
  return static_cast<std::int64_t>(value);
}

std::int64_t sum(collective::Collective& hosts, std::int64_t mine) {
  hosts.all_reduce_sum(std::span(&mine, 1));
  return mine;
}

std::int64_t agreed_features(const Hyperparameters& hp, const RawRows& raw, collective::Collective& hosts) {
  const std::int64_t most = maximum(hosts, raw.features);
  const bool differs = maximum(hosts, raw.rows > 0 && raw.features != most ? 1 : 0) == 1;
  if (differs) {
    throw Error(Kind::kInvalid,
                fmt::format("channel train: its rows have {} features on this host, but {} on another; all rows of a "
                            "job must have the same",
                            raw.features, most));
  }
  return most > 0 ? most : hp.feature_dim.value_or(0);
}

ScalerSums sums_of(const RawRows& raw, const Hyperparameters& hp, std::int64_t features,
                   collective::Collective& hosts) {
  ScalerSums sums(features, !hp.is_classifier());
  std::int64_t left = hp.num_point_for_scaler;
  for (const formats::Batch& chunk : raw.chunks) {
    const std::int64_t count = std::min(left, chunk.rows);
    sums.add(chunk, count);
    left -= count;
  }
  sums.combine(hosts);
  return sums;
}

std::vector<std::int64_t> count_classes(const RawRows& raw, const Hyperparameters& hp, collective::Collective& hosts) {
  if (!hp.is_classifier()) return {};
  std::vector<std::int64_t> counts(at(hp.is_binary() ? 2 : hp.num_classes), 0);
  for (const formats::Batch& chunk : raw.chunks) {
    for (const float y : chunk.labels) ++counts[static_cast<std::size_t>(y)];
  }
  hosts.all_reduce_sum(std::span<std::int64_t>(counts));
  return counts;
}

std::int64_t batch_rows(const Hyperparameters& hp, const TrainingData& data) {
  if (data.streamed) return hp.mini_batch_size;
  const std::int64_t for_updates = (data.most_rows + kUpdatesPerEpoch - 1) / kUpdatesPerEpoch;
  return std::min(hp.mini_batch_size, std::max(for_updates, kSmallestBatch));
}

/// The first rows of the (shuffled) training rows.
Rows sample_of(const Rows& rows, std::int64_t count) {
  Rows out;
  out.sparse = rows.sparse, out.features = rows.features, out.stride = rows.stride;
  out.rows = std::min(count, rows.rows);
  out.labels.assign(rows.labels.begin(), rows.labels.begin() + out.rows);
  if (rows.sparse) {
    const auto end = static_cast<std::ptrdiff_t>(rows.offsets[at(out.rows)]);
    out.offsets.assign(rows.offsets.begin(), rows.offsets.begin() + out.rows + 1);
    out.columns.assign(rows.columns.begin(), rows.columns.begin() + end);
    out.values.assign(rows.values.begin(), rows.values.begin() + end);
  } else {
    out.values.assign(rows.values.begin(), rows.values.begin() + out.rows * rows.stride);
  }
  return out;
}

struct Channel {
  Rows rows;
  std::vector<float> labels;
};

Channel load_channel(const std::string& name, const Hyperparameters& hp, shell::TrainContext& context,
                     const TrainingData& data, std::int64_t max_bytes, Team& team) {
  RawRows raw = read_rows(context, name, hp, data.features, max_bytes);
  if (!raw.complete) {
    context.log().warn("Channel {} does not fit into the memory there is for it: its first {} rows are used.", name,
                       raw.rows);
  }
  Channel out;
  for (const formats::Batch& chunk : raw.chunks) {
    out.labels.insert(out.labels.end(), chunk.labels.begin(), chunk.labels.end());
  }
  out.rows = scale_rows(std::move(raw), data.scaler, data.sparse, std::nullopt, team);
  return out;
}

}  // namespace

double TrainingData::balanced_weight() const {
  if (class_counts.size() != 2 || class_counts[0] == 0 || class_counts[1] == 0) return 1;
  return static_cast<double>(class_counts[0]) / static_cast<double>(class_counts[1]);
}

std::vector<float> TrainingData::balanced_class_weights() const {
  std::int64_t rows = 0;
  for (const std::int64_t n : class_counts) rows += n;
  std::vector<float> out;
  for (const std::int64_t n : class_counts) {
    out.push_back(n == 0 ? kUnseenClassWeight : static_cast<float>(static_cast<double>(rows) / static_cast<double>(n)));
  }
  return out;
}

std::vector<float> original_labels(const Rows& rows, const Scaler& scaler) {
  std::vector<float> out;
  out.reserve(rows.labels.size());
  for (const float y : rows.labels) {
    out.push_back(static_cast<float>(static_cast<double>(y) * scaler.label_scale + scaler.label_shift));
  }
  return out;
}

TrainingData load_training_data(const Hyperparameters& hp, shell::TrainContext& context, Team& team) {
  collective::Collective& hosts = context.collective();
  const std::int64_t memory = memory_for_rows() / hosts.size();
  TrainingData data;
  RawRows raw = read_rows(context, "train", hp, hp.feature_dim.value_or(0), memory / kTrainPart);
  data.features = agreed_features(hp, raw, hosts);
  data.rows_everywhere = sum(hosts, raw.rows);
  if (data.rows_everywhere == 0) throw Error(Kind::kInvalid, "channel train: it has no rows on any host");
  data.most_rows = maximum(hosts, raw.rows);
  data.streamed = maximum(hosts, raw.complete ? 0 : 1) == 1;
  data.class_counts = count_classes(raw, hp, hosts);
  const bool any_sparse = maximum(hosts, raw.sparse ? 1 : 0) == 1;
  const double density = static_cast<double>(sum(hosts, raw.numbers())) / static_cast<double>(data.rows_everywhere);
  data.sparse = trains_sparse(any_sparse, density, data.features);
  data.scaler = Scaler::of(sums_of(raw, hp, data.features, hosts), hp, data.sparse);
  data.batch_rows = batch_rows(hp, data);
  // Hosts see the same order of classes in different files: each host's order is its own.
  data.train = scale_rows(std::move(raw), data.scaler, data.sparse,
                          context.seed() + static_cast<std::uint64_t>(context.hosts().rank()), team);
  if (context.has_channel("validation")) {
    Channel validation = load_channel("validation", hp, context, data, memory / kOtherPart, team);
    data.judging = {std::move(validation.rows), std::move(validation.labels), false,
                    context.channel("validation").is_sharded() && hosts.size() > 1};
    const std::int64_t rows =
        data.judging.differs_by_host ? sum(hosts, data.judging.rows.rows) : data.judging.rows.rows;
    if (rows == 0) throw Error(Kind::kInvalid, "channel validation: it has no rows");
  } else {
    data.judging.rows = sample_of(data.train, kSampleRows);
    data.judging.labels = original_labels(data.judging.rows, data.scaler);
    data.judging.is_sample = true, data.judging.differs_by_host = hosts.size() > 1;
  }
  if (context.has_channel("test")) {
    Channel test = load_channel("test", hp, context, data, memory / kOtherPart, team);
    data.test = std::move(test.rows), data.test_labels = std::move(test.labels);
  }
  return data;
}

}  // namespace clary::linear_learner
