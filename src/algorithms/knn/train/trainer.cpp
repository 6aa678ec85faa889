// SPDX-License-Identifier: Apache-2.0
// See trainer.h. Log lines are those of AWS's container, word for word where one is known.
#include "algorithms/knn/train/trainer.h"

#include <chrono>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "algorithms/knn/data/dataset.h"
#include "algorithms/knn/data/sample.h"
#include "algorithms/knn/evaluate/evaluation.h"
#include "algorithms/knn/knn.h"
#include "algorithms/knn/train/memory.h"
#include "base/error.h"
#include "learning/numeric/index.h"
#include "learning/numeric/threads.h"

namespace clary::knn {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// faiss warns below this many rows per centroid.
constexpr std::int64_t kRecommendedRowsPerCell = 39;

/// Rows to make room for; throws when they cannot fit. What a FIFO or compressed files hold is unknown: then the sample
/// size counts as given.
std::int64_t expected_rows(const Hyperparameters& hp, std::int64_t capacity, shell::Channel& channel,
                           std::int64_t available) {
  // 0: no reservation, the vectors grow as rows come.
  if (hp.feature_dim == Hyperparameters::kAuto) return 0;
  std::optional<std::int64_t> bound;
  if (!channel.is_pipe()) bound = most_rows(channel.files(), channel.content_type().format(), hp.feature_dim);
  if (capacity == Reservoir::kUnlimited && !bound) return 0;
  const std::int64_t rows = bound ? std::min(capacity, *bound) : capacity;
  require_memory(rows, hp.feature_dim, available);
  // Without a bound the sample size may be far above what there is: only checked, not reserved.
  return bound ? rows : 0;
}

formats::ReadOptions read_options(const Hyperparameters& hp, const shell::TrainContext& context) {
  formats::ReadOptions out;
  out.feature_dim = hp.feature_dim;
  out.layout = formats::Layout::kDense;
  out.num_threads = context.threads();
  return out;
}

void log_reading(shell::TrainContext& context, std::chrono::system_clock::time_point start, std::int64_t rows,
                 std::int64_t batches, double seconds) {
  context.log().progress(100);
  shell::MetricsRecord record;
  record.start = start;
  record.end = std::chrono::system_clock::now();
  record.epoch = 0;
  record.meta = "training_data_iter";
  record.values = {{"Total Records Seen", static_cast<double>(rows)},
                   {"Total Batches Seen", static_cast<double>(batches)},
                   {"Max Records Seen Between Resets", static_cast<double>(rows)},
                   {"Max Batches Seen Between Resets", static_cast<double>(batches)},
                   {"Reset Count", 1},
                   {"Number of Records Since Last Reset", static_cast<double>(rows)},
                   {"Number of Batches Since Last Reset", static_cast<double>(batches)}};
  context.log().metrics(record);
  if (rows > 0) context.log().throughput(static_cast<double>(rows) / std::max(seconds, 1e-9));
}

/// One pass over this host's share of the train channel.
Sample read_sample(const Hyperparameters& hp, shell::TrainContext& context) {
  const auto& hosts = context.hosts();
  shell::Channel& channel = context.channel("train");
  const std::int64_t capacity = share_of_sample(hp.sample_size, hosts.size(), hosts.rank());
  const std::int64_t available = available_memory();
  context.log().info(
      "Using per-worker sample size = {} (Available virtual memory = {} bytes, GPU free memory = 0 bytes, number of "
      "workers = {}). If an out-of-memory error occurs, {}",
      capacity == Reservoir::kUnlimited ? "all" : std::to_string(capacity), available, hosts.size(), kMemoryAdvice);
  // Sharded by S3 key, a host may have no file; it takes part in gather() with an empty sample.
  if (hosts.size() > 1 && channel.is_empty()) return {};

  Reservoir reservoir(capacity, context.seed(), hosts.rank(), expected_rows(hp, capacity, channel, available));
  // Log lines need the wall clock, durations the monotonic one.
  const auto start = std::chrono::system_clock::now();
  const auto begin = Clock::now();
  const auto reader = channel.rows(read_options(hp, context));
  formats::Batch batch;
  std::int64_t batches = 0;
  bool warned = false;
  for (; !context.stop_requested() && reader->next(batch, hp.mini_batch_size); ++batches) {
    require_labelled_rows(batch, "train", reservoir.sample().seen);
    if (!warned && has_inexact_labels(batch)) {
      context.log().warn(
          "train channel: a label is at or above 2^24; labels are float32, so it may have been rounded. "
          "Use smaller class numbers, or Record.uid and the ids of verbose answers.");
      warned = true;
    }
    reservoir.add(batch);
    // Before the next batch of this size is added. What is already held counts as available: `available` was measured
    // before.
    require_memory(std::min(capacity, reservoir.sample().rows() + batch.rows), batch.width,
                   std::max(available, reservoir.sample().rows() * batch.width * 4));
  }
  log_reading(context, start, reservoir.sample().seen, batches, seconds_since(begin));
  return std::move(reservoir).take();
}

/// All reservoirs, on the first host; an empty sample on the others.
Sample gather(Sample mine, shell::TrainContext& context) {
  const auto& hosts = context.hosts();
  Sample all;
  if (hosts.size() == 1) {
    context.log().info("Getting reservoir sample from {}...", hosts.current);
    all = std::move(mine);
  } else {
    context.log().info("Starting cluster...");
    auto& collective = context.collective();
    context.log().info("...Cluster started");
    context.log().info("Verifying connection to {} peer cluster(s)...", hosts.size() - 1);
    collective.barrier();
    context.log().info("...Verified connection to {} peer cluster(s)", hosts.size() - 1);
    // Blobs come in rank order, and positions are counted on over the hosts in that order.
    const std::string bytes = to_bytes(mine);
    // Frees this host's sample while the blobs arrive; its bytes are among them.
    mine = {};
    for (const std::string& blob : collective.gather(bytes, 0)) append(all, sample_from_bytes(blob));
    if (!hosts.is_first()) return {};
  }
  for (const std::string& name : hosts.names) {
    if (hosts.size() > 1) context.log().info("Getting reservoir sample from {}...", name);
  }
  context.log().info("...Got reservoir sample from {}: data=({}, {}), labels=({},), NaNs=0", hosts.current, all.rows(),
                     all.vectors.width(), all.rows());
  return all;
}

/// Widths and sizes that depend on the data.
struct Plan {
  IndexOptions index;
  Metadata metadata;
};

Plan plan_of(const Hyperparameters& hp, const Sample& sample, std::uint64_t seed, shell::TrainLog& log) {
  const std::int64_t features = sample.vectors.width();
  Plan out;
  out.metadata = {hp.k, hp.predictor_type, std::nullopt, hp.index_metric == Metric::kCosine, features};
  out.index.type = hp.index_type;
  out.index.l2 = hp.index_metric == Metric::kL2;
  out.index.nprobe = hp.probes();
  out.index.nlist = hp.ivf_nlists;
  if (hp.ivf_nlists == Hyperparameters::kAuto) {
    const std::int64_t rows =
        hp.sample_size == Hyperparameters::kAll ? sample.rows() : std::min(hp.sample_size, sample.rows());
    // From the rows that were kept, so that a small channel does not ask for more cells than rows.
    out.index.nlist = automatic_nlists(rows);
  }
  std::int64_t width = hp.reduction_type == Reduction::kNone ? features : hp.reduction_target;
  // The schema could not check this with feature_dim "auto".
  if (hp.reduction_type != Reduction::kNone && width >= features) {
    throw Error(
        Kind::kInvalid,
        fmt::format("knn: dimension_reduction_target: {} must be below the {} features of a row", width, features));
  }
  if (hp.index_type == IndexType::kIvfPq) {
    out.index.pq_m = hp.pq_m == Hyperparameters::kAuto ? automatic_pq_m(width) : hp.pq_m;
    const std::int64_t raised = next_multiple(width, out.index.pq_m);
    if (raised != width)
      log.info("Raised {} dimensions to {}, a multiple of faiss_index_pq_m = {}", width, raised, out.index.pq_m);
    width = raised;
  }
  out.index.width = width;
  if (hp.reduction_type != Reduction::kNone) out.metadata.reduction = {hp.reduction_type, seed, width, features};
  if (hp.index_type != IndexType::kFlat && sample.rows() < kRecommendedRowsPerCell * out.index.nlist) {
    log.warn("{} rows for {} cells: at least {} rows per cell are recommended", sample.rows(), out.index.nlist,
             kRecommendedRowsPerCell);
  }
  return out;
}

Model build(const Hyperparameters& hp, Sample sample, shell::TrainContext& context, Recall& recall) {
  auto& log = context.log();
  Plan plan = plan_of(hp, sample, context.seed(), log);
  auto pool = std::make_shared<numeric::Team>(context.threads(), numeric::Team::Shared());
  std::optional<Projection> projection;
  if (const auto& r = plan.metadata.reduction) projection.emplace(r->type, r->seed, r->input_dim, r->target_dim);
  Preparation preparation(std::move(projection), plan.index.width, plan.metadata.normalize);
  Vectors rows = preparation.apply(std::move(sample.vectors), *pool);

  Index index(plan.index, *pool);
  // faiss's clustering refuses such rows too, but as a fault of the program.
  if (hp.index_type != IndexType::kFlat)
    shell::FiniteCheck(Knn::kName, Knn::kWhenNotFinite)
        .array("rows", {rows.data(), numeric::at(rows.rows() * rows.width())});
  log.info("Training index...");
  auto start = Clock::now();
  index.train(rows);
  log.info("...Finished training index in {:.0f} second(s)", std::floor(seconds_since(start)));
  log.info("Adding data to index...");
  start = Clock::now();
  index.add(rows);
  log.info("...Finished adding data to index in {:.0f} second(s)", std::floor(seconds_since(start)));
  // The rows serve the exact search of the recall; a flat index is exact already.
  if (hp.index_type != IndexType::kFlat) recall.keep(std::move(rows), plan.index.l2);
  return Model(plan.metadata, std::move(pool), std::move(preparation), std::move(index), std::move(sample.labels),
               std::move(sample.positions), std::move(sample.uids));
}

}  // namespace

Model train(const Hyperparameters& hp, shell::TrainContext& context) {
  const auto start = std::chrono::system_clock::now();
  Sample sample = gather(read_sample(hp, context), context);
  if (!context.hosts().is_first()) {
    // The test channel is scored collectively: this host may have to send its rows.
    if (context.has_channel("test")) score_test_channel(hp, nullptr, nullptr, context);
    return {};
  }
  if (sample.rows() == 0) throw Error(Kind::kInvalid, "train channel: no rows, k-NN needs at least one");
  Recall recall;
  Model model = build(hp, std::move(sample), context, recall);
  if (context.has_channel("test")) score_test_channel(hp, &model, &recall, context);
  recall.report(model, context.log());
  shell::MetricsRecord record;
  record.start = start;
  record.end = std::chrono::system_clock::now();
  record.values = {{"totaltime", std::chrono::duration<double, std::milli>(record.end - start).count()}};
  context.log().metrics(record);
  return model;
}

}  // namespace clary::knn
