// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/selectable.h"

#include <algorithm>
#include <array>
#include <limits>
#include <string_view>

namespace clary::xgboost {
namespace {

enum class Shape { kScore, kProbability, kProbabilities, kMargin, kClass };

struct ObjectiveRow {
  std::string_view name;
  Shape shape;
};

// AWS: "Deploy XGBoost models", selectable inference: which keys each objective has. An unknown combination answers
// NaN.
constexpr auto kObjectives = std::to_array<ObjectiveRow>({
    {"reg:squarederror", Shape::kScore},
    {"reg:logistic", Shape::kScore},
    {"reg:gamma", Shape::kScore},
    {"reg:absoluteerror", Shape::kScore},
    {"reg:tweedie", Shape::kScore},
    {"binary:logistic", Shape::kProbability},
    {"multi:softprob", Shape::kProbabilities},
    {"binary:logitraw", Shape::kMargin},
    {"binary:hinge", Shape::kClass},
    {"multi:softmax", Shape::kClass},
});

const ObjectiveRow* find(const std::string& objective) {
  const auto row =
      std::find_if(kObjectives.begin(), kObjectives.end(), [&](const ObjectiveRow& r) { return r.name == objective; });
  return row == kObjectives.end() ? nullptr : &*row;
}

bool is_of_every_objective(std::string_view key) { return key == "contributions" || key == "leaf"; }

bool has_key(const ObjectiveRow* objective, std::string_view key) {
  if (is_of_every_objective(key)) return true;
  if (objective == nullptr) return false;
  if (objective->shape == Shape::kScore) return key == "predicted_score";
  if (key == "predicted_label" || key == "labels" || key == "raw_score" || key == "raw_scores") return true;
  const bool probable = objective->shape == Shape::kProbability || objective->shape == Shape::kProbabilities;
  return probable && (key == "probability" || key == "probabilities");
}

Field number(float value, bool integer = false) { return {{value}, false, integer}; }
Field list(std::span<const float> values) { return {{values.begin(), values.end()}, true, false}; }

Field predicted_label(Shape shape, std::span<const float> row) {
  switch (shape) {
    case Shape::kProbability:
      // The container's thresholds: strictly above one half, and above zero for margins.
      return number(row[0] > 0.5F ? 1 : 0, true);
    case Shape::kMargin:
      return number(row[0] > 0 ? 1 : 0, true);
    case Shape::kProbabilities:
      return number(static_cast<float>(std::max_element(row.begin(), row.end()) - row.begin()), true);
    default:
      return number(row[0]);
  }
}

// Two for a binary objective, which has no num_class.
Field labels(std::int64_t num_class) {
  Field out{{}, true, true};
  for (std::int64_t k = 0; k < std::max<std::int64_t>(num_class, 2); ++k) out.numbers.push_back(static_cast<float>(k));
  return out;
}

/// probability and raw_score: the largest of several, else the one.
Field single(Shape shape, std::span<const float> row) {
  return number(shape == Shape::kProbabilities ? *std::max_element(row.begin(), row.end()) : row[0]);
}

Field several(Shape shape, std::span<const float> row) {
  if (shape == Shape::kProbabilities) return list(row);
  const float pair[] = {1 - row[0], row[0]};
  return list(pair);
}

Field field_of(const ObjectiveRow* objective, const SelectableInput& input, std::int64_t r, std::string_view key) {
  if (!has_key(objective, key)) return number(std::numeric_limits<float>::quiet_NaN());
  if (key == "contributions") return list(input.contributions.row(r));
  if (key == "leaf") return list(input.leaves.row(r));
  const auto row = input.scores.row(r);
  const Shape shape = objective->shape;
  if (key == "predicted_label") return predicted_label(shape, row);
  if (key == "labels") return labels(input.num_class);
  if (key == "probability" || key == "raw_score") return single(shape, row);
  if (key == "probabilities" || key == "raw_scores") return several(shape, row);
  return number(row[0]);  // predicted_score
}

}  // namespace

bool is_selectable(const std::string& objective) { return find(objective) != nullptr; }

std::vector<std::string> keys_without_value(const std::string& objective, const std::vector<std::string>& keys) {
  std::vector<std::string> out;
  for (const std::string& key : keys)
    if (!has_key(find(objective), key)) out.push_back(key);
  return out;
}

std::vector<Fields> selected_fields(const SelectableInput& input, const std::vector<std::string>& keys) {
  const ObjectiveRow* objective = find(input.objective);
  std::vector<Fields> out(static_cast<std::size_t>(input.scores.rows));
  for (std::int64_t r = 0; r < input.scores.rows; ++r)
    for (const std::string& key : keys) out[static_cast<std::size_t>(r)].push_back(field_of(objective, input, r, key));
  return out;
}

}  // namespace clary::xgboost
