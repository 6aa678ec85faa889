// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/train_log.h"

#include <fmt/chrono.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <nlohmann/json.hpp>

namespace clary::shell {
namespace {

double seconds_of(std::chrono::system_clock::time_point time) {
  return std::chrono::duration<double>(time.time_since_epoch()).count();
}

/// JSON has no nan; Python's json module writes and reads NaN, but CloudWatch and others do not: null.
nlohmann::ordered_json number(double value) {
  return std::isfinite(value) ? nlohmann::ordered_json(value) : nlohmann::ordered_json(nullptr);
}

}  // namespace

TrainLog::TrainLog(std::string host, std::string algorithm, Sink sink)
    : host_(std::move(host)), algorithm_(std::move(algorithm)), sink_(std::move(sink)) {}

// Flushed by line: the agent relays what it reads, and a killed program loses no line.
TrainLog::Sink TrainLog::to_standard_output() {
  return [](std::string_view line) {
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  };
}

// The form of AWS's containers, which users' regular expressions expect.
void TrainLog::line(std::string_view level, std::string_view text) {
  const std::time_t now = std::time(nullptr);
  const std::string out = fmt::format("[{:%m/%d/%Y %H:%M:%S} {} {}] {}\n", fmt::gmtime(now), level, getpid(), text);
  // One lock for a whole line: lines of several threads do not mix.
  const std::lock_guard lock(mutex_);
  sink_(out);
}

void TrainLog::quality_metric(std::string_view set, std::string_view name, std::string_view kind, double value,
                              std::optional<std::int64_t> epoch) {
  const std::string at = epoch ? fmt::format(", epoch={}", *epoch) : "";
  info("#quality_metric: host={}{}, {} {} <{}>={}", host_, at, set, name, kind, python_float(value));
}

void TrainLog::progress(double percent) {
  info("#progress_metric: host={}, completed {} % of epochs", host_, python_float(percent));
}

void TrainLog::throughput(double rows_per_second) {
  info("#throughput_metric: host={}, train throughput={} records/second", host_, python_float(rows_per_second));
}

void TrainLog::score(std::string_view set, std::string_view name, double value) {
  info("#{}_score ({}) : ('{}', {})", set, host_, name, python_float(value));
}

// The "#metrics" lines of AWS's containers: one JSON object with sum, count, minimum and maximum.
void TrainLog::metrics(const MetricsRecord& record) {
  nlohmann::ordered_json dimensions = {{"Algorithm", algorithm_}, {"Host", host_}, {"Operation", record.operation}};
  if (record.epoch) dimensions["epoch"] = *record.epoch;
  if (record.model) dimensions["model"] = *record.model;
  if (!record.meta.empty()) dimensions["Meta"] = record.meta;
  nlohmann::ordered_json values = nlohmann::ordered_json::object();
  for (const auto& [name, value] : record.values)
    values[name] = {{"sum", number(value)}, {"count", 1}, {"min", number(value)}, {"max", number(value)}};
  const nlohmann::ordered_json out = {{"StartTime", seconds_of(record.start)},
                                      {"EndTime", seconds_of(record.end)},
                                      {"Dimensions", dimensions},
                                      {"Metrics", values}};
  // The blank line is part of the form.
  const std::string text = "#metrics " + out.dump() + "\n\n";
  const std::lock_guard lock(mutex_);
  sink_(text);
}

void TrainLog::plain(std::string_view text) {
  const std::string out = std::string(text) + "\n";
  const std::lock_guard lock(mutex_);
  sink_(out);
}

}  // namespace clary::shell
