// SPDX-License-Identifier: Apache-2.0
// Model::predict: raw outputs to the columns of an answer.
#include <algorithm>
#include <span>
#include <utility>

#include "algorithms/linear_learner/evaluate/link.h"
#include "algorithms/linear_learner/model/model.h"

namespace clary::linear_learner {

shell::Predictions Model::predict(const formats::Batch& rows, const shell::ServeRequest& request) const {
  using shell::Column;
  std::vector<float> score = scorer_.outputs(rows), label;
  const auto outputs = static_cast<std::size_t>(stored_.weights.outputs);
  if (stored_.loss == Loss::kLogistic)
    for (float& f : score) f = sigmoid(f);
  if (stored_.predictor_type == PredictorType::kBinary)
    for (const float s : score) label.push_back(s >= stored_.threshold ? 1.0f : 0.0f);
  if (stored_.predictor_type == PredictorType::kMulticlass)
    for (std::size_t at = 0; at < score.size(); at += outputs) {
      const std::span<float> row(score.data() + at, outputs);
      label.push_back(static_cast<float>(std::max_element(row.begin(), row.end()) - row.begin()));
      softmax(row);
    }
  shell::Predictions out;
  out.rows = rows.rows;
  // Two columns at most, moved in: reserve() avoids moving the first again.
  out.columns.reserve(2);
  out.columns.push_back((outputs == 1 ? Column::of_numbers("score", std::move(score))
                                      : Column::of_lists("score", std::move(score), static_cast<std::int64_t>(outputs)))
                            .written_as(Column::Digits::kDouble));
  if (stored_.predictor_type == PredictorType::kRegressor) return out;
  out.columns.push_back(Column::of_numbers("predicted_label", std::move(label)).written_as(Column::Digits::kInteger));
  // A line of CSV begins with the label: the scores of many classes are a list.
  if (request.accept.format() == formats::Format::kCsv) std::swap(out.columns[0], out.columns[1]);
  return out;
}

}  // namespace clary::linear_learner
