// SPDX-License-Identifier: Apache-2.0
#include "platform/resources/listing.h"

#include <charconv>

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"
#include "platform/store/dialect.h"

namespace clary::resources {

namespace {

using Sort = ResourceQuery::Sort;

std::string sort_column(const KindRow& kind, Sort sort) {
  switch (sort) {
    case Sort::kCreationTime:
      return "created";
    case Sort::kStatus:
      return "status";
    case Sort::kName:
      break;
  }
  return std::string(kind.name_column);
}

std::string sort_value(const Resource& resource, const KindRow& kind, Sort sort) {
  switch (sort) {
    case Sort::kCreationTime:
      return std::to_string(resource.created);
    case Sort::kStatus:
      return resource.status;
    case Sort::kName:
      break;
  }
  // The value that the index holds: sorted by `folded`, the token must hold the folded name too.
  return kind.name_column == "folded" ? lower(resource.name) : resource.name;
}

Error refused(const std::string& reason) {
  return {Kind::kInvalid, "Invalid pagination token because \"" + reason + "\"."};
}

Json token_content(const std::string& token) {
  const std::string text = from_base64(token).value_or("");
  try {
    // Version 0.1.0 wrote "<value>\n<name>" for hosting resources; neither begins with a bracket.
    const std::size_t line = text.find('\n');
    if (!text.starts_with('[') && line != std::string::npos && is_utf8(text))
      return Json::array({text.substr(0, line), text.substr(line + 1)});
    Json content = parse_json(text);
    if (content.is_array() && content.size() == 2 && content[0].is_string()) return content;
  } catch (const Error&) {
  }
  throw refused("it is not one that this server gave out");
}

// from_chars() and not stoll(): the token is the client's and may be anything.
std::int64_t time_of(const std::string& digits) {
  std::int64_t time = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, problem] = std::from_chars(digits.data(), end, time);
  if (problem != std::errc() || stop != end || time < 0) throw refused("it belongs to another sort order");
  return time;
}

}  // namespace

// Parameters that do not apply are NULL or ''; the text of the statement therefore depends only on sort, direction and
// whether there is a token, and the connection's cache of compiled statements stays small.
std::string list_statement(const KindRow& kind, const ResourceQuery& query) {
  const std::string column = sort_column(kind, query.sort), tie(kind.tie_column);
  const std::string direction = query.ascending ? " ASC" : " DESC";
  std::string sql = "SELECT " + std::string(kResourceColumns) + " FROM resources WHERE kind = ?1 AND (?2 = '' OR " +
                    store::dialect::contains("folded", "?2") +
                    ") AND (?3 = '' OR status = ?3)"
                    " AND (?4 IS NULL OR created > ?4) AND (?5 IS NULL OR created < ?5)"
                    " AND (?6 IS NULL OR modified > ?6) AND (?7 IS NULL OR modified < ?7)";
  // A row value comparison (a, b) > (?, ?) is what SQLite turns into one range of the index; written with OR it would
  // scan.
  if (!query.token.empty()) sql += " AND (" + column + ", " + tie + ") " + (query.ascending ? ">" : "<") + " (?9, ?10)";
  sql += " ORDER BY " + column + direction;
  if (tie != column) sql += ", " + tie + direction;  // named twice, it would be sorted twice
  return sql + " LIMIT ?8";
}

std::string token_of(const Resource& last, const KindRow& kind, Sort sort) {
  const Json tie = kind.tie_column == "id" ? Json(last.id) : Json(last.name);
  return to_base64(dump_json(Json::array({sort_value(last, kind, sort), tie})));
}

// The types are checked here, because SQLite compares values of different types by type: a text where a number belongs
// would silently answer an empty or a full page.
Place place_of(const std::string& token, const KindRow& kind, Sort sort) {
  const Json content = token_content(token);
  const bool by_id = kind.tie_column == "id";
  if (by_id ? !content[1].is_number_integer() : !content[1].is_string())
    throw refused("it is not one that this server gave out");
  Place place{content[0].get<std::string>(), {}};
  if (sort == Sort::kCreationTime) place.value = time_of(content[0]);
  if (by_id)
    place.tie = content[1].get<std::int64_t>();
  else
    place.tie = content[1].get<std::string>();
  return place;
}

}  // namespace clary::resources
