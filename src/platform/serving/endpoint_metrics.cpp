// SPDX-License-Identifier: Apache-2.0
// Endpoints' counters on their way out: once a minute, and when a fleet ends, into the metric store (CloudWatch's
// AWS/SageMaker namespace), and as Prometheus text whenever asked.
#include <fmt/format.h>

#include <utility>

#include "base/log.h"
#include "platform/serving/endpoints.h"

namespace clary::serving {
namespace {

constexpr auto kFlushPeriod = 60s;  // CloudWatch: one-minute resolution

using Totals = VariantTotals;

Totals totals_of(const VariantMetrics& m) {
  return {m.invocations.load(), m.errors_4xx.load(), m.errors_5xx.load(), m.model_latency.sum(),
          m.overhead_latency.sum()};
}

// One point that summarises many observations of a minute (CloudWatch calls this a statistic set).
telemetry::MetricPoint folded(std::string name, EpochMs time, std::uint64_t sum, std::uint64_t count, double low,
                              double high) {
  telemetry::MetricPoint point;
  point.name = std::move(name);
  point.time = time;
  point.sum = static_cast<double>(sum);
  point.minimum = low;
  point.maximum = high;
  point.count = static_cast<double>(count);
  return point;
}

std::vector<telemetry::MetricPoint> points_since(const Totals& before, const Totals& now, VariantMetrics& m,
                                                 EpochMs time) {
  const std::uint64_t n = now.invocations - before.invocations;
  // Counts are sums of ones and zeros, as CloudWatch has them: the sum is the number of events, the average their
  // rate. The minimum is 1 only if every invocation was such an event.
  const auto rate = [&](std::string name, std::uint64_t sum) {
    return folded(std::move(name), time, sum, n, sum < n ? 0 : 1, sum > 0 ? 1 : 0);
  };
  const auto latency = [&](std::string name, std::uint64_t sum, LatencyCounter& counter) {
    const auto [low, high] = counter.take_range();
    return folded(std::move(name), time, sum, n, static_cast<double>(low), static_cast<double>(high));
  };
  return {rate("Invocations", n), rate("Invocation4XXErrors", now.errors_4xx - before.errors_4xx),
          rate("Invocation5XXErrors", now.errors_5xx - before.errors_5xx),
          latency("ModelLatency", now.model_us - before.model_us, m.model_latency),
          latency("OverheadLatency", now.overhead_us - before.overhead_us, m.overhead_latency)};
}

}  // namespace

asio::awaitable<void> Endpoints::flush_metrics() {
  asio::steady_timer timer(loop_.context());
  while (!stopping_) {
    timer.expires_after(kFlushPeriod);
    co_await timer.async_wait(asio::use_awaitable);
    flush(fleets_);
  }
}

// A fleet that leaves is flushed once more when its requests have ended: most notebooks deploy, predict and delete
// within one period.
void Endpoints::flush(const std::map<std::string, Fleet>& fleets) {
  std::vector<std::pair<metric_store::Dimensions, telemetry::MetricPoint>> points;
  for (const auto& [name, fleet] : fleets) {
    for (const Variant& v : fleet) {
      const Totals now = totals_of(*v.metrics);
      const Totals before = std::exchange(v.metrics->flushed, now);
      if (now.invocations == before.invocations) continue;
      for (telemetry::MetricPoint& point : points_since(before, now, *v.metrics, now_ms()))
        points.push_back({{{"EndpointName", name}, {"VariantName", v.spec.name}}, std::move(point)});
    }
  }
  if (points.empty()) return;
  // A full disk must end neither the flushes nor a deletion: the totals are moved on all the same and the minute is
  // lost.
  try {
    deps_.metrics.append("AWS/SageMaker", points);
  } catch (const std::exception& e) {
    log::warn("metrics of endpoints: {}", e.what());
  }
}

// Any thread: reads the immutable routing table and atomics only.
std::string Endpoints::prometheus() const {
  struct Column {
    const char* name;
    const char* help;
    std::uint64_t (*value)(const Totals&);
  };
  constexpr Column kColumns[] = {
      {"clary_endpoint_invocations_total", "Invocations of a variant.", [](const Totals& t) { return t.invocations; }},
      {"clary_endpoint_4xx_errors_total", "Invocations that the model answered with 4xx.",
       [](const Totals& t) { return t.errors_4xx; }},
      {"clary_endpoint_5xx_errors_total", "Invocations that failed: 5xx, no answer, or too late.",
       [](const Totals& t) { return t.errors_5xx; }},
      {"clary_endpoint_model_latency_microseconds_total", "Time that the model took.",
       [](const Totals& t) { return t.model_us; }},
      {"clary_endpoint_overhead_latency_microseconds_total", "Time that the server took besides.",
       [](const Totals& t) { return t.overhead_us; }},
  };
  const std::shared_ptr<const RoutingTable> table = table_.load();
  std::string out;
  for (const Column& column : kColumns) {
    out += fmt::format("# HELP {} {}\n# TYPE {} counter\n", column.name, column.help, column.name);
    for (const auto& [name, route] : *table)
      for (const VariantRoute& v : route->variants)
        out += fmt::format("{}{{endpoint=\"{}\",variant=\"{}\"}} {}\n", column.name, name, v.name,
                           column.value(totals_of(*v.metrics)));
  }
  return out;
}

}  // namespace clary::serving
