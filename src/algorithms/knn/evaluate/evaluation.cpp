// SPDX-License-Identifier: Apache-2.0
// See evaluation.h.
#include "algorithms/knn/evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "algorithms/knn/data/dataset.h"
#include "algorithms/knn/data/sample.h"
#include "algorithms/knn/evaluate/score.h"
#include "algorithms/knn/kernels/flat_search.h"
#include "algorithms/knn/serve/vote.h"
#include "base/files.h"
#include "base/json.h"

namespace clary::knn {
namespace {

constexpr std::size_t kMostLoggedClasses = 50;
constexpr std::size_t kMostLoggedK = 100;

/// Calls use() for each batch of labelled test rows.
void for_each_test_batch(const Hyperparameters& hp, shell::TrainContext& context,
                         const std::function<void(formats::Batch&)>& use) {
  shell::Channel& channel = context.channel("test");
  // Sharded by S3 key, a host may have received no file at all.
  if (context.hosts().size() > 1 && channel.is_empty()) return;
  formats::ReadOptions options;
  options.feature_dim = hp.feature_dim;
  options.layout = formats::Layout::kDense;
  options.num_threads = context.threads();
  const auto reader = channel.rows(options);
  formats::Batch batch;
  std::int64_t rows = 0;
  while (!context.stop_requested() && reader->next(batch, hp.mini_batch_size)) {
    require_labelled_rows(batch, "test", rows);
    rows += batch.rows;
    use(batch);
  }
}

class Scorer {
 public:
  Scorer(const Model& model, Recall& recall, shell::TrainLog& log)
      : model_(model), recall_(recall), log_(log), score_(model.metadata().predictor_type) {}

  void add(Vectors rows, std::span<const float> labels) {
    ++batches_;
    log_.info("Searching index...");
    const auto start = std::chrono::steady_clock::now();
    const Vectors queries = model_.prepared(std::move(rows));
    // Queries for the recall are kept in the prepared form, as the index sees them.
    if (recall_.wants_queries()) recall_.add_queries(queries);
    const Neighbours found = model_.neighbours_of_prepared(queries, model_.metadata().k, model_.default_probes());
    for (std::int64_t q = 0; q < found.queries; ++q) {
      // Neighbours come nearest first, so that every prefix of `near` is the answer for a smaller k.
      std::vector<float> near;
      for (std::int64_t i = q * found.k; i < (q + 1) * found.k; ++i) {
        // -1 fills up when the probed cells held fewer than k rows.
        const std::int64_t id = found.ids[static_cast<std::size_t>(i)];
        if (id >= 0) near.push_back(model_.label(id));
      }
      score_.add(labels[static_cast<std::size_t>(q)], prefix_answers(model_.metadata().predictor_type, near));
    }
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    log_.info("...Done searching index in {:.0f} second(s)", std::floor(took.count()));
  }

  void report(const std::string& host, std::chrono::system_clock::time_point start,
              const std::filesystem::path& output_dir) {
    if (score_.rows() == 0) return log_.warn("test channel: no rows, nothing scored");
    shell::MetricsRecord record;
    record.start = start;
    record.end = std::chrono::system_clock::now();
    record.operation = "scoring";
    record.meta = "test_data_iter";
    record.values = {{"Total Records Seen", static_cast<double>(score_.rows())},
                     {"Total Batches Seen", static_cast<double>(batches_)}};
    log_.metrics(record);
    if (model_.metadata().predictor_type == Task::kClassifier) {
      report_classifier(host);
    } else {
      log_.score("test", "mse", score_.mean_squared_error());
      report_by_k("mse");
      log_.quality_metric("test", "mse", "loss", score_.mean_squared_error());
    }
    write_scores(output_dir);
  }

 private:
  void report_classifier(const std::string& host) {
    log_.score("test", "accuracy", score_.accuracy());
    log_.score("test", "macro_f_1.000", score_.macro_f1());
    for (const auto& [label, one] : score_.classes()) {
      if (score_.classes().size() > kMostLoggedClasses) break;  // test_scores.json has them all
      log_.info("#test_class ({}) : class={}, precision={:.6f}, recall={:.6f}, f1={:.6f}, support={}", host, label,
                one.precision(), one.recall(), one.f(), one.labelled);
    }
    report_by_k("accuracy");
    log_.quality_metric("test", "accuracy", "score", score_.accuracy());
    log_.quality_metric("test", "macro_f_1.000", "score", score_.macro_f1());
  }

  void report_by_k(const char* what) {
    std::string text;
    const auto by_k = score_.by_k();
    for (std::size_t i = 0; i < std::min(by_k.size(), kMostLoggedK); ++i) {
      text += fmt::format("{}{}: {}", i == 0 ? "" : ", ", i + 1, shell::python_float(by_k[i]));
    }
    log_.info("#test_{}_by_k : {{{}}}", what, text);
  }

  /// Everything counted, for programs: output/data/test_scores.json, part of output.tar.gz.
  void write_scores(const std::filesystem::path& output_dir) const {
    const bool classifier = model_.metadata().predictor_type == Task::kClassifier;
    Json out = {{"rows", score_.rows()}, {"k", model_.metadata().k}};
    out[classifier ? "accuracy_by_k" : "mse_by_k"] = score_.by_k();
    if (classifier) {
      out["accuracy"] = score_.accuracy();
      out["macro_f1"] = score_.macro_f1();
      for (const auto& [label, one] : score_.classes()) {
        out["classes"].push_back({{"class", label},
                                  {"precision", one.precision()},
                                  {"recall", one.recall()},
                                  {"f1", one.f()},
                                  {"support", static_cast<std::int64_t>(one.labelled)}});
      }
    } else {
      out["mse"] = score_.mean_squared_error();
    }
    std::filesystem::create_directories(output_dir);
    write_file_atomically(output_dir / "test_scores.json", out.dump(2) + "\n");
  }

  const Model& model_;
  Recall& recall_;
  shell::TrainLog& log_;
  Score score_;
  std::int64_t batches_ = 0;
};

// The index is on the first host only; the others send their rows there. gather() is collective: every host must come
// here, also without rows.
void score_sharded(const Hyperparameters& hp, Scorer* scorer, shell::TrainContext& context) {
  Reservoir mine(Reservoir::kUnlimited, context.seed(), context.hosts().rank());
  for_each_test_batch(hp, context, [&](formats::Batch& batch) { mine.add(batch); });
  const auto blobs = context.collective().gather(to_bytes(mine.sample()), 0);
  for (const std::string& blob : blobs) {
    Sample one = sample_from_bytes(blob);
    if (scorer != nullptr && one.rows() > 0) scorer->add(std::move(one.vectors), one.labels);
  }
}

}  // namespace

void Recall::add_queries(const Vectors& rows) {
  if (queries_.rows() == 0) queries_ = Vectors(rows.width());
  const std::int64_t room = std::min(rows.rows(), kQueries - queries_.rows());
  // Only as many as are still wanted: the exact search below costs queries x rows.
  queries_.append({rows.data(), static_cast<std::size_t>(room * rows.width())});
}

std::optional<double> Recall::measure(const Model& model) {
  const std::int64_t rows = stored_.rows();
  // A row's own neighbours need another row.
  if (rows < 2) return std::nullopt;
  const bool own = queries_.rows() == 0;
  std::vector<std::int64_t> places;  // of the queries among the stored rows
  if (own) {
    queries_ = Vectors(stored_.width());
    const std::int64_t wanted = std::min(rows, kQueries);
    for (std::int64_t i = 0; i < wanted; ++i) {
      // Evenly over the index, in input order.
      places.push_back(i * rows / wanted);
      queries_.append({stored_.row(places.back()), static_cast<std::size_t>(stored_.width())});
    }
  }
  // With rows of the index as queries, each finds itself first: one neighbour more is asked for and dropped.
  const std::int64_t k = std::min(rows - (own ? 1 : 0), kNeighbours), asked = k + (own ? 1 : 0);
  numeric::Team pool(1, numeric::Team::Shared());
  const FlatSearch exact(stored_.data(), rows, stored_.width(), l2_, pool);
  std::vector<float> distances(static_cast<std::size_t>(queries_.rows() * asked));
  std::vector<std::int64_t> ids(distances.size());
  exact.search(queries_.data(), queries_.rows(), asked, distances.data(), ids.data());
  const Neighbours found = model.neighbours_of_prepared(queries_, asked, model.default_probes());

  const auto best = [&](const std::vector<std::int64_t>& all, std::int64_t q) {
    std::set<std::int64_t> out;
    for (std::int64_t i = q * asked; i < (q + 1) * asked && static_cast<std::int64_t>(out.size()) < k; ++i) {
      const std::int64_t id = all[static_cast<std::size_t>(i)];
      if (id >= 0 && !(own && id == places[static_cast<std::size_t>(q)])) out.insert(id);
    }
    return out;
  };
  std::int64_t hits = 0;
  for (std::int64_t q = 0; q < queries_.rows(); ++q) {
    const auto truth = best(ids, q);
    for (const std::int64_t id : best(found.ids, q)) hits += truth.contains(id) ? 1 : 0;
  }
  return static_cast<double>(hits) / static_cast<double>(queries_.rows() * k);
}

void Recall::report(const Model& model, shell::TrainLog& log) {
  const bool held_out = queries_.rows() > 0;
  if (const auto recall = measure(model)) {
    log.info("recall@10 of the index with nprobe = {}, on {} rows {}: {:.4f}", model.default_probes(), queries_.rows(),
             held_out ? "of the test channel" : "of the index, each left out of its own answer", *recall);
    log.quality_metric("train", "recall@10", "score", *recall);
  }
  // Frees the copy of all rows before the model is saved.
  stored_ = {};
  queries_ = {};
}

void score_test_channel(const Hyperparameters& hp, const Model* model, Recall* recall, shell::TrainContext& context) {
  const auto start = std::chrono::system_clock::now();
  std::optional<Scorer> scorer;
  // Hosts other than the first have no model; they read and send only.
  if (model != nullptr) scorer.emplace(*model, *recall, context.log());
  const bool gathered = context.hosts().size() > 1 && context.channel("test").is_sharded();
  if (gathered) {
    score_sharded(hp, scorer ? &*scorer : nullptr, context);
  } else if (scorer) {
    for_each_test_batch(hp, context, [&](formats::Batch& batch) { scorer->add(dense_vectors(batch), batch.labels); });
  }
  if (scorer) scorer->report(context.hosts().current, start, context.output_dir());
}

}  // namespace clary::knn
