// SPDX-License-Identifier: Apache-2.0
// Log lines in the form of AWS's containers, so that their regexes, notebooks and eyes find what they know:
// "[MM/DD/YYYY HH:MM:SS LEVEL pid] text", "#quality_metric: ...", and "#metrics {json}" with an empty line after it.
// Each line is written whole and flushed at once. Thread-safe.
#pragma once

#include <fmt/format.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "learning/hyper/python_text.h"

namespace clary::shell {

/// One "#metrics" line. Each value becomes {"sum": v, "count": 1, "min": v, "max": v}.
struct MetricsRecord {
  std::chrono::system_clock::time_point start{};
  std::chrono::system_clock::time_point end{};
  std::string operation = "training";  // "scoring"
  std::optional<std::int64_t> epoch{};
  std::optional<std::int64_t> model{};  // one of several trained side by side
  std::string meta{};                   // "training_data_iter"; left out when empty
  std::vector<std::pair<std::string, double>> values{};
};

class TrainLog {
 public:
  using Sink = std::function<void(std::string_view line)>;  // gets whole lines with their newline

  /// @param algorithm  "AWS/KNN", in #metrics
  TrainLog(std::string host, std::string algorithm, Sink sink = to_standard_output());

  static Sink to_standard_output();

  /// "algo-1": `host=` of every line.
  const std::string& host() const noexcept { return host_; }

  template <class... T>
  void info(fmt::format_string<T...> format, T&&... values) {
    line("INFO", fmt::format(format, std::forward<T>(values)...));
  }
  template <class... T>
  void warn(fmt::format_string<T...> format, T&&... values) {
    line("WARNING", fmt::format(format, std::forward<T>(values)...));
  }
  template <class... T>
  void error(fmt::format_string<T...> format, T&&... values) {
    line("ERROR", fmt::format(format, std::forward<T>(values)...));
  }

  /// "#quality_metric: host=algo-1, epoch=1, train total_loss <loss>=7.02"; kind is "loss" or "score".
  void quality_metric(std::string_view set, std::string_view name, std::string_view kind, double value,
                      std::optional<std::int64_t> epoch = std::nullopt);
  /// "#progress_metric: host=algo-1, completed 1.0 % of epochs"
  void progress(double percent);
  /// "#throughput_metric: host=algo-1, train throughput=4721.588 records/second"
  void throughput(double rows_per_second);
  /// "#test_score (algo-1) : ('accuracy', 0.92)"
  void score(std::string_view set, std::string_view name, double value);
  /// Without prefix, followed by an empty line.
  void metrics(const MetricsRecord& record);
  /// A line as it is, without prefix ("Topics from epoch:final ...").
  void plain(std::string_view text);

 private:
  void line(std::string_view level, std::string_view text);

  std::string host_, algorithm_;
  Sink sink_;
  std::mutex mutex_;  // guards sink_
};

using hyper::python_float;  // the form of every number in these lines

}  // namespace clary::shell
