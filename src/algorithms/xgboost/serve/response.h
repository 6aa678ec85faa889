// SPDX-License-Identifier: Apache-2.0
// Scores in every form of answer. Numbers are float32 widened to double and printed as Python prints them.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "algorithms/xgboost/serve/predictor.h"

namespace clary::xgboost {

/// One value of an answer.
struct Field {
  std::vector<float> numbers;
  bool list = false;      // [0.4, 0.6], as against 0.4
  bool integers = false;  // 1, as against 1.0
};
/// One row: a field for each of the answer's keys.
using Fields = std::vector<Field>;

/// 0.4, 1.0, nan; whole: 1
void append_python_number(std::string& out, float value, bool integer = false);

/// "0.0,3.0,1.0", lists as Python prints them: "[0.1, 0.9],[0.8, 0.2]".
std::string joined_csv(const Scores& scores);
/// "0.1,0.9\n0.8,0.2\n"
std::string csv_rows(const Scores& scores);
/// "[0.1, 0.9]\n[0.8, 0.2]\n"
std::string python_lines(const Scores& scores);

/// {"predictions": [{"score": 0.4}, ...]}
std::string json_answer(const std::vector<std::string>& keys, const std::vector<Fields>& rows);
/// {"score": 0.4} a line
std::string json_lines_answer(const std::vector<std::string>& keys, const std::vector<Fields>& rows);
/// 1,"[0.4, 0.6]" a line. @param final_newline  after the last line too
std::string csv_answer(const std::vector<Fields>& rows, bool final_newline);
/// A record a row, label[key] = float32 tensor.
std::string record_answer(const std::vector<std::string>& keys, const std::vector<Fields>& rows);

/// The scores as rows of the one key "score".
std::vector<Fields> score_fields(const Scores& scores);

}  // namespace clary::xgboost
