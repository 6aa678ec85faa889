// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/predictions.h"

#include <utility>

namespace clary::shell {

Column Column::of_numbers(std::string name, std::vector<float> one_per_row) {
  return {.name = std::move(name), .kind = Kind::kNumber, .numbers = std::move(one_per_row)};
}

Column Column::of_lists(std::string name, std::vector<float> flat, std::int64_t width) {
  return {.name = std::move(name), .kind = Kind::kNumbers, .numbers = std::move(flat), .width = width};
}

Column Column::of_ragged_lists(std::string name, std::vector<float> flat, std::vector<std::int64_t> offsets) {
  return {.name = std::move(name), .kind = Kind::kNumbers, .numbers = std::move(flat), .offsets = std::move(offsets)};
}

Column Column::of_texts(std::string name, std::vector<std::string> one_per_row) {
  return {.name = std::move(name), .kind = Kind::kText, .texts = std::move(one_per_row)};
}

Column Column::of_text_lists(std::string name, std::vector<std::string> flat, std::vector<std::int64_t> offsets) {
  return {.name = std::move(name), .kind = Kind::kTexts, .texts = std::move(flat), .offsets = std::move(offsets)};
}

// Without offsets every row has the same number of values.
std::int64_t Column::begin(std::int64_t row) const {
  return offsets.empty() ? row * width : offsets[static_cast<std::size_t>(row)];
}

std::int64_t Column::end(std::int64_t row) const {
  return offsets.empty() ? (row + 1) * width : offsets[static_cast<std::size_t>(row) + 1];
}

std::span<const float> Column::numbers_of(std::int64_t row) const {
  return {numbers.data() + begin(row), static_cast<std::size_t>(end(row) - begin(row))};
}

std::span<const std::string> Column::texts_of(std::int64_t row) const {
  return {texts.data() + begin(row), static_cast<std::size_t>(end(row) - begin(row))};
}

}  // namespace clary::shell
