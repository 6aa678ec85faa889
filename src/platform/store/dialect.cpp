// SPDX-License-Identifier: Apache-2.0
#include "platform/store/dialect.h"

#include <array>
#include <utility>

namespace clary::store::dialect {

namespace {

using Word = std::pair<std::string_view, std::string_view>;
constexpr auto kWords = std::to_array<Word>({
    {"{identity}", "INTEGER PRIMARY KEY AUTOINCREMENT"},
    {"{clustered}", "WITHOUT ROWID"},
});

}  // namespace

std::string schema(std::string_view step) {
  std::string sql(step);
  for (const auto& [word, meaning] : kWords)
    for (std::size_t at = 0; (at = sql.find(word, at)) != std::string::npos; at += meaning.size())
      sql.replace(at, word.size(), meaning);
  return sql;
}

std::string contains(std::string_view text, std::string_view part) {
  return "instr(" + std::string(text) + ", " + std::string(part) + ") > 0";
}

}  // namespace clary::store::dialect
