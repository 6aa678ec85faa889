// SPDX-License-Identifier: Apache-2.0
// Metrics as CloudWatch knows them: namespace, dimensions and name make a series. In the database, one row for each
// second in which a series got a value: CloudWatch has no finer resolution, and so a program that prints ten thousand
// values a second costs one row a second. Beside the sums a row keeps the last value with its exact time, which
// DescribeTrainingJob shows.
//
// Agents have no database: they report into files (telemetry/metric_file.h), and what those hold is taken in before
// each look at their metrics. The points and the offset up to which a file has been taken in are one transaction, so
// that whatever is killed when, no point is lost or counted twice. Safe from any thread.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "platform/store/database.h"
#include "platform/telemetry/metric_file.h"

namespace clary::metric_store {

using telemetry::MetricPoint;
using Dimensions = std::map<std::string, std::string>;

/// What metrics belong to: a training job, a variant of an endpoint, whatever PutMetricData names.
struct Owner {
  std::string metric_namespace;
  Dimensions dimensions;
  bool operator==(const Owner&) const = default;
};

struct MetricSeries {
  Owner owner;
  std::string name;
};

struct Statistics {
  double sum = 0, minimum = 0, maximum = 0, count = 0;
};

struct LastValue {
  double value = 0;
  EpochMs time = 0;
};

class MetricStore {
 public:
  /// @param old_files  where version 0.1.0 kept metrics: they are imported, now and when an agent of that time adds to
  ///                   them, and then removed
  MetricStore(store::Database& database, std::filesystem::path old_files);

  /// All or none; durable on return.
  void append(std::string_view metric_namespace, const std::vector<std::pair<Dimensions, MetricPoint>>& points);

  /// From now on `owner` has the points in the files of the folder. A file's name is never used for another one.
  void follow(const std::filesystem::path& folder, const Owner& owner);
  void unfollow(const std::filesystem::path& folder);
  /// Stores what the followed files hold and is not stored yet; those of one owner when given. Other functions do so by
  /// themselves, but go on when it fails.
  void take_in(const Owner* owner = nullptr);

  /// Points of [start, end), both at whole seconds outwards, folded into periods that begin at their multiples.
  std::map<EpochMs, Statistics> periods(const MetricSeries& series, EpochMs start, EpochMs end,
                                        std::int64_t period_seconds);
  /// By name: the newest value (of several with one time the one that came last).
  std::map<std::string, LastValue> last_values(const Owner& owner);
  /// Every series, restricted to one namespace when given.
  std::vector<MetricSeries> series(std::string_view metric_namespace = {});
  /// All that the owner has.
  void remove(const Owner& owner);

 private:
  void try_take_in(const Owner* owner);
  void take_in_file(const std::filesystem::path& file, const std::string& key, const Owner& owner) REQUIRES(taking_);
  void import_old_files() REQUIRES(taking_);

  store::Database& database_;
  const std::filesystem::path old_files_;
  Mutex taking_;  // held while files are read and stored: taken before followed_mutex_
  Mutex followed_mutex_;
  std::map<std::filesystem::path, Owner> followed_ GUARDED_BY(followed_mutex_);
};

}  // namespace clary::metric_store
