// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/hyperparameters.h"

#include <fmt/format.h>

#include <algorithm>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "algorithms/xgboost/hyperparameter_rules.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

using H = Hyperparameters;
using hyper::Field;

constexpr auto kLib = &H::library;
constexpr hyper::Lifetime kSince12{.since = {1, 2}};

Field<H> objective() {
  std::vector<std::string> names;
  for (const Objective& known : objectives()) names.emplace_back(known.name);
  auto field = hyper::one_of("objective", &H::objective, std::move(names)).also_in(kLib);
  for (const Objective& known : objectives())
    field = std::move(field).choice_offered(std::string(known.name), {.since = known.since});
  return std::move(field).about("What is minimised.");
}

std::vector<std::string> metric_names() {
  std::vector<std::string> out;
  for (const Metric& metric : metrics()) out.emplace_back(metric.name);
  return out;
}

/// Of rows or columns, at random.
/// `kLib` fields are texts that go to the library as they were given; the others are read by this program.
Field<H> share(std::string name, double tunable_from) {
  return hyper::continuous(std::move(name), kLib, 0, 1).above_min().tunable(tunable_from, 1).or_else("1");
}

Field<H> flag(std::string name, bool H::*member) {
  return hyper::categorical(std::move(name), member, {{"true", true}, {"false", false}}).any_case();
}

std::vector<Field<H>> fields() {
  using namespace hyper;  // NOLINT: the table below is made of its words
  return {
      integer("num_round", &H::num_round, 1).required().tunable(1, 4000).about("Rounds of boosting."),
      integer("num_class", &H::num_class, 2)
          .also_in(kLib)
          .about("Classes; required for multi:softmax and multi:softprob."),
      one_of("booster", kLib, {"gbtree", "gblinear", "dart"})
          .or_else("gbtree")
          .about("Trees, a linear model, or trees with dropout."),
      objective(),
      word_list("eval_metric", &H::eval_metric, metric_names(), threshold_problem)
          .choice_offered("aft-nloglik", kSince12)
          .choice_offered("interval-regression-accuracy", kSince12)
          .about("Metrics of the log, comma-separated; `error@t`, `ndcg@n` and `map@n` with a threshold. Default: the "
                 "objective's own."),
      integer("early_stopping_rounds", &H::early_stopping_rounds, 1)
          .about("Stop after this many rounds without a better value of the last metric on the validation channel; the "
                 "best rounds are kept."),
      integer("csv_weights", &H::csv_weights, 0, 1).about("1: the second column of CSV is the row's weight."),
      continuous("eta", kLib, 0, 1)
          .tunable(.1, .5)
          .or_else("0.3")
          .alias("learning_rate")
          .about("Shrinkage of each round; also `learning_rate`."),
      continuous("gamma", kLib, 0)
          .tunable(0, 5)
          .or_else("0")
          .alias("min_split_loss")
          .about("Least gain of a split; also `min_split_loss`."),
      integer("max_depth", kLib, 0).tunable(0, 10).or_else("6").about("Depth of a tree; 0: no limit."),
      continuous("min_child_weight", kLib, 0).tunable(0, 120).or_else("1").about("Least sum of hessians in a child."),
      continuous("max_delta_step", kLib, 0)
          .tunable(0, 10)
          .or_else("0")
          .about("Largest leaf value; 0: no limit (0.7 for count:poisson)."),
      share("subsample", .5).about("Share of the rows for each round."),
      share("colsample_bytree", .5).about("Share of the columns for each tree."),
      share("colsample_bylevel", .1).about("The same for each level."),
      share("colsample_bynode", .1).about("The same for each split."),
      continuous("lambda", kLib, 0)
          .tunable(0, 1000)
          .or_else("1")
          .alias("reg_lambda")
          .about("L2 penalty of leaf values; also `reg_lambda`."),
      continuous("alpha", kLib, 0)
          .tunable(0, 1000)
          .or_else("0")
          .alias("reg_alpha")
          .about("L1 penalty of leaf values; also `reg_alpha`."),
      one_of("tree_method", kLib, {"auto", "exact", "approx", "hist", "gpu_hist"})
          .or_else("auto")
          .choice_offered("gpu_hist", kSince12)
          .about("How splits are found. auto: exact below 4,194,304 rows on one instance, else approx. gpu_hist runs "
                 "as hist."),
      continuous("sketch_eps", &H::no_effect, 0, 1)
          .above_min()
          .below_max()
          .about("Accepted; the library no longer uses it."),
      continuous("scale_pos_weight", kLib, 0).above_min().or_else("1").about("Factor of the positive rows' weight."),
      word_list("updater", kLib,
                {"grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker", "sync",
                 "refresh", "prune", "shotgun", "coord_descent"})
          .choice_offered("grow_local_histmaker", {.until = {1, 7}})
          .about("The steps of a round, comma-separated; default by tree_method. distcol, grow_skmaker and "
                 "grow_local_histmaker run as hist."),
      one_of("dsplit", &H::no_effect, {"row", "col"}).about("Accepted; the library no longer uses it."),
      integer("refresh_leaf", kLib, 0, 1).or_else("1").about("1: the updater refresh also updates leaf values."),
      one_of("process_type", kLib, {"default", "update"})
          .or_else("default")
          .about("update: only refresh or prune an existing model."),
      one_of("grow_policy", kLib, {"depthwise", "lossguide"})
          .or_else("depthwise")
          .about("lossguide: the best leaf first (hist and approx)."),
      integer("max_leaves", kLib, 0).or_else("0").about("Leaves of a tree; 0: no limit."),
      integer("max_bin", kLib, 0).or_else("256").about("Bins of a feature (hist and approx)."),
      one_of("predictor", kLib, {"auto", "cpu_predictor", "gpu_predictor"})
          .or_else("auto")
          .choice_offered("auto", kSince12)
          .choice_offered("gpu_predictor", kSince12)
          .about("gpu_predictor runs on the CPU."),
      formed_text("monotone_constraints", kLib, read_monotone_constraints)
          .about("`(1,0,-1)`: per feature rising, free or falling; with exact, hist or approx."),
      formed_text("interaction_constraints", kLib, read_interaction_constraints)
          .about("`[[0,1],[2,3]]`: features that may meet on a path; with exact, hist or approx."),
      one_of("sample_type", kLib, {"uniform", "weighted"}).or_else("uniform").about("dart: which trees are dropped."),
      one_of("normalize_type", kLib, {"tree", "forest"}).or_else("tree").about("dart: weight of new trees."),
      continuous("rate_drop", kLib, 0, 1).or_else("0").about("dart: share of the trees that is dropped."),
      continuous("skip_drop", kLib, 0, 1).or_else("0").about("dart: chance that a round drops none."),
      integer("one_drop", kLib, 0, 1).or_else("0").about("dart: 1: drop at least one tree."),
      continuous("lambda_bias", kLib, 0, 1).or_else("0").about("gblinear: L2 penalty of the bias."),
      continuous("tweedie_variance_power", kLib, 1, 2)
          .above_min()
          .below_max()
          .or_else("1.5")
          .about("reg:tweedie: rho."),
      continuous("base_score", kLib, 0).or_else("0.5").about("The prediction before the first round."),
      integer("seed", &H::seed, -2147483648, 2147483647)
          .above_min()
          .below_max()
          .also_in(kLib)
          .about("Start of every random sequence; same seed, data and threads: same model."),
      integer("num_parallel_tree", kLib, 1).or_else("1").about("Trees a round (random forest)."),
      integer("nthread", &H::nthread, 1).about("Threads; default: the instance's."),
      integer("verbosity", kLib, 0, 3)
          .or_else("1")
          .about("The library's own lines: 0 none, 1 warnings, 2 information, 3 debugging."),
      flag("save_model_on_termination", &H::save_model_on_termination)
          .about("true: the model is written every round, so that a stopped job leaves it."),
      one_of("aft_loss_distribution", kLib, {"normal", "logistic", "extreme"})
          .or_else("normal")
          .offered(kSince12)
          .about("survival:aft."),
      continuous("aft_loss_distribution_scale", kLib, 0).or_else("1").offered(kSince12).about("survival:aft."),
      one_of("deterministic_histogram", &H::no_effect, {"true", "false"})
          .any_case()
          .offered(kSince12)
          .or_else("true")
          .about("Accepted; GPUs only."),
      one_of("single_precision_histogram", &H::no_effect, {"true", "false"})
          .any_case()
          .offered({.since = {1, 2}, .until = {1, 7}})
          .about("Accepted by tags 1.2 to 1.5; no effect."),
      one_of("sampling_method", kLib, {"uniform", "gradient_based"})
          .or_else("uniform")
          .offered({.since = {1, 3}})
          .about("gradient_based needs a GPU and runs as uniform."),
      integer("prob_buffer_row", &H::no_effect, 1).above_min().offered({.since = {1, 3}}).about("Accepted; no effect."),
      flag("use_dask_gpu_training", &H::use_dask_gpu_training)
          .offered({.since = {1, 7}})
          .about("Accepted; runs as hist on the CPU."),
      integer("_kfold", &H::kfold, 2)
          .offered(kSince12)
          .about("Cross validation with this many folds of train and validation together; one model a fold."),
      integer("_num_cv_round", &H::num_cv_round, 1)
          .offered(kSince12)
          .about("Times that the cross validation is repeated."),
      integer("silent", &H::silent, 0, 1).about("1: as verbosity 0; of old tags, accepted by all with a warning."),
      free_text("_tuning_objective_metric", &H::tuning_metric)
          .hidden()
          .about("`validation:<metric>`; set by tuning jobs."),
  };
}

/// A tuning job's metric joins eval_metric; the union is sorted, as in the container.
/// After the metrics were made unique; early stopping watches this one.
void add_tuning_metric(H& h) {
  if (h.tuning_metric.empty()) return;
  const std::string given = h.tuning_metric;
  h.tuning_metric = given.substr(given.find(':') + 1);
  if (find_metric(h.tuning_metric) == nullptr)
    throw Error(Kind::kInvalid,
                fmt::format("Hyperparameter _tuning_objective_metric: {} is not validation:<metric> with one of the "
                            "metrics of eval_metric",
                            given.substr(0, 200)));
  if (std::find(h.eval_metric.begin(), h.eval_metric.end(), h.tuning_metric) == h.eval_metric.end())
    h.eval_metric.push_back(h.tuning_metric);
  std::sort(h.eval_metric.begin(), h.eval_metric.end());
}

/// What the library of today lacks becomes what it has.
/// With a warning for each, so that no value is replaced silently.
void replace_retired(H& h) {
  struct Retired {
    const char *name, *value, *replacement;
  };
  for (const auto& [name, value, replacement] :
       {Retired{"tree_method", "gpu_hist", "hist"}, Retired{"predictor", "gpu_predictor", "cpu_predictor"},
        Retired{"sampling_method", "gradient_based", "uniform"}}) {
    const auto found = h.library.find(name);
    if (found == h.library.end() || found->second != value) continue;
    h.warnings.push_back(fmt::format("{} {} needs a GPU; {} is used.", name, value, replacement));
    found->second = replacement;
  }
  if (h.use_dask_gpu_training) {
    h.library["tree_method"] = "hist";
    h.warnings.push_back("use_dask_gpu_training needs GPUs; hist on the CPU is used.");
  }
  const auto updater = h.library.find("updater");
  if (updater == h.library.end()) return;
  const auto steps = hyper::elements_of(updater->second);
  for (const char* retired : {"distcol", "grow_skmaker", "grow_local_histmaker"}) {
    if (std::find(steps.begin(), steps.end(), retired) == steps.end()) continue;
    h.warnings.push_back(fmt::format("updater {} is not in the library; tree_method hist is used.", retired));
    h.library.erase(updater);
    h.library["tree_method"] = "hist";
    return;
  }
}

void replace_silent(H& h) {
  if (!h.silent) return;
  h.warnings.push_back("silent is a hyperparameter of old images; use verbosity.");
  if (*h.silent == 1) h.library.try_emplace("verbosity", "0");
}

}  // namespace

const Schema<Hyperparameters>& schema() {
  static const Schema<H> s{"xgboost", fields(), rules(), hyper::Dialect::kToolkit, text_rules()};
  return s;
}

Hyperparameters parse(const hyper::TextMap& given, Tag tag) {
  // The closed container's checks are not known: it takes what any tag takes.
  H out = schema().parse(given, tag == kClosedTag ? std::nullopt : std::optional(tag));
  std::vector<std::string> metrics_once;
  for (std::string& metric : out.eval_metric)
    if (std::find(metrics_once.begin(), metrics_once.end(), metric) == metrics_once.end())
      metrics_once.push_back(std::move(metric));
  out.eval_metric = std::move(metrics_once);
  add_tuning_metric(out);
  replace_retired(out);
  replace_silent(out);
  return out;
}

}  // namespace clary::xgboost
