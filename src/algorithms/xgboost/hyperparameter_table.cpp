// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/hyperparameter_table.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "algorithms/xgboost/model/objectives.h"

namespace clary::xgboost {
namespace {

using hyper::FieldType;
using hyper::kInfinite;

Row make_row(std::string name, Form form, FieldType type) {
  Row out;
  out.form = form;
  out.spec.name = std::move(name), out.spec.type = type;
  return out;
}

Row integer(std::string name, double low, double high = kInfinite) {
  Row out = make_row(std::move(name), Form::kInteger, FieldType::kInteger);
  out.spec.min = low, out.spec.max = high;
  out.spec.min_integer = static_cast<std::int64_t>(low);
  out.spec.max_integer = std::isinf(high) ? hyper::kUnbounded : static_cast<std::int64_t>(high);
  return out;
}

Row real(std::string name, double low, double high = kInfinite) {
  Row out = make_row(std::move(name), Form::kReal, FieldType::kContinuous);
  out.spec.min = low, out.spec.max = high;
  return out;
}

Row word(std::string name, std::vector<std::string> choices) {
  Row out = make_row(std::move(name), Form::kWord, FieldType::kCategorical);
  out.spec.choices = std::move(choices);
  return out;
}

Row words(std::string name, std::vector<std::string> choices) {
  Row out = make_row(std::move(name), Form::kWords, FieldType::kFreeText);
  out.spec.choices = std::move(choices);
  return out;
}

Row text(std::string name, Form form = Form::kText) { return make_row(std::move(name), form, FieldType::kFreeText); }

std::vector<std::string> objective_names() {
  std::vector<std::string> out;
  for (const Objective& objective : objectives()) out.emplace_back(objective.name);
  return out;
}

std::vector<std::string> metric_names() {
  std::vector<std::string> out;
  for (const Metric& metric : metrics()) out.emplace_back(metric.name);
  return out;
}

Row metric_list(std::string name) {
  Row out = words(std::move(name), metric_names());
  out.form = Form::kMetrics;
  return out;
}

const std::vector<std::string> kTrueFalse{"true", "false"};

std::vector<Row> make_rows() {
  return {
      integer("num_round", 1).required().tunable(1, 4000).kept().about("Rounds of boosting."),
      integer("num_class", 2).about("Classes; required for multi:softmax and multi:softprob."),
      word("booster", {"gbtree", "gblinear", "dart"})
          .or_else("gbtree")
          .about("Trees, a linear model, or trees with "
                 "dropout."),
      word("objective", objective_names()).or_else("reg:squarederror").about("What is minimised."),
      metric_list("eval_metric")
          .kept()
          .about("Metrics of the log, comma-separated; `error@t`, `ndcg@n` and `map@n` "
                 "with a threshold. Default: the objective's own."),
      integer("early_stopping_rounds", 1)
          .kept()
          .about("Stop after this many rounds without a better value of the last "
                 "metric on the validation channel; the best rounds are kept."),
      integer("csv_weights", 0, 1).kept().or_else("0").about("1: the second column of CSV is the row's weight."),
      real("eta", 0, 1).tunable(.1, .5).or_else("0.3").about("Shrinkage of each round; also `learning_rate`."),
      real("gamma", 0).tunable(0, 5).or_else("0").about("Least gain of a split; also `min_split_loss`."),
      integer("max_depth", 0).tunable(0, 10).or_else("6").about("Depth of a tree; 0: no limit."),
      real("min_child_weight", 0).tunable(0, 120).or_else("1").about("Least sum of hessians in a child."),
      real("max_delta_step", 0)
          .tunable(0, 10)
          .or_else("0")
          .about("Largest leaf value; 0: no limit (0.7 for "
                 "count:poisson)."),
      real("subsample", 0, 1).above_min().tunable(.5, 1).or_else("1").about("Share of the rows for each round."),
      real("colsample_bytree", 0, 1)
          .above_min()
          .tunable(.5, 1)
          .or_else("1")
          .about("Share of the columns for each "
                 "tree."),
      real("colsample_bylevel", 0, 1).above_min().tunable(.1, 1).or_else("1").about("The same for each level."),
      real("colsample_bynode", 0, 1).above_min().tunable(.1, 1).or_else("1").about("The same for each split."),
      real("lambda", 0).tunable(0, 1000).or_else("1").about("L2 penalty of leaf values; also `reg_lambda`."),
      real("alpha", 0).tunable(0, 1000).or_else("0").about("L1 penalty of leaf values; also `reg_alpha`."),
      word("tree_method", {"auto", "exact", "approx", "hist", "gpu_hist"})
          .or_else("auto")
          .about("How splits are found. auto: exact below 4,194,304 rows on one instance, else approx. gpu_hist runs "
                 "as hist."),
      real("sketch_eps", 0, 1).above_min().below_max().kept().about("Accepted; the library no longer uses it."),
      real("scale_pos_weight", 0).above_min().or_else("1").about("Factor of the positive rows' weight."),
      words("updater", {"grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker", "sync",
                        "refresh", "prune", "shotgun", "coord_descent"})
          .about("The steps of a round, comma-separated; default by tree_method. distcol, grow_skmaker and "
                 "grow_local_histmaker run as hist."),
      word("dsplit", {"row", "col"}).kept().about("Accepted; the library no longer uses it."),
      integer("refresh_leaf", 0, 1).or_else("1").about("1: the updater refresh also updates leaf values."),
      word("process_type", {"default", "update"})
          .or_else("default")
          .about("update: only refresh or prune an existing "
                 "model."),
      word("grow_policy", {"depthwise", "lossguide"})
          .or_else("depthwise")
          .about("lossguide: the best leaf first (hist "
                 "and approx)."),
      integer("max_leaves", 0).or_else("0").about("Leaves of a tree; 0: no limit."),
      integer("max_bin", 0).or_else("256").about("Bins of a feature (hist and approx)."),
      word("predictor", {"auto", "cpu_predictor", "gpu_predictor"})
          .or_else("auto")
          .about("gpu_predictor runs on the "
                 "CPU."),
      text("monotone_constraints", Form::kSigns)
          .about("`(1,0,-1)`: per feature rising, free or falling; with exact, hist or approx."),
      text("interaction_constraints", Form::kGroups)
          .about("`[[0,1],[2,3]]`: features that may meet on a path; with exact, hist or approx."),
      word("sample_type", {"uniform", "weighted"}).or_else("uniform").about("dart: which trees are dropped."),
      word("normalize_type", {"tree", "forest"}).or_else("tree").about("dart: weight of new trees."),
      real("rate_drop", 0, 1).or_else("0").about("dart: share of the trees that is dropped."),
      real("skip_drop", 0, 1).or_else("0").about("dart: chance that a round drops none."),
      integer("one_drop", 0, 1).or_else("0").about("dart: 1: drop at least one tree."),
      real("lambda_bias", 0, 1).or_else("0").about("gblinear: L2 penalty of the bias."),
      real("tweedie_variance_power", 1, 2).above_min().below_max().or_else("1.5").about("reg:tweedie: rho."),
      real("base_score", 0).or_else("0.5").about("The prediction before the first round."),
      integer("seed", -2147483648., 2147483647.)
          .above_min()
          .below_max()
          .or_else("0")
          .about("Start of every random sequence; same seed, data and threads: same model."),
      integer("num_parallel_tree", 1).or_else("1").about("Trees a round (random forest)."),
      integer("nthread", 1).kept().about("Threads; default: the instance's."),
      integer("verbosity", 0, 3)
          .or_else("1")
          .about("The library's own lines: 0 none, 1 warnings, 2 information, 3 "
                 "debugging."),
      word("save_model_on_termination", kTrueFalse)
          .kept()
          .or_else("false")
          .about("true: the model is written every "
                 "round, so that a stopped job "
                 "leaves it."),
      word("aft_loss_distribution", {"normal", "logistic", "extreme"}).or_else("normal").about("survival:aft."),
      real("aft_loss_distribution_scale", 0).or_else("1").about("survival:aft."),
      word("deterministic_histogram", kTrueFalse).kept().or_else("true").about("Accepted; GPUs only."),
      word("single_precision_histogram", kTrueFalse).kept().about("Accepted by tags 1.2 to 1.5; no effect."),
      word("sampling_method", {"uniform", "gradient_based"})
          .or_else("uniform")
          .about("gradient_based needs a GPU and "
                 "runs as uniform."),
      integer("prob_buffer_row", 1).above_min().kept().about("Accepted; no effect."),
      word("use_dask_gpu_training", kTrueFalse).kept().or_else("false").about("Accepted; runs as hist on the CPU."),
      integer("_kfold", 2)
          .kept()
          .about("Cross validation with this many folds of train and validation together; one "
                 "model a fold."),
      integer("_num_cv_round", 1).kept().or_else("1").about("Times that the cross validation is repeated."),
      integer("silent", 0, 1).kept().about("1: as verbosity 0; of old tags, accepted by all with a warning."),
      text("_tuning_objective_metric").kept().hidden().about("`validation:<metric>`; set by tuning jobs."),
  };
}

struct Lifetime {
  std::string_view name, word;  // an empty word: the name itself
  Tag since, until = kNever;    // [since, until)
};

constexpr auto kDifferences = std::to_array<Lifetime>({
    {"updater", "grow_local_histmaker", kOldest, {1, 7}},
    {"tree_method", "gpu_hist", {1, 2}},
    {"predictor", "auto", {1, 2}},
    {"predictor", "gpu_predictor", {1, 2}},
    {"eval_metric", "aft-nloglik", {1, 2}},
    {"eval_metric", "interval-regression-accuracy", {1, 2}},
    {"single_precision_histogram", "", {1, 2}, {1, 7}},
    {"aft_loss_distribution", "", {1, 2}},
    {"aft_loss_distribution_scale", "", {1, 2}},
    {"deterministic_histogram", "", {1, 2}},
    {"_kfold", "", {1, 2}},
    {"_num_cv_round", "", {1, 2}},
    {"sampling_method", "", {1, 3}},
    {"prob_buffer_row", "", {1, 3}},
    {"use_dask_gpu_training", "", {1, 7}},
});

}  // namespace

const std::vector<Row>& rows() {
  static const std::vector<Row> table = make_rows();
  return table;
}

const Row* find_row(std::string_view name) {
  const auto found = std::find_if(rows().begin(), rows().end(), [&](const Row& row) { return row.spec.name == name; });
  return found == rows().end() ? nullptr : &*found;
}

std::string_view without_alias(std::string_view name) {
  if (name == "learning_rate") return "eta";
  if (name == "min_split_loss") return "gamma";
  if (name == "reg_lambda") return "lambda";
  if (name == "reg_alpha") return "alpha";
  return name;
}

bool tag_knows(Tag tag, std::string_view name, std::string_view word) {
  if (tag == Tag{0, 72}) return true;  // closed, its checks are unknown
  if (name == "objective" && !word.empty()) {
    const Objective* objective = find_objective(word);
    return objective == nullptr || tag >= objective->since;
  }
  for (const Lifetime& row : kDifferences)
    if (row.name == name && row.word == word) return tag >= row.since && tag < row.until;
  return true;
}

}  // namespace clary::xgboost
