// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/evaluate/evaluation.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <limits>

#include "base/error.h"
#include "base/text.h"

namespace clary::xgboost {
namespace {

bool is_own(std::string_view metric) {
  const Metric* known = find_metric(metric);
  return known != nullptr && known->own;
}

double number_of(std::string_view text) {
  if (text == "nan" || text == "-nan") return std::numeric_limits<double>::quiet_NaN();
  double out = 0;
  const auto [end, problem] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (problem != std::errc() || end != text.data() + text.size())
    throw Error(Kind::kInternal, fmt::format("evaluation: '{}' is not a number", text));
  return out;
}

}  // namespace

// "[12]\ttrain-rmse:0.1\tvalidation-rmse:0.2": the first part is the round. A metric's name may contain dashes and
// colons, a channel's name does not.
std::vector<Entry> parse_library_line(std::string_view line) {
  std::vector<Entry> out;
  const auto parts = split(line, '\t');
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const auto dash = parts[i].find('-'), colon = parts[i].rfind(':');
    if (dash == std::string_view::npos || colon == std::string_view::npos || colon < dash)
      throw Error(Kind::kInternal, fmt::format("evaluation: '{}' is not <channel>-<metric>:<value>", parts[i]));
    out.push_back({std::string(parts[i].substr(0, dash)), std::string(parts[i].substr(dash + 1, colon - dash - 1)),
                   number_of(parts[i].substr(colon + 1))});
  }
  return out;
}

// Versions before 1.3 printed with %g.
std::string format_line(int round, std::span<const Entry> entries, Tag tag) {
  std::string out = fmt::format("[{}]", round);
  for (const Entry& entry : entries) {
    out += fmt::format("\t{}-{}:", entry.channel, entry.metric);
    if (std::isnan(entry.value))
      out += "nan";
    else
      out += tag < Tag{1, 3} ? fmt::format("{:g}", entry.value) : fmt::format("{:.5f}", entry.value);
  }
  return out;
}

// A job's metric definition names tweedie-nloglik without the power that the library appends.
std::vector<Entry> plain_names(std::span<const Entry> entries) {
  std::vector<Entry> out;
  for (const Entry& entry : entries)
    if (entry.metric.starts_with("tweedie-nloglik@")) out.push_back({entry.channel, "tweedie-nloglik", entry.value});
  return out;
}

Evaluator::Evaluator(const Hyperparameters& hp, std::vector<const Matrix*> matrices, Communicator* communicator)
    : matrices_(std::move(matrices)), given_(hp.eval_metric), communicator_(communicator) {
  channels_ = {"train", "validation"};
  channels_.resize(matrices_.size());
  if (const Objective* objective = find_objective(hp.objective)) link_ = objective->link;
  for (const std::string& metric : given_)
    if (is_own(metric)) own_.push_back(metric);
  if (own_.empty()) return;
  for (const Matrix* matrix : matrices_) labels_.push_back(matrix->labels());
}

std::vector<std::string> Evaluator::library_metrics(const Hyperparameters& hp, Tag tag) {
  std::string power = "1.5";
  for (const auto& [name, value] : hp.library)
    if (name == "tweedie_variance_power") power = value;
  std::vector<std::string> out;
  for (const std::string& metric : hp.eval_metric)
    if (!is_own(metric)) out.push_back(metric == "tweedie-nloglik" ? metric + "@" + power : metric);
  const Objective* objective = find_objective(hp.objective);
  // XGBoost 1.3.0, release notes: logloss and mlogloss became the defaults of classification.
  if (out.empty() && tag < Tag{1, 3} && objective != nullptr && !objective->metric_before_1_3.empty())
    out.emplace_back(objective->metric_before_1_3);
  return out;
}

// Values in the order in which eval_metric names them, the library's and this program's mixed, channel by channel;
// early stopping watches the last.
std::vector<Entry> Evaluator::evaluate(Booster& booster, int round) {
  const auto library = parse_library_line(booster.evaluate(round, matrices_, channels_));
  if (own_.empty()) return library;
  std::vector<Entry> out;
  for (std::size_t c = 0; c < channels_.size(); ++c) {
    std::vector<Entry> from_library;
    for (const Entry& entry : library)
      if (entry.channel == channels_[c]) from_library.push_back(entry);
    const auto own = own_values(booster, *matrices_[c], labels_[c]);
    auto next = from_library.begin();
    // Without any metric of the library's it evaluates the objective's default, which comes first.
    if (own_.size() == given_.size()) out.insert(out.end(), next, from_library.end());
    for (std::size_t i = 0, mine = 0; i < given_.size(); ++i) {
      if (is_own(given_[i]))
        out.push_back({channels_[c], given_[i], own[mine++]});
      else if (next != from_library.end())
        out.push_back(*next++);
    }
  }
  return out;
}

// From margins: the link is applied here, so that one prediction serves all metrics.
std::vector<double> Evaluator::own_values(const Booster& booster, const Matrix& matrix, std::span<const float> labels) {
  const auto prediction = booster.predict(matrix, {.type = PredictType::kMargin});
  Scored scored{labels, prediction.values, labels.empty() ? 1 : prediction.values.size() / labels.size(), link_};
  double classes = 0;
  if (std::any_of(own_.begin(), own_.end(), counts_classes)) classes = static_cast<double>(class_count(scored));
  // Hosts may have seen different classes: all of them count the largest number, or the sums below would not fit each
  // other.
  if (communicator_ != nullptr) communicator_->all_reduce_max(std::span(&classes, 1));
  Statistics statistics = statistics_of(scored, static_cast<std::size_t>(classes));
  if (communicator_ != nullptr)
    statistics.add_up([this](std::span<double> numbers) { communicator_->all_reduce_sum(numbers); });
  std::vector<double> out;
  for (const std::string& metric : own_) out.push_back(metric_value(metric, statistics));
  return out;
}

}  // namespace clary::xgboost
