// SPDX-License-Identifier: Apache-2.0
// A program's output on its way into the log: cut into lines, stamped, appended to the stream, searched for metrics.
#pragma once

#include <filesystem>
#include <string>

#include "platform/jobs/log_store.h"
#include "platform/jobs/metric_extractor.h"

namespace clary::jobs {

class LineRelay {
 public:
  LineRelay(const std::filesystem::path& log_file, std::filesystem::path metrics_file, MetricExtractor extractor);

  /// Bytes as they were read; whole lines go out at once.
  void add(std::string_view bytes);
  /// The last line, when it had no newline.
  void finish();
  /// A line of the platform's own.
  void say(std::string_view line);

 private:
  void flush(std::vector<LogEvent>& events);

  LogWriter log_;
  std::filesystem::path metrics_file_;
  MetricExtractor extractor_;
  std::string partial_;
};

}  // namespace clary::jobs
