// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/metric_extractor.h"

#include <re2/re2.h>

#include <cmath>
#include <cstdlib>

namespace clary::agent {

namespace {

RE2::Options options() {
  RE2::Options options(RE2::Quiet);
  // RE2 compiles to automata that it builds while it matches; the memory for them is bounded here, and beyond it
  // matching becomes slower, not wrong.
  options.set_max_mem(8 << 20);
  return options;
}

/// Published expressions end in (\S+), which takes the rest of a line whose tabs are stored as "#011".
std::optional<double> number(re2::StringPiece text) {
  text = text.substr(0, text.find("#011"));
  while (!text.empty() && (text[text.size() - 1] == ',' || text[text.size() - 1] == ';')) text.remove_suffix(1);
  // "loss=0.25, acc=..." matched by (\S+) takes the comma with it.
  const std::string copy(text);
  char* end = nullptr;
  const double value = std::strtod(copy.c_str(), &end);
  // nan, inf and what no sum could hold are parsed by strtod() and left out here: they cannot be averaged.
  if (copy.empty() || *end != '\0' || !(std::fabs(value) <= telemetry::kLargestMetricValue)) return std::nullopt;
  return value;
}

}  // namespace

struct MetricExtractor::Compiled {
  std::string name;
  std::unique_ptr<RE2> regex;
};

std::optional<std::string> regex_problem(const std::string& regex) {
  const RE2 compiled(regex, options());
  if (compiled.ok()) return std::nullopt;
  return compiled.error();
}

// RE2 objects are immutable after construction and match without a lock.
MetricExtractor::MetricExtractor(const std::vector<MetricDefinition>& definitions) {
  for (const MetricDefinition& definition : definitions) {
    auto regex = std::make_unique<RE2>(definition.regex, options());
    if (regex->ok()) compiled_.push_back({definition.name, std::move(regex)});
  }
}

MetricExtractor::MetricExtractor(MetricExtractor&&) noexcept = default;
MetricExtractor::~MetricExtractor() = default;

void MetricExtractor::extract(std::string_view line, EpochMs time, std::vector<telemetry::MetricPoint>& out,
                              std::string_view printed) const {
  const re2::StringPiece text(line.data(), line.size()), original(printed.data(), printed.size());
  for (const Compiled& metric : compiled_) {
    re2::StringPiece groups[2];
    // Group 0 is the whole match, 1 the first group: only those are asked for, since each further group makes RE2
    // slower.
    const int wanted = metric.regex->NumberOfCapturingGroups() > 0 ? 2 : 1;
    if (!metric.regex->Match(text, 0, text.size(), RE2::UNANCHORED, groups, wanted) &&
        (printed.empty() || !metric.regex->Match(original, 0, original.size(), RE2::UNANCHORED, groups, wanted)))
      continue;
    if (const auto value = number(groups[wanted - 1]))
      out.push_back(telemetry::MetricPoint::of(metric.name, time, *value));
  }
}

}  // namespace clary::agent
