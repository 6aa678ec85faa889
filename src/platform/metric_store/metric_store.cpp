// SPDX-License-Identifier: Apache-2.0
#include "platform/metric_store/metric_store.h"

#include <algorithm>
#include <optional>
#include <tuple>

#include "base/error.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/telemetry/names_on_disk.h"

namespace clary::metric_store {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kMsPerSecond = 1000;
constexpr int kRemovedAtOnce = 10'000;  // rows: other writers wait some 10 ms

// dimensions: dimensions_text(). taken: bytes of the agent's file whose points are in metric_seconds.
constexpr const char* kTables = R"sql(
CREATE TABLE metric_series (
  id {identity}, namespace TEXT NOT NULL, dimensions TEXT NOT NULL, name TEXT NOT NULL,
  UNIQUE (namespace, dimensions, name));
CREATE TABLE metric_seconds (
  series BIGINT NOT NULL, second BIGINT NOT NULL, sum DOUBLE PRECISION NOT NULL, minimum DOUBLE PRECISION NOT NULL,
  maximum DOUBLE PRECISION NOT NULL, count DOUBLE PRECISION NOT NULL, last_time BIGINT NOT NULL,
  last DOUBLE PRECISION NOT NULL,
  PRIMARY KEY (series, second)) {clustered};
CREATE TABLE metric_files (
  file TEXT PRIMARY KEY, namespace TEXT NOT NULL, dimensions TEXT NOT NULL, taken BIGINT NOT NULL) {clustered};
)sql";
constexpr const char* kSteps[] = {kTables};

/// "name=value&name=value", each part percent-encoded.
std::string dimensions_text(const Dimensions& dimensions) {
  std::string out;
  for (const auto& [name, value] : dimensions)
    out += (out.empty() ? "" : "&") + percent_encoded(name) + "=" + percent_encoded(value);
  return out;
}

Dimensions parse_dimensions(std::string_view text) {
  Dimensions dimensions;
  for (const std::string_view pair : split(text, '&')) {
    const auto equals = pair.find('=');
    if (equals == std::string_view::npos) continue;
    dimensions[percent_decoded(pair.substr(0, equals)).value_or("")] =
        percent_decoded(pair.substr(equals + 1)).value_or("");
  }
  return dimensions;
}

/// Points of one namespace, folded into the rows that they become: few, however many the points.
class Seconds {
 public:
  void add(const std::string& dimensions, const MetricPoint& point) {
    const Key key{dimensions, point.name, point.time / kMsPerSecond};
    const auto [place, fresh] = rows_.try_emplace(key, Row{point, point.sum});
    if (fresh) return;
    auto& [total, last] = place->second;
    total.sum += point.sum;
    total.count += point.count;
    total.minimum = std::min(total.minimum, point.minimum);
    total.maximum = std::max(total.maximum, point.maximum);
    if (point.time < total.time) return;
    total.time = point.time;
    last = point.sum;
  }

  void store(store::Connection& db, std::string_view metric_namespace) const {
    auto upsert = db.prepare(
        "INSERT INTO metric_seconds AS old (series, second, sum, minimum, maximum, count, last_time, last) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (series, second) DO UPDATE SET "
        "sum = old.sum + excluded.sum, count = old.count + excluded.count, "
        "minimum = CASE WHEN excluded.minimum < old.minimum THEN excluded.minimum ELSE old.minimum END, "
        "maximum = CASE WHEN excluded.maximum > old.maximum THEN excluded.maximum ELSE old.maximum END, "
        "last = CASE WHEN excluded.last_time >= old.last_time THEN excluded.last ELSE old.last END, "
        "last_time = CASE WHEN excluded.last_time > old.last_time THEN excluded.last_time ELSE old.last_time END");
    std::int64_t series = 0;
    const Key* before = nullptr;
    for (const auto& [key, row] : rows_) {
      const auto& [dimensions, name, second] = key;
      if (before == nullptr || std::tie(std::get<0>(*before), std::get<1>(*before)) != std::tie(dimensions, name))
        series = series_id(db, metric_namespace, dimensions, name);
      before = &key;
      const MetricPoint& total = row.total;
      upsert.bind(series, second, total.sum, total.minimum, total.maximum, total.count, total.time, row.last).exec();
    }
  }

 private:
  using Key = std::tuple<std::string, std::string, std::int64_t>;  // dimensions, name, second
  struct Row {
    MetricPoint total;  // its time is that of `last`
    double last;
  };

  static std::int64_t series_id(store::Connection& db, std::string_view metric_namespace, const std::string& dimensions,
                                const std::string& name) {
    auto find = db.prepare("SELECT id FROM metric_series WHERE namespace = ?1 AND dimensions = ?2 AND name = ?3");
    if (find.bind(metric_namespace, dimensions, name).step()) return find.column<std::int64_t>(0);
    db.prepare("INSERT INTO metric_series (namespace, dimensions, name) VALUES (?1, ?2, ?3)")
        .bind(metric_namespace, dimensions, name)
        .exec();
    return db.last_insert_id();
  }

  std::map<Key, Row> rows_;
};

}  // namespace

MetricStore::MetricStore(store::Database& database, fs::path old_files)
    : database_(database), old_files_(std::move(old_files)) {
  database_.migrate("metrics", kSteps);
  const MutexLock lock(taking_);
  import_old_files();
}

void MetricStore::append(std::string_view metric_namespace,
                         const std::vector<std::pair<Dimensions, MetricPoint>>& points) {
  Seconds seconds;
  for (const auto& [dimensions, point] : points) seconds.add(dimensions_text(dimensions), point);
  database_.write([&](store::Connection& db) { seconds.store(db, metric_namespace); });
}

void MetricStore::follow(const fs::path& folder, const Owner& owner) {
  const MutexLock lock(followed_mutex_);
  followed_[folder] = owner;
}

void MetricStore::unfollow(const fs::path& folder) {
  const MutexLock lock(followed_mutex_);
  followed_.erase(folder);
}

void MetricStore::take_in(const Owner* owner) {
  const MutexLock taking(taking_);
  std::map<fs::path, Owner> followed;
  {
    const MutexLock lock(followed_mutex_);
    for (const auto& [folder, whose] : followed_)
      if (owner == nullptr || whose == *owner) followed.emplace(folder, whose);
  }
  import_old_files();
  std::error_code not_there;  // no agent has begun, or the job's folder has just been removed
  for (const auto& [folder, whose] : followed)
    for (const auto& entry : fs::directory_iterator(folder, not_there))
      take_in_file(entry.path(), entry.path().filename(), whose);
}

/// For those who read: metrics that are stored already can be shown on a full disk too.
void MetricStore::try_take_in(const Owner* owner) {
  try {
    take_in(owner);
  } catch (const std::exception& error) {
    log::warn("metrics of running jobs: {}", error.what());
  }
}

/// @param key  what the file is known by in metric_files
void MetricStore::take_in_file(const fs::path& file, const std::string& key, const Owner& owner) {
  auto taken = database_.read([&](store::Connection& db) {
    auto query = db.prepare("SELECT taken FROM metric_files WHERE file = ?1");
    return query.bind(key).step() ? query.column<std::uint64_t>(0) : std::uint64_t{0};
  });
  const std::string dimensions = dimensions_text(owner.dimensions);
  for (;;) {
    const telemetry::MetricChunk chunk = telemetry::read_points(file, taken);
    if (chunk.end == taken) return;
    Seconds seconds;
    for (const MetricPoint& point : chunk.points) seconds.add(dimensions, point);
    database_.write([&](store::Connection& db) {
      seconds.store(db, owner.metric_namespace);
      db.prepare(
            "INSERT INTO metric_files (file, namespace, dimensions, taken) VALUES (?1, ?2, ?3, ?4) "
            "ON CONFLICT (file) DO UPDATE SET taken = excluded.taken")
          .bind(key, owner.metric_namespace, dimensions, chunk.end)
          .exec();
    });
    taken = chunk.end;
  }
}

/// <old_files>/<namespace>/<dimensions>, each percent-encoded. A crash before a file's removal finds its offset at its
/// end; one before the offset's removal leaves a row that is only in the way of an agent that makes the file again.
void MetricStore::import_old_files() {
  std::error_code not_there, ignored;
  for (const auto& folder : fs::directory_iterator(old_files_, not_there)) {
    const auto space = telemetry::name_of_entry(folder.path().filename().string());
    for (const auto& file : fs::directory_iterator(folder.path(), ignored)) {
      const auto dimensions = telemetry::name_of_entry(file.path().filename().string());
      if (!space || !dimensions) continue;
      const std::string key = (folder.path().filename() / file.path().filename()).string();
      take_in_file(file.path(), key, {*space, parse_dimensions(*dimensions)});
      fs::remove(file.path());
      database_.write(
          [&](store::Connection& db) { db.prepare("DELETE FROM metric_files WHERE file = ?1").bind(key).exec(); });
    }
    fs::remove(folder.path(), ignored);
  }
  if (!not_there) fs::remove(old_files_, ignored);
}

std::map<EpochMs, Statistics> MetricStore::periods(const MetricSeries& series, EpochMs start, EpochMs end,
                                                   std::int64_t period_seconds) {
  try_take_in(&series.owner);
  return database_.read([&](store::Connection& db) {
    auto query = db.prepare(
        "SELECT second / ?6, SUM(sum), MIN(minimum), MAX(maximum), SUM(count) FROM metric_seconds WHERE series = "
        "(SELECT id FROM metric_series WHERE namespace = ?1 AND dimensions = ?2 AND name = ?3) "
        "AND second >= ?4 AND second < ?5 GROUP BY second / ?6");
    query.bind(series.owner.metric_namespace, dimensions_text(series.owner.dimensions), series.name,
               start / kMsPerSecond, end / kMsPerSecond + (end % kMsPerSecond > 0 ? 1 : 0), period_seconds);
    std::map<EpochMs, Statistics> out;
    while (query.step())
      out[query.column<std::int64_t>(0) * period_seconds * kMsPerSecond] = {
          query.column<double>(1), query.column<double>(2), query.column<double>(3), query.column<double>(4)};
    return out;
  });
}

std::map<std::string, LastValue> MetricStore::last_values(const Owner& owner) {
  try_take_in(&owner);
  return database_.read([&](store::Connection& db) {
    auto query = db.prepare(
        "SELECT s.name, m.last, m.last_time FROM metric_series s JOIN metric_seconds m ON m.series = s.id "
        "WHERE s.namespace = ?1 AND s.dimensions = ?2 "
        "AND m.second = (SELECT MAX(second) FROM metric_seconds WHERE series = s.id)");
    query.bind(owner.metric_namespace, dimensions_text(owner.dimensions));
    std::map<std::string, LastValue> out;
    while (query.step()) out[query.column<std::string>(0)] = {query.column<double>(1), query.column<EpochMs>(2)};
    return out;
  });
}

std::vector<MetricSeries> MetricStore::series(std::string_view metric_namespace) {
  try_take_in(nullptr);
  return database_.read([&](store::Connection& db) {
    auto query = db.prepare(
        "SELECT namespace, dimensions, name FROM metric_series WHERE ?1 = '' OR namespace = ?1 "
        "ORDER BY namespace, dimensions, name");
    query.bind(metric_namespace);
    std::vector<MetricSeries> out;
    while (query.step())
      out.push_back({{query.column<std::string>(0), parse_dimensions(query.column<std::string>(1))},
                     query.column<std::string>(2)});
    return out;
  });
}

/// In several transactions, the series last: a crash in between leaves less of it, and the owner removes it again.
void MetricStore::remove(const Owner& owner) {
  const MutexLock lock(taking_);  // nothing may look for an offset that goes
  const std::string dimensions = dimensions_text(owner.dimensions);
  const auto remove_some = [&](store::Connection& db) {
    db.prepare(
          "DELETE FROM metric_seconds WHERE (series, second) IN (SELECT series, second FROM metric_seconds WHERE "
          "series "
          "IN (SELECT id FROM metric_series WHERE namespace = ?1 AND dimensions = ?2) LIMIT ?3)")
        .bind(owner.metric_namespace, dimensions, kRemovedAtOnce)
        .exec();
    return db.changes();
  };
  while (database_.write(remove_some) == kRemovedAtOnce) {
  }
  database_.write([&](store::Connection& db) {
    for (const char* statement : {"DELETE FROM metric_series WHERE namespace = ?1 AND dimensions = ?2",
                                  "DELETE FROM metric_files WHERE namespace = ?1 AND dimensions = ?2"})
      db.prepare(statement).bind(owner.metric_namespace, dimensions).exec();
  });
}

}  // namespace clary::metric_store
