// SPDX-License-Identifier: Apache-2.0
#include "platform/services/cloudwatch/cloudwatch_service.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/hash.h"
#include "platform/aws/service_error.h"

namespace clary::services {

namespace {

using metric_store::Dimensions;
using metric_store::MetricPoint;
using metric_store::MetricStore;
using metric_store::Statistics;

constexpr std::size_t kMaxDatapoints = 1440;  // AWS limit of GetMetricStatistics
constexpr std::size_t kMaxListed = 500;       // AWS: ListMetrics answers 500 at a time
constexpr std::size_t kMaxData = 1000;        // AWS limit of PutMetricData
constexpr std::size_t kMaxValues = 150;       // AWS limit of Values and Counts

aws::ServiceError invalid(const std::string& message) { return {aws::Code::kInvalidParameterValue, message}; }

EpochMs time_of(const Json& value) {
  // Clients send seconds as a number (JSON protocol) or ISO 8601 (query protocol).
  if (value.is_number()) return std::llround(value.get<double>() * 1000);
  if (value.is_string())
    if (const auto time = parse_iso8601(value.get<std::string>())) return *time;
  throw invalid("The value " + value.dump() + " is not a time.");
}

Dimensions dimensions_of(const Json& input) {
  Dimensions dimensions;
  for (const Json& item : input.value("Dimensions", Json::array()))
    dimensions[item.at("Name").get<std::string>()] = item.at("Value").get<std::string>();
  return dimensions;
}

Json to_json(const Dimensions& dimensions) {
  Json list = Json::array();
  for (const auto& [name, value] : dimensions) list.push_back({{"Name", name}, {"Value", value}});
  return list;
}

/// Periods are aligned to the epoch, as CloudWatch aligns them, not to StartTime.
std::map<EpochMs, Statistics> periods(MetricStore& metrics, const Json& metric, EpochMs start, EpochMs end,
                                      std::int64_t period_seconds) {
  return metrics.periods({{metric.at("Namespace"), dimensions_of(metric)}, metric.at("MetricName")}, start, end,
                         period_seconds);
}

double statistic(const Statistics& point, const std::string& name) {
  // A point of count 0 (empty Values) has no mean.
  if (name == "Average") return point.count == 0 ? 0 : point.sum / point.count;
  if (name == "Sum") return point.sum;
  if (name == "Minimum") return point.minimum;
  if (name == "Maximum") return point.maximum;
  if (name == "SampleCount") return point.count;
  throw invalid("The statistic " + name + " is not supported: use Average, Sum, Minimum, Maximum or SampleCount.");
}

std::int64_t period_of(const Json& value) {
  const auto seconds = value.get<std::int64_t>();
  if (seconds < 1) throw invalid("The parameter Period must be greater than 0.");
  return seconds;
}

Json get_metric_statistics(const Json& input, MetricStore& metrics) {
  // ExtendedStatistics (percentiles) would need the single values, which are not kept.
  // The model marks Statistics as optional, since ExtendedStatistics may take its place.
  if (!input.contains("Statistics"))
    throw aws::ServiceError(aws::Code::kInvalidParameterValue, "Statistics must be given.");
  const auto folded = periods(metrics, input, time_of(input.at("StartTime")), time_of(input.at("EndTime")),
                              period_of(input.at("Period")));
  if (folded.size() > kMaxDatapoints)
    throw invalid("You have requested more than 1440 datapoints: make Period longer or the time shorter.");
  Json answer{{"Label", input.at("MetricName")}, {"Datapoints", Json::array()}};
  for (const auto& [begin, point] : folded) {
    Json item{{"Timestamp", epoch_seconds(begin)}, {"Unit", "None"}};
    for (const Json& name : input["Statistics"]) item[name.get<std::string>()] = statistic(point, name);
    answer["Datapoints"].push_back(std::move(item));
  }
  return answer;
}

Json get_metric_data(const Json& input, MetricStore& metrics) {
  const EpochMs start = time_of(input.at("StartTime")), end = time_of(input.at("EndTime"));
  // The default is the newest first.
  const bool descending = input.value("ScanBy", "TimestampDescending") == "TimestampDescending";
  Json results = Json::array();
  for (const Json& query : input.at("MetricDataQueries")) {
    if (!query.contains("MetricStat"))
      throw invalid("Expressions are not supported by this server: give MetricStat for the query " +
                    query.at("Id").get<std::string>() + ".");
    if (!query.value("ReturnData", true)) continue;
    const Json& stat = query["MetricStat"];
    Json times = Json::array(), values = Json::array();
    for (const auto& [begin, point] : periods(metrics, stat.at("Metric"), start, end, period_of(stat.at("Period")))) {
      times.push_back(epoch_seconds(begin));
      values.push_back(statistic(point, stat.at("Stat")));
    }
    if (descending) {
      std::reverse(times.begin(), times.end());
      std::reverse(values.begin(), values.end());
    }
    results.push_back({{"Id", query.at("Id")},
                       {"Label", query.value("Label", stat["Metric"].at("MetricName").get<std::string>())},
                       {"Timestamps", std::move(times)},
                       {"Values", std::move(values)},
                       {"StatusCode", "Complete"}});
  }
  return {{"MetricDataResults", std::move(results)}, {"Messages", Json::array()}};
}

bool has_dimensions(const Dimensions& dimensions, const Json& filters) {
  for (const Json& filter : filters) {
    const auto found = dimensions.find(filter.at("Name").get<std::string>());
    // A filter without a value asks for the dimension's presence.
    if (found == dimensions.end() || (filter.contains("Value") && found->second != filter["Value"].get<std::string>()))
      return false;
  }
  return true;
}

// The token is the last item's text: the list continues behind it, whatever was added or removed meanwhile.
Json list_metrics(const Json& input, MetricStore& metrics) {
  const std::string name = input.value("MetricName", ""), token = input.value("NextToken", "");
  const auto after = from_base64(token);
  if (!after) throw invalid("The NextToken is not valid.");
  std::map<std::string, Json> found;  // in a stable order, which the token counts on
  for (const auto& [owner, series_name] : metrics.series(input.value("Namespace", ""))) {
    if ((!name.empty() && series_name != name) ||
        !has_dimensions(owner.dimensions, input.value("Dimensions", Json::array())))
      continue;
    Json item{
        {"Namespace", owner.metric_namespace}, {"MetricName", series_name}, {"Dimensions", to_json(owner.dimensions)}};
    found.emplace(item.dump(), std::move(item));
  }
  Json answer{{"Metrics", Json::array()}};
  // upper_bound of "" is the beginning.
  for (auto at = found.upper_bound(*after); at != found.end(); ++at) {
    if (answer["Metrics"].size() == kMaxListed) {
      answer["NextToken"] = to_base64(std::prev(at)->first);
      break;
    }
    answer["Metrics"].push_back(at->second);
  }
  return answer;
}

// --- PutMetricData: each number is checked, each value, weighted by its count, is folded into one point a datum.

/// @param at  the parameter as AWS names it: "MetricData.member.1.Value"
/// The negated comparison refuses NaN as well.
double number_of(const Json& value, const std::string& at) {
  const auto number = value.get<double>();
  if (!(std::fabs(number) <= telemetry::kLargestMetricValue))
    throw invalid("The value " + dump_json(value) + " for parameter " + at + " is invalid.");
  return number;
}

double count_of(const Json& value, const std::string& at) {
  const double count = number_of(value, at);
  if (count < 0) throw invalid("The value " + dump_json(value) + " for parameter " + at + " is invalid.");
  return count;
}

void add_statistics(MetricPoint& point, const Json& set, const std::string& at) {
  point.sum = number_of(set.at("Sum"), at + ".Sum");
  point.minimum = number_of(set.at("Minimum"), at + ".Minimum");
  point.maximum = number_of(set.at("Maximum"), at + ".Maximum");
  point.count = count_of(set.at("SampleCount"), at + ".SampleCount");
  if (point.minimum > point.maximum)
    throw invalid("The parameter " + at + ".Maximum must be greater than or equal to " + at + ".Minimum.");
}

void add_values(MetricPoint& point, const Json& values, const Json* counts, const std::string& at) {
  if (values.empty() || values.size() > kMaxValues)
    throw invalid("The collection " + at + ".Values must have 1 to " + std::to_string(kMaxValues) + " members.");
  if (counts != nullptr && counts->size() != values.size())
    throw invalid("The parameters " + at + ".Values and " + at + ".Counts must be of the same size.");
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::string member = ".member." + std::to_string(i + 1);
    const double value = number_of(values[i], at + ".Values" + member);
    const double count = counts == nullptr ? 1 : count_of((*counts)[i], at + ".Counts" + member);
    // AWS accepts a count of 0; it contributes nothing and must not set minimum or maximum.
    if (count == 0) continue;
    point.minimum = point.count == 0 ? value : std::min(point.minimum, value);
    point.maximum = point.count == 0 ? value : std::max(point.maximum, value);
    point.sum += value * count;
    point.count += count;
  }
}

MetricPoint point_of(const Json& datum, const std::string& at) {
  // Exactly one form may be given.
  const int forms =
      static_cast<int>(datum.contains("Value") + datum.contains("Values") + datum.contains("StatisticValues"));
  if (forms == 0) throw invalid("One of Value, Values and StatisticValues must be given for " + at + ".");
  if (forms > 1)
    throw aws::ServiceError(aws::Code::kInvalidParameterCombination,
                            "The parameters Value, Values and StatisticValues of " + at + " are mutually exclusive.");
  if (datum.contains("Counts") && !datum.contains("Values"))
    throw invalid("The parameter " + at + ".Counts needs " + at + ".Values.");
  MetricPoint point;
  point.name = datum.at("MetricName");
  point.time = datum.contains("Timestamp") ? time_of(datum["Timestamp"]) : now_ms();
  // add_values() counts up from zero.
  point.count = 0;
  if (datum.contains("StatisticValues")) {
    add_statistics(point, datum["StatisticValues"], at + ".StatisticValues");
  } else if (datum.contains("Values")) {
    add_values(point, datum["Values"], datum.contains("Counts") ? &datum["Counts"] : nullptr, at);
  } else {
    point = MetricPoint::of(point.name, point.time, number_of(datum["Value"], at + ".Value"));
  }
  return point;
}

Json put_metric_data(const Json& input, MetricStore& metrics) {
  const Json data = input.value("MetricData", Json::array());
  if (data.size() > kMaxData) throw invalid("The collection MetricData must not have a size greater than 1000.");
  // Storing is one append a point; a crash in between keeps the first ones, all of them were valid.
  std::vector<std::pair<Dimensions, MetricPoint>> points;  // all are checked before the first is stored
  for (std::size_t i = 0; i < data.size(); ++i)
    points.emplace_back(dimensions_of(data[i]), point_of(data[i], "MetricData.member." + std::to_string(i + 1)));
  metrics.append(input.at("Namespace").get<std::string>(), points);
  return nullptr;
}

}  // namespace

aws::JsonService cloudwatch_service(MetricStore& metrics) {
  using aws::Caller;
  aws::JsonService service;
  service.target_prefix = "GraniteServiceVersion20100801";
  service.model = "cloudwatch";
  service.also_query = true;  // old clients
  service.operations = {
      {"GetMetricStatistics", [&](const Json& in, const Caller&) { return get_metric_statistics(in, metrics); }},
      {"GetMetricData", [&](const Json& in, const Caller&) { return get_metric_data(in, metrics); }},
      {"ListMetrics", [&](const Json& in, const Caller&) { return list_metrics(in, metrics); }},
      {"PutMetricData", [&](const Json& in, const Caller&) { return put_metric_data(in, metrics); }},
  };
  return service;
}

}  // namespace clary::services
