// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/response.h"

#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "formats/record_proto.h"
#include "learning/shell/encode.h"

namespace clary::xgboost {
namespace {

enum class Words { kPython, kJson };  // nan and NaN, inf and Infinity

// Python's json module writes NaN and Infinity, which clients of the container read.
void append_number(std::string& out, float value, bool integer, Words words) {
  if (words == Words::kJson && !std::isfinite(value)) {
    out += std::isnan(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
    return;
  }
  append_python_number(out, value, integer);
}

void append_list(std::string& out, std::span<const float> numbers, bool integers, Words words) {
  out += '[';
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    if (i > 0) out += ", ";
    append_number(out, numbers[i], integers, words);
  }
  out += ']';
}

void append_field(std::string& out, const Field& field, Words words) {
  if (field.list)
    append_list(out, field.numbers, field.integers, words);
  else
    append_number(out, field.numbers.at(0), field.integers, words);
}

/// A score, or a list of them, as Python's str() has it.
void append_score(std::string& out, const Scores& scores, std::int64_t row) {
  if (scores.lists)
    append_list(out, scores.row(row), false, Words::kPython);
  else
    append_python_number(out, scores.row(row)[0]);
}

void append_object(std::string& out, const std::vector<std::string>& keys, const Fields& fields) {
  out += '{';
  for (std::size_t k = 0; k < keys.size(); ++k) {
    if (k > 0) out += ", ";
    shell::append_json_text(out, keys[k]);
    out += ": ";
    append_field(out, fields[k], Words::kJson);
  }
  out += '}';
}

}  // namespace

void append_python_number(std::string& out, float value, bool integer) {
  if (!std::isfinite(value)) {
    out += std::isnan(value) ? "nan" : value > 0 ? "inf" : "-inf";
    return;
  }
  if (integer) {
    fmt::format_to(std::back_inserter(out), "{}", static_cast<std::int64_t>(value));
    return;
  }
  // fmt's shortest form of a double has the digits of Python's repr().
  char text[40];
  const auto end = fmt::format_to_n(text, sizeof text, "{}", static_cast<double>(value)).out;
  const std::string_view printed(text, static_cast<std::size_t>(end - text));
  out += printed;
  // Python writes floats with a point: 3.0, not 3.
  if (printed.find_first_of(".e") == std::string_view::npos) out += ".0";
}

std::string joined_csv(const Scores& scores) {
  std::string out;
  for (std::int64_t row = 0; row < scores.rows; ++row) {
    if (row > 0) out += ',';
    append_score(out, scores, row);
  }
  return out;
}

std::string csv_rows(const Scores& scores) {
  std::string out;
  for (std::int64_t row = 0; row < scores.rows; ++row) {
    bool first = true;
    for (const float value : scores.row(row)) {
      if (!first) out += ',';
      first = false;
      append_python_number(out, value);
    }
    out += '\n';
  }
  return out;
}

std::string python_lines(const Scores& scores) {
  std::string out;
  for (std::int64_t row = 0; row < scores.rows; ++row) {
    append_score(out, scores, row);
    out += '\n';
  }
  return out;
}

std::string json_answer(const std::vector<std::string>& keys, const std::vector<Fields>& rows) {
  std::string out = "{\"predictions\": [";
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (r > 0) out += ", ";
    append_object(out, keys, rows[r]);
  }
  return out += "]}";
}

std::string json_lines_answer(const std::vector<std::string>& keys, const std::vector<Fields>& rows) {
  std::string out;
  for (const Fields& row : rows) {
    append_object(out, keys, row);
    out += '\n';
  }
  return out;
}

// Lists of several numbers are one quoted field, so that the number of columns is fixed.
std::string csv_answer(const std::vector<Fields>& rows, bool final_newline) {
  std::string out;
  for (std::size_t r = 0; r < rows.size(); ++r) {
    if (r > 0) out += '\n';
    for (std::size_t k = 0; k < rows[r].size(); ++k) {
      const Field& field = rows[r][k];
      if (k > 0) out += ',';
      const bool quoted = field.list && field.numbers.size() > 1;
      if (quoted) out += '"';
      append_field(out, field, Words::kPython);
      if (quoted) out += '"';
    }
  }
  if (final_newline && !rows.empty()) out += '\n';
  return out;
}

std::string record_answer(const std::vector<std::string>& keys, const std::vector<Fields>& rows) {
  std::string out;
  formats::RecordWriter writer(out);
  for (const Fields& row : rows) {
    std::vector<formats::NamedTensor> tensors;
    // Members of a record are named tensors of float32.
    for (std::size_t k = 0; k < keys.size(); ++k) tensors.push_back({keys[k], row[k].numbers});
    writer.write_answer(tensors);
  }
  return out;
}

std::vector<Fields> score_fields(const Scores& scores) {
  std::vector<Fields> out;
  out.reserve(static_cast<std::size_t>(scores.rows));
  for (std::int64_t row = 0; row < scores.rows; ++row) {
    const auto values = scores.row(row);
    out.push_back({Field{{values.begin(), values.end()}, scores.lists}});
  }
  return out;
}

}  // namespace clary::xgboost
