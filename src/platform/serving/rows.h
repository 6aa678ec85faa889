// SPDX-License-Identifier: Apache-2.0
// The rows of models, endpoint configurations, endpoints and transform jobs: a name, an ARN, times, a status, and a
// JSON document with the rest. Names that differ only in case collide (their ARNs would be equal); look-ups are exact.
// Safe from any thread; every change is one durable transaction.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace clary::store {
class Database;
class Connection;
class Statement;
}  // namespace clary::store

namespace clary::serving {

enum class RowKind { kModel, kEndpointConfig, kEndpoint, kTransformJob };

struct Row {
  std::string name, arn;
  EpochMs created = 0, modified = 0;
  std::string status;  // "" for models and configurations
  Json body = Json::object();
};

struct RowQuery {
  enum class Sort { kName, kCreationTime, kStatus };
  Sort sort = Sort::kCreationTime;
  bool ascending = false;
  std::string name_contains, status;                                                      // "" = any
  std::optional<EpochMs> created_after, created_before, modified_after, modified_before;  // exclusive
  int limit = 10;
  std::string token;
};

struct RowPage {
  std::vector<Row> rows;
  std::string next_token;  // "" at the end
};

class Rows {
 public:
  /// Creates the tables when they are not there.
  Rows(store::Database& database, RowKind kind);

  /// False when a row of that name (ignoring case) exists. `also` runs in the same transaction after the insertion.
  bool insert(const Row& row, const std::function<void(store::Connection&)>& also = {});
  std::optional<Row> find(std::string_view name) const;
  bool erase(std::string_view name, const std::function<void(store::Connection&, const Row&)>& also = {});

  /// Reads, lets `change` alter status and body (or throw, which undoes), stamps `modified`, writes: one transaction.
  /// @return the row as written; nothing when there is none
  std::optional<Row> update(std::string_view name, const std::function<void(Row&)>& change);

  /// @throws Error{kInvalid} on a token that is not ours
  RowPage list(const RowQuery& query) const;
  std::vector<Row> with_status(const std::vector<std::string>& statuses) const;

 private:
  std::string sql(std::string_view text) const;  // puts the table's name where TABLE stands

  store::Database& database_;
  std::string_view table_;
};

}  // namespace clary::serving
