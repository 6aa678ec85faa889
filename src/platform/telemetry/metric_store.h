// SPDX-License-Identifier: Apache-2.0
// Metric values as flat, append-only files, one per (namespace, dimensions): <root>/<namespace>/<dimensions>,
// percent-encoded. One line a value or a set of values. Any process may append; an agent writes its job's own.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/time.h"

namespace clary::telemetry {

using Dimensions = std::map<std::string, std::string>;

/// One value, or several folded together (endpoints add one of these per flush instead of one line per request).
struct MetricPoint {
  std::string name;
  EpochMs time = 0;
  double sum = 0, minimum = 0, maximum = 0, count = 1;

  static MetricPoint of(std::string name, EpochMs time, double value) {
    return {std::move(name), time, value, value, value, 1};
  }
  void fold(double value);
};

struct MetricSeries {
  std::string metric_namespace;
  Dimensions dimensions;
  std::string name;
};

class MetricStore {
 public:
  explicit MetricStore(std::filesystem::path root);

  std::filesystem::path file(std::string_view metric_namespace, const Dimensions& dimensions) const;
  /// One write(2), so that lines of several writers never mix.
  static void append_to(const std::filesystem::path& file, const std::vector<MetricPoint>& points);
  void append(std::string_view metric_namespace, const Dimensions& dimensions,
              const std::vector<MetricPoint>& points) const;

  /// In order of appending; nothing when the file is not there. Cut last lines are left out.
  static std::vector<MetricPoint> read_file(const std::filesystem::path& file);
  std::vector<MetricPoint> read(std::string_view metric_namespace, const Dimensions& dimensions) const;
  /// Every series, restricted to one namespace when given.
  std::vector<MetricSeries> series(std::string_view metric_namespace = {}) const;

 private:
  std::filesystem::path root_;
};

}  // namespace clary::telemetry
