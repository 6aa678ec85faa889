// SPDX-License-Identifier: Apache-2.0
// The smallest real algorithm, for the shell's tests and as the example of docs/algorithms.md: it predicts the mean
// label of the training rows, whatever the features are.
#pragma once

#include <cmath>
#include <filesystem>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "learning/shell/algorithm_main.h"

namespace clary::toy {

struct Hyperparameters {
  std::int64_t feature_dim = 0;
  std::int64_t epochs = 1;
  double offset = 0;
};

inline const Schema<Hyperparameters>& schema() {
  using H = Hyperparameters;
  static const Schema<H> s{
      "toy",
      {
          hyper::integer("feature_dim", &H::feature_dim, 1, 1000).required().about("Features per row."),
          hyper::integer("epochs", &H::epochs, 1).about("Passes over the data."),
          hyper::continuous("offset", &H::offset, -100, 100).tunable(-1, 1).about("Added to every prediction."),
      },
      {{"epochs must not exceed 10 when feature_dim is 1",
        [](const H& h) { return h.feature_dim > 1 || h.epochs <= 10; }}}};
  return s;
}

class Model {
 public:
  Model() = default;
  Model(std::int64_t feature_dim, double mean) : feature_dim_(feature_dim), mean_(mean) {}

  void save(const std::filesystem::path& dir) const {
    write_file_atomically(dir / "mean.json", dump_json({{"mean", mean_}, {"feature_dim", feature_dim_}}));
  }
  void check_finite(const shell::FiniteCheck& check) const { check.number("mean", mean_); }
  static Model load(const std::filesystem::path& dir) {
    const Json json = parse_json(read_file(dir / "mean.json"));
    return {json.at("feature_dim").get<std::int64_t>(), json.at("mean").get<double>()};
  }

  shell::Predictions predict(const formats::Batch& rows, const shell::ServeRequest& request) const {
    const auto n = static_cast<std::size_t>(rows.rows);
    shell::Predictions out{rows.rows, {}};
    out.columns.push_back(shell::Column::of_numbers("score", std::vector<float>(n, static_cast<float>(mean_))));
    if (!request.flag("verbose")) return out;
    formats::Batch dense = rows;
    formats::make_dense(dense);
    out.columns.push_back(shell::Column::of_lists("features", dense.values, dense.width));
    out.columns.push_back(shell::Column::of_texts("comment", std::vector<std::string>(n, "say \"mean\", twice")));
    return out;
  }

  std::int64_t feature_dim() const { return feature_dim_; }
  std::optional<shell::Document> document(std::string_view path) const {
    if (path != "mean") return std::nullopt;
    return shell::Document{.body = dump_json({{"mean", mean_}})};
  }

 private:
  std::int64_t feature_dim_ = 0;
  double mean_ = 0;
};

inline Model train(const Hyperparameters& hp, shell::TrainContext& ctx) {
  auto& channel = ctx.channel("train");  // 1 data in
  double sums[2] = {0, 0};               // 2 model: sum of labels, rows
  for (std::int64_t epoch = 0; epoch < hp.epochs && (epoch == 0 || !ctx.stop_on_any_host()); ++epoch) {
    const auto reader = channel.rows({.feature_dim = hp.feature_dim, .num_threads = ctx.threads()});
    sums[0] = sums[1] = 0;
    formats::Batch batch;
    while (reader->next(batch, 100)) {  // 3 loop
      if (batch.label_width != 1) throw Error(Kind::kInvalid, "channel train: rows need one label each");
      for (const float label : batch.labels) sums[0] += static_cast<double>(label);
      sums[1] += static_cast<double>(batch.rows);
    }
    ctx.collective().all_reduce_sum(std::span<double>(sums));
    ctx.log().quality_metric("train", "label", "score", sums[0] / sums[1], epoch);  // 4 metrics
    ctx.log().progress(100.0 * static_cast<double>(epoch + 1) / static_cast<double>(hp.epochs));
  }
  return {hp.feature_dim, sums[0] / sums[1] + hp.offset};  // 5 artifact, 6 serving: the shell
}

struct Toy {
  static constexpr std::string_view kName = "toy";
  static constexpr std::string_view kWhenNotFinite = "give at least one row";
  using Hyperparameters = toy::Hyperparameters;
  using Model = toy::Model;
  static const Schema<Hyperparameters>& schema() { return toy::schema(); }
  static const shell::Descriptor& descriptor() {
    static const shell::Descriptor d{
        .images = {"toy"},
        .about = "Predicts the mean label.",
        .channels = {{.name = "train", .required = true, .about = "Labelled rows."}},
        .metrics = {{"train:label", R"(#quality_metric: host=\S+, epoch=\S+, train label <score>=(\S+))", ""}},
        .distributed = true,
        .log_name = "AWS/Toy",
    };
    return d;
  }
  static Model train(const Hyperparameters& hp, shell::TrainContext& ctx) { return toy::train(hp, ctx); }
};

}  // namespace clary::toy
