// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/hyperparameter_rules.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "base/text.h"

namespace clary::xgboost {
namespace {

using H = Hyperparameters;
using hyper::FieldSpec;
using hyper::Read;
using hyper::Verdict;

constexpr std::size_t kShownText = 200;  // a text in a message is cut to this many bytes

std::string shortened(std::string_view text) {
  return text.size() <= kShownText ? std::string(text) : std::string(text.substr(0, kShownText)) + "...";
}

using Words = std::initializer_list<std::string_view>;

bool listed(Words words, std::string_view word) { return std::find(words.begin(), words.end(), word) != words.end(); }

/// What the library gets under a name, or "" when it was not given.
std::string_view given(const H& h, std::string_view name) {
  const auto found = h.library.find(name);
  return found == h.library.end() ? std::string_view() : std::string_view(found->second);
}

// Rules and sentences are those of the SageMaker XGBoost container (sagemaker_algorithm_toolkit); jobs that it refuses
// are refused here with the same words.
std::string broken_updater_rule(const H& h) {
  const std::string_view text = given(h, "updater");
  if (text.empty()) return "";
  const auto updaters = split(text, ',');
  const auto count = [&](Words known) {
    return std::count_if(updaters.begin(), updaters.end(), [&](std::string_view u) { return listed(known, u); });
  };
  const auto all = std::ssize(updaters);
  if (given(h, "booster") == "gblinear")
    return all == 1 && count({"shotgun", "coord_descent"}) == 1
               ? ""
               : "Linear updater should be one of these options: 'shotgun', 'coord_descent'.";
  if (given(h, "process_type") == "update")
    return count({"refresh", "prune"}) == all
               ? ""
               : "process_type 'update' can only be used with updater 'refresh' and 'prune'";
  const auto growing = count({"grow_colmaker", "distcol", "grow_histmaker", "grow_local_histmaker", "grow_skmaker"});
  if (growing + count({"sync", "refresh", "prune"}) != all)
    return "Tree updater should be selected from these options: 'grow_colmaker', 'distcol', 'grow_histmaker', "
           "'grow_local_histmaker', 'grow_skmaker', 'sync', 'refresh', 'prune'.";
  if (growing > 1)
    return "Only one tree grow plugin can be selected. Choose one from the following: 'grow_colmaker', 'distcol', "
           "'grow_histmaker', 'grow_local_histmaker', 'grow_skmaker'";
  return "";
}

/// The container has no words for what follows: its library fails in the first round.
std::string unfit_metric(const std::string& metric, std::string_view objective) {
  const Metric* known = find_metric(metric);
  const bool classes = objective.starts_with("multi:");
  if (known == nullptr || known->of == Predictions::kAny || (known->of == Predictions::kClasses) == classes) return "";
  return fmt::format("Metric '{}' needs {}, but objective '{}' predicts {}.{}", metric,
                     classes ? "one number a row" : "a number for each class", objective,
                     classes ? "a number for each class" : "one number a row",
                     classes ? " 'merror' and 'mlogloss' are for several classes." : "");
}

std::string broken_value_rule(const H& h) {
  const bool classes = find_objective(h.objective)->task == Task::kMulticlass;
  if (h.num_class && !classes)
    return fmt::format("num_class {} can only be given with objective 'multi:softmax' or 'multi:softprob', not '{}'.",
                       *h.num_class, h.objective);
  // The container's range begins at 0; the library's does not.
  if (const auto bins = given(h, "max_bin"); bins == "0" || bins == "1")
    return fmt::format("Hyperparameter max_bin: {} is not in [2, +inf)", bins);
  if (given(h, "max_depth") == "0" && given(h, "tree_method") == "exact")
    return "max_depth 0 (no limit) can only be given with tree_method 'hist' or 'approx', not 'exact'.";
  return "";
}

std::string broken_metric_rule(const H& h) {
  const std::string_view objective = h.objective;
  for (const std::string& metric : h.eval_metric) {
    // The container refuses auc for multi:*; the library has it.
    if (metric == "auc" && !objective.starts_with("binary:") && !objective.starts_with("rank:") &&
        !objective.starts_with("multi:"))
      return "Metric 'auc' can only be applied for classification and ranking problems.";
    if (metric == "aft-nloglik" && objective != "survival:aft")
      return "Metric 'aft-nloglik' can only be applied for 'survival:aft' objective.";
    if (auto sentence = unfit_metric(metric, objective); !sentence.empty()) return sentence;
  }
  return "";
}

bool may_constrain(const H& h, std::string_view constraints) {
  // The container: monotone_constraints not with approx; gpu_hist runs as hist.
  return !h.library.contains(constraints) || listed({"exact", "hist", "approx", "gpu_hist"}, given(h, "tree_method"));
}

}  // namespace

// Elements are read as Python's int(); the value is passed on in the library's form "(1,0,-1)".
Read<std::string> read_monotone_constraints(std::string_view text) {
  FieldSpec sign;
  sign.min_integer = -1, sign.max_integer = 1, sign.as_python = true;
  const auto signs = hyper::elements_of(text);
  Read<std::string> out{Verdict::kTaken, fmt::format("({})", fmt::join(signs, ","))};
  for (const std::string& element : signs) {
    const Verdict verdict = hyper::read_integer(sign, element).verdict;
    if (verdict == Verdict::kUnreadable) return {};
    if (verdict == Verdict::kOutside) out.verdict = verdict;
  }
  if (!out)
    out.sentence = fmt::format("Hyperparameter monotone_constraints: value ({}) not in range [-1, 0, 1]",
                               shortened(fmt::format("{}", fmt::join(signs, ", "))));
  return out;
}

Read<std::string> read_interaction_constraints(std::string_view text) {
  // Parsed iteratively, without exceptions; see below for dump().
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_array()) return {};
  Read<std::string> out{Verdict::kTaken};
  for (const auto& group : json) {
    if (!group.is_array()) return {};
    for (const auto& feature : group) {
      if (!feature.is_number_integer()) return {};
      if (feature.get<std::int64_t>() < 0) out.verdict = Verdict::kOutside;
    }
  }
  out.value = json.dump();  // it recurses, so not before the depth is known to be 2
  if (!out)
    out.sentence =
        fmt::format("Hyperparameter interaction_constraints: value {} not in range [0, +inf)", shortened(out.value));
  return out;
}

// An empty sentence means that the metric is known and its threshold readable.
std::optional<std::string> threshold_problem(std::string_view metric) {
  const auto at = metric.find('@');
  if (at == std::string_view::npos) return std::nullopt;
  const Metric* known = find_metric(metric);
  if (known == nullptr || !known->threshold)
    return fmt::format(
        "Metric '{}' is not supported. Parameter 'eval_metric' with customized threshold should be one of these "
        "options: 'error', 'ndcg', 'map'.",
        shortened(metric));
  std::string_view threshold = metric.substr(at + 1);
  if (known->name != "error" && threshold.ends_with('-')) threshold.remove_suffix(1);  // ndcg@5-: the library's own
  if (hyper::read_continuous(FieldSpec(), threshold).verdict == Verdict::kUnreadable)
    return fmt::format("Threshold value 't' in '{}@t' expects float input.", known->name);
  return "";
}

std::vector<hyper::Rule<H>> rules() {
  return {
      {"Require input for parameter 'num_class' for multi-classification",
       [](const H& h) { return find_objective(h.objective)->task != Task::kMulticlass || h.num_class.has_value(); }},
      hyper::Rule<H>(broken_updater_rule),
      hyper::Rule<H>(broken_metric_rule),
      hyper::Rule<H>(broken_value_rule),
      {"monotone_constraints can be used only when the tree_method parameter is set to either 'exact' or 'hist'.",
       [](const H& h) { return may_constrain(h, "monotone_constraints"); }},
      {"interaction_constraints can be used only when the tree_method parameter is set to either 'exact', 'hist' "
       "or 'approx'.",
       [](const H& h) { return may_constrain(h, "interaction_constraints"); }}};
}

std::vector<hyper::TextRule> text_rules() {
  return {{"GPU training is not supported yet.", [](const hyper::TextMap& texts, const std::optional<Tag>& tag) {
             return !tag || *tag >= Tag{1, 2} ||
                    std::none_of(texts.begin(), texts.end(), [](const auto& name_and_text) {
                      return name_and_text.second.find("gpu") != std::string::npos;
                    });
           }}};
}

}  // namespace clary::xgboost
