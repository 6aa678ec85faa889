// SPDX-License-Identifier: Apache-2.0
// parse() of hyperparameters.h, in the container's order: aliases, required names, values, ranges, rules between names;
// then what the library is given.
#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "algorithms/xgboost/hyperparameter_values.h"
#include "algorithms/xgboost/hyperparameters.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

using Values = std::map<std::string, Value, std::less<>>;

[[noreturn]] void refuse(const std::string& message) { throw Error(Kind::kInvalid, message); }

bool listed(std::initializer_list<std::string_view> words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

/// The single word of a name, or "" when it was not given.
std::string_view word_of(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  return found == values.end() ? std::string_view() : std::string_view(found->second.words.front());
}

const std::vector<std::string>& words_of(const Values& values, std::string_view name) {
  static const std::vector<std::string> none;
  const auto found = values.find(name);
  return found == values.end() ? none : found->second.words;
}

hyper::TextMap without_aliases(const hyper::TextMap& given) {
  hyper::TextMap out;
  for (const auto& [name, text] : given)
    if (without_alias(name) == name) out.emplace(name, text);
  for (const auto& [name, text] : given)
    if (without_alias(name) != name) out.insert_or_assign(std::string(without_alias(name)), text);
  return out;
}

Values read_all(const hyper::TextMap& given, Tag tag) {
  for (const Row& row : rows())
    if (row.spec.required && !given.contains(row.spec.name))
      refuse(fmt::format("Missing required hyperparameter: {}", row.spec.name));
  Values out;
  for (const auto& [name, text] : given) {
    const Row* row = find_row(name);
    if (row == nullptr || !tag_knows(tag, name))
      refuse(fmt::format("Extraneous hyperparameter found: {}", name.substr(0, 200)));
    out.emplace(name, read_value(*row, text));
  }
  return out;
}

void check_gpu(const hyper::TextMap& given, Tag tag) {
  if (tag >= Tag{1, 2} || tag == Tag{0, 72}) return;
  for (const auto& [name, text] : given)
    if (text.find("gpu") != std::string::npos) refuse("GPU training is not supported yet.");
}

void check_objective(const Values& values) {
  const Objective* objective = find_objective(word_of(values, "objective"));
  if (objective != nullptr && objective->task == Task::kMulticlass && !values.contains("num_class"))
    refuse("Require input for parameter 'num_class' for multi-classification");
}

void check_updater(const Values& values) {
  const auto& updaters = words_of(values, "updater");
  if (updaters.empty()) return;
  const auto all = [&](std::initializer_list<std::string_view> known) {
    return std::all_of(updaters.begin(), updaters.end(), [&](const std::string& u) { return listed(known, u); });
  };
  if (word_of(values, "booster") == "gblinear") {
    if (updaters.size() != 1 || !all({"shotgun", "coord_descent"}))
      refuse("Linear updater should be one of these options: 'shotgun', 'coord_descent'.");
  } else if (word_of(values, "process_type") == "update") {
    if (!all({"refresh", "prune"})) refuse("process_type 'update' can only be used with updater 'refresh' and 'prune'");
  } else {
    if (!all({"grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker", "sync", "refresh",
              "prune"}))
      refuse(
          "Tree updater should be selected from these options: 'grow_colmaker', 'distcol', 'grow_histmaker', "
          "'grow_local_histmaker', 'grow_skmaker', 'sync', 'refresh', 'prune'.");
    const auto growing = std::count_if(updaters.begin(), updaters.end(), [](const std::string& u) {
      return listed({"grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker"}, u);
    });
    if (growing > 1)
      refuse(
          "Only one tree grow plugin can be selected. Choose one from the following: 'grow_colmaker', 'distcol', "
          "'grow_histmaker', 'grow_local_histmaker', 'grow_skmaker'");
  }
}

void check_metrics(const Values& values) {
  const std::string_view given = word_of(values, "objective");
  const std::string_view objective = given.empty() ? kDefaultObjective : given;
  for (const std::string& metric : words_of(values, "eval_metric")) {
    // The container refuses auc for multi:*; the library has it.
    if (metric == "auc" && !objective.starts_with("binary:") && !objective.starts_with("rank:") &&
        !objective.starts_with("multi:"))
      refuse("Metric 'auc' can only be applied for classification and ranking problems.");
    if (metric == "aft-nloglik" && objective != "survival:aft")
      refuse("Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.");
  }
}

void check_constraints(const Values& values) {
  const std::string_view method = word_of(values, "tree_method");
  const bool able = listed({"exact", "hist", "approx", "gpu_hist"}, method);  // the container: monotone not with approx
  if (values.contains("monotone_constraints") && !able)
    refuse("monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'.");
  if (values.contains("interaction_constraints") && !able)
    refuse(
        "interaction_constraints can be used only when the tree_method parameter is set to either 'exact', 'hist' or "
        "'approx'.");
}

std::optional<int> integer_of(const Values& values, std::string_view name) {
  const auto found = values.find(name);
  if (found == values.end()) return std::nullopt;
  if (found->second.number > 2147483647.)
    refuse(fmt::format("Hyperparameter {}: {} is above 2147483647", name, found->second.text));
  return static_cast<int>(found->second.number);
}

void read_members(const Values& values, Hyperparameters& out) {
  out.num_round = *integer_of(values, "num_round");
  out.num_class = integer_of(values, "num_class");
  out.early_stopping_rounds = integer_of(values, "early_stopping_rounds");
  out.kfold = integer_of(values, "_kfold");
  out.num_cv_round = integer_of(values, "_num_cv_round").value_or(1);
  out.nthread = integer_of(values, "nthread");
  out.seed = integer_of(values, "seed").value_or(0);
  out.csv_weights = integer_of(values, "csv_weights") == 1;
  out.save_model_on_termination = word_of(values, "save_model_on_termination") == "true";
  if (const auto objective = word_of(values, "objective"); !objective.empty()) out.objective = objective;
  for (const std::string& metric : words_of(values, "eval_metric"))
    if (std::find(out.eval_metric.begin(), out.eval_metric.end(), metric) == out.eval_metric.end())
      out.eval_metric.push_back(metric);
}

/// A tuning job's metric joins eval_metric; the union is sorted, as in the container.
void add_tuning_metric(const Values& values, Hyperparameters& out) {
  const std::string_view given = word_of(values, "_tuning_objective_metric");
  if (given.empty()) return;
  out.tuning_metric = given.substr(given.find(':') + 1);
  if (find_metric(out.tuning_metric) == nullptr)
    refuse(
        fmt::format("Hyperparameter _tuning_objective_metric: {} is not validation:<metric> with one of the metrics "
                    "of eval_metric",
                    given.substr(0, 200)));
  if (out.eval_metric.empty()) {
    out.eval_metric = {out.tuning_metric};
  } else {
    out.eval_metric.push_back(out.tuning_metric);
    std::sort(out.eval_metric.begin(), out.eval_metric.end());
    out.eval_metric.erase(std::unique(out.eval_metric.begin(), out.eval_metric.end()), out.eval_metric.end());
  }
}

/// What the library of today lacks becomes what it has.
void replace_retired(Values& values, Hyperparameters& out) {
  const auto set_word = [&](const char* name, const char* word, std::string why) {
    values[name] = Value{0, {word}, word};
    out.warnings.push_back(std::move(why));
  };
  if (word_of(values, "tree_method") == "gpu_hist")
    set_word("tree_method", "hist", "tree_method gpu_hist needs a GPU; hist is used.");
  if (word_of(values, "predictor") == "gpu_predictor")
    set_word("predictor", "cpu_predictor", "predictor gpu_predictor needs a GPU; cpu_predictor is used.");
  if (word_of(values, "sampling_method") == "gradient_based")
    set_word("sampling_method", "uniform", "sampling_method gradient_based needs a GPU; uniform is used.");
  if (word_of(values, "use_dask_gpu_training") == "true")
    set_word("tree_method", "hist", "use_dask_gpu_training needs GPUs; hist on the CPU is used.");
  const auto updater = values.find("updater");
  if (updater == values.end()) return;
  for (const char* retired : {"distcol", "grow_skmaker", "grow_local_histmaker"}) {
    const auto& words = updater->second.words;
    if (std::find(words.begin(), words.end(), retired) == words.end()) continue;
    out.warnings.push_back(fmt::format("updater {} is not in the library; tree_method hist is used.", retired));
    values.erase(updater);
    values["tree_method"] = Value{0, {"hist"}, "hist"};
    return;
  }
}

void read_silent(const Values& values, Hyperparameters& out) {
  const auto silent = integer_of(values, "silent");
  if (!silent) return;
  out.warnings.push_back("silent is a hyperparameter of old images; use verbosity.");
  if (*silent == 1 && !values.contains("verbosity")) out.library.emplace_back("verbosity", "0");
}

}  // namespace

Hyperparameters parse(const hyper::TextMap& given, Tag tag) {
  const hyper::TextMap plain = without_aliases(given);
  Values values = read_all(plain, tag);
  check_gpu(plain, tag);
  for (const auto& [name, value] : values) check_range(*find_row(name), value, tag);
  check_objective(values);
  check_updater(values);
  check_metrics(values);
  check_constraints(values);

  Hyperparameters out;
  read_members(values, out);
  add_tuning_metric(values, out);
  replace_retired(values, out);
  read_silent(values, out);
  for (const auto& [name, value] : values)
    if (find_row(name)->passed) out.library.emplace_back(name, value.text);
  return out;
}

}  // namespace clary::xgboost
