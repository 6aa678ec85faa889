// SPDX-License-Identifier: Apache-2.0
// The metric points that one agent reports: a text file of its own that it appends to and the server reads from a
// remembered offset. One line a point: time, sum, minimum, maximum, count, name (percent-encoded). A file has one
// writer, which ends at its first failed write, so that only the last line can be cut.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/files.h"
#include "base/time.h"

namespace clary::telemetry {

constexpr double kLargestMetricValue = 0x1p360;  // CloudWatch: values lie between -2^360 and 2^360

/// One value, or several folded together (an endpoint's of a minute, a set that PutMetricData was given).
struct MetricPoint {
  std::string name;
  EpochMs time = 0;
  double sum = 0, minimum = 0, maximum = 0, count = 1;

  static MetricPoint of(std::string name, EpochMs time, double value) {
    return {std::move(name), time, value, value, value, 1};
  }
};

class MetricWriter {
 public:
  /// Creates the file and its folder. It stays open: one that is removed meanwhile does not come back.
  explicit MetricWriter(const std::filesystem::path& file);
  void append(const std::vector<MetricPoint>& points);

 private:
  std::filesystem::path file_;
  UniqueFd fd_;
};

struct MetricChunk {
  std::vector<MetricPoint> points;
  std::uint64_t end = 0;  // the offset behind the last whole line
};

/// The whole lines from `begin` on, of `max_bytes` at most. Lines that are no point are left out: of another form, or
/// with numbers that no sum of finite values stays finite with. A file that is not there is empty.
MetricChunk read_points(const std::filesystem::path& file, std::uint64_t begin, std::size_t max_bytes = 256 << 10);

}  // namespace clary::telemetry
