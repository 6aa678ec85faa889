// SPDX-License-Identifier: Apache-2.0
// A program's output on its way into the log: cut into lines, stamped, appended to the stream, searched for metrics.
#pragma once

#include <deque>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "platform/agent/metric_extractor.h"
#include "platform/telemetry/log_store.h"
#include "platform/telemetry/metric_file.h"

namespace clary::agent {

class LineRelay {
 public:
  LineRelay(const std::filesystem::path& log_file, const std::filesystem::path& metrics_file,
            MetricExtractor extractor);

  /// Bytes as they were read; whole lines go out at once.
  void add(std::string_view bytes);
  /// The last line, when it had no newline.
  void finish();
  /// The end of the program's output: its last lines that are not blank, at most kLastLines and kLastBytes of them.
  std::string last_lines() const;

  /// A line of the platform's own; metrics are not searched for in it.
  void add_line(std::string_view line);

 private:
  static constexpr std::size_t kLastLines = 3, kLastBytes = 700;  // of a FailureReason's 1,024

  void remember(std::string_view line);
  void flush(std::vector<telemetry::LogEvent>& events);

  telemetry::LogWriter log_;
  telemetry::MetricWriter metrics_;
  MetricExtractor extractor_;
  std::string partial_;
  std::deque<std::string> last_;
};

}  // namespace clary::agent
