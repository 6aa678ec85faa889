// SPDX-License-Identifier: Apache-2.0
// What a model answers: rows of named columns, kept column by column in flat vectors. The shell turns them into the
// content type that Accept asks for; models know nothing of it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace clary::shell {

/// One named value per row: a number (`"predicted_label": 0.0`), a list of numbers, a text, or a list of texts.
struct Column {
  enum class Kind { kNumber, kNumbers, kText, kTexts };
  /// How numbers are written as text: 0.1 (shortest that reads back as the same float32), 0.10000000149011612 (the
  /// same of its double, in Python's form), or 1 (rounded to an integer).
  enum class Digits { kFloat, kDouble, kInteger };

  std::string name;
  Kind kind = Kind::kNumber;
  std::vector<float> numbers{};      // kNumber, kNumbers: the rows' numbers one after the other
  std::vector<std::string> texts{};  // kText, kTexts
  /// Lists: row r is [offsets[r], offsets[r + 1]); empty: every row has `width` of them.
  std::vector<std::int64_t> offsets{};
  std::int64_t width = 1;
  Digits digits = Digits::kFloat;

  static Column of_numbers(std::string name, std::vector<float> one_per_row);
  /// @param flat  rows * width numbers
  static Column of_lists(std::string name, std::vector<float> flat, std::int64_t width);
  static Column of_ragged_lists(std::string name, std::vector<float> flat, std::vector<std::int64_t> offsets);
  /// The same column with its numbers written in another way.
  Column written_as(Digits other) && { return digits = other, std::move(*this); }
  static Column of_texts(std::string name, std::vector<std::string> one_per_row);
  static Column of_text_lists(std::string name, std::vector<std::string> flat, std::vector<std::int64_t> offsets);

  std::int64_t begin(std::int64_t row) const;
  std::int64_t end(std::int64_t row) const;
  std::span<const float> numbers_of(std::int64_t row) const;
  std::span<const std::string> texts_of(std::int64_t row) const;
};

struct Predictions {
  std::int64_t rows = 0;
  std::vector<Column> columns;
};

}  // namespace clary::shell
