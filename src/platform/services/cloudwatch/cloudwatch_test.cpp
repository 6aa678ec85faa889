// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "platform/aws/service_error.h"
#include "platform/services/cloudwatch/cloudwatch_service.h"

namespace clary::services {
namespace {

class CloudWatch : public ::testing::Test {
 protected:
  Json call(const char* operation, const Json& input) {
    return cloudwatch_service(metrics_).operations.at(operation)(input, aws::Caller{});
  }
  /// "<code>: <message>" of what PutMetricData answers for one datum; "stored" when it takes it.
  std::string put(const Json& datum) {
    Json complete = datum;
    complete["MetricName"] = "m";
    try {
      call("PutMetricData", {{"Namespace", "N"}, {"MetricData", {{{"MetricName", "first"}, {"Value", 1}}, complete}}});
    } catch (const aws::ServiceError& e) {
      return std::string(aws::row(e.code()).name) + ": " + e.what();
    }
    return "stored";
  }
  Json stored() {
    return call("GetMetricStatistics", {{"Namespace", "N"},
                                        {"MetricName", "m"},
                                        {"StartTime", 0},
                                        {"EndTime", 200'000},
                                        {"Period", 60},
                                        {"Statistics", {"Sum", "Minimum", "Maximum", "SampleCount"}}})["Datapoints"];
  }

  const TemporaryFolder folder_;
  store::Database database_{folder_.path() / "db"};
  metric_store::MetricStore metrics_{database_, folder_.path() / "metrics"};
};

TEST_F(CloudWatch, NumbersThatCannotBeStoredAreRefusedAndNothingIsStored) {
  constexpr double kInf = std::numeric_limits<double>::infinity(), kNan = std::numeric_limits<double>::quiet_NaN();
  const auto set = [](double sum, double minimum, double maximum, double count) {
    return Json{
        {"StatisticValues", {{"Sum", sum}, {"Minimum", minimum}, {"Maximum", maximum}, {"SampleCount", count}}}};
  };
  const std::pair<Json, const char*> rows[] = {
      {{{"Value", kInf}}, "MetricData.member.2.Value is invalid."},
      {{{"Value", kNan}}, "MetricData.member.2.Value is invalid."},
      {{{"Value", 1e109}}, "The value 1e+109 for parameter MetricData.member.2.Value is invalid."},
      {{{"Values", {1.0, -kInf}}}, "MetricData.member.2.Values.member.2 is invalid."},
      {{{"Values", {1.0, 2.0}}, {"Counts", {1.0, kNan}}}, "MetricData.member.2.Counts.member.2 is invalid."},
      {{{"Values", {1.0, 2.0}}, {"Counts", {-1.0, 1.0}}},
       "The value -1.0 for parameter MetricData.member.2.Counts.member.1 is invalid."},
      {{{"Values", {1.0, 2.0}}, {"Counts", {1.0}}},
       "The parameters MetricData.member.2.Values and MetricData.member.2.Counts must be of the same size."},
      {{{"Value", 1.0}, {"Counts", {1.0}}},
       "The parameter MetricData.member.2.Counts needs MetricData.member.2.Values."},
      {{{"Values", Json::array()}}, "The collection MetricData.member.2.Values must have 1 to 150 members."},
      {set(kInf, 0, 1, 1), "MetricData.member.2.StatisticValues.Sum is invalid."},
      {set(1, kNan, 1, 1), "MetricData.member.2.StatisticValues.Minimum is invalid."},
      {set(1, 0, kNan, 1), "MetricData.member.2.StatisticValues.Maximum is invalid."},
      {set(1, 0, 1, kInf), "MetricData.member.2.StatisticValues.SampleCount is invalid."},
      {set(1, 0, 1, -1), "MetricData.member.2.StatisticValues.SampleCount is invalid."},
      {set(1, 2, 1, 1), "StatisticValues.Maximum must be greater than or equal to"},
      {Json::object(), "One of Value, Values and StatisticValues must be given for MetricData.member.2."},
  };
  for (const auto& [datum, expected] : rows) {
    const std::string answer = put(datum);
    EXPECT_EQ(answer.substr(0, 23), "InvalidParameterValue: ") << datum;
    EXPECT_NE(answer.find(expected), std::string::npos) << answer;
  }
  EXPECT_EQ(put({{"Value", 1}, {"Values", {1}}}).substr(0, 28), "InvalidParameterCombination:");
  EXPECT_EQ(call("ListMetrics", {{"Namespace", "N"}})["Metrics"], Json::array());
}

TEST_F(CloudWatch, CountsWeighTheirValues) {
  EXPECT_EQ(put({{"Timestamp", 120'000}, {"Values", {2, -0x1p360, 5}}, {"Counts", {3, 0, 1}}}), "stored");
  EXPECT_EQ(stored()[0]["Sum"], 11);
  EXPECT_EQ(stored()[0]["Minimum"], 2);
  EXPECT_EQ(stored()[0]["SampleCount"], 4);
  EXPECT_EQ(put({{"Timestamp", 120'000}, {"Value", 0x1p360}}), "stored");
  EXPECT_EQ(stored()[0]["Maximum"], 0x1p360);
}

// Namespace and dimensions were once a file's name, whose 255 bytes they could exceed.
TEST_F(CloudWatch, TakesTheLongestNames) {
  const std::string space(255, '/'), value(1024, '=');
  const Json dimensions{{{"Name", "D"}, {"Value", value}}};
  call("PutMetricData",
       {{"Namespace", space},
        {"MetricData", {{{"MetricName", std::string(255, '%')}, {"Value", 1}, {"Dimensions", dimensions}}}}});
  const Json listed = call("ListMetrics", {{"Namespace", space}})["Metrics"];
  ASSERT_EQ(listed.size(), 1u);
  EXPECT_EQ(listed[0]["Namespace"], space);
  EXPECT_EQ(listed[0]["Dimensions"], dimensions);
  EXPECT_EQ(listed[0]["MetricName"], std::string(255, '%'));
}

}  // namespace
}  // namespace clary::services
