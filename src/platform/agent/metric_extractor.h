// SPDX-License-Identifier: Apache-2.0
// Lifts metric values out of log lines by regular expressions that users wrote: RE2, whose time is linear in the line
// and whose memory is bounded, so that no expression can stall an agent.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "platform/agent/spec.h"
#include "platform/telemetry/metric_file.h"

namespace clary::agent {

/// Why an expression cannot be used (RE2's words); nothing when it can.
std::optional<std::string> regex_problem(const std::string& regex);

class MetricExtractor {
 public:
  /// Definitions whose expression cannot be used are left out (they were refused at creation).
  explicit MetricExtractor(const std::vector<MetricDefinition>& definitions);
  MetricExtractor(MetricExtractor&&) noexcept;
  ~MetricExtractor();

  /// The value of the first group (or of the whole match) of every definition that matches and is a number that
  /// CloudWatch takes.
  /// @param line  as it is stored; `printed` as the program wrote it, for expressions that the stored form does not
  /// match
  void extract(std::string_view line, EpochMs time, std::vector<telemetry::MetricPoint>& out,
               std::string_view printed = {}) const;

 private:
  struct Compiled;
  std::vector<Compiled> compiled_;
};

}  // namespace clary::agent
