// SPDX-License-Identifier: Apache-2.0
// See xgboost.h.
#include <fmt/format.h>

#include "algorithms/xgboost/evaluate/metrics.h"
#include "algorithms/xgboost/xgboost.h"

namespace clary::xgboost {
namespace {

shell::ChannelSpec data_channel(const char* name, bool required, const char* about) {
  shell::ChannelSpec out;
  out.name = name;
  out.required = required;
  out.about = about;
  // Without the container's application/x-parquet: no library of Debian's reads Parquet.
  out.content_types = {"text/libsvm", "text/csv",         "application/x-recordio-protobuf", "text/x-libsvm", "libsvm",
                       "csv",         "recordio-protobuf"};
  out.default_content_type = "text/libsvm";
  return out;
}

std::vector<shell::MetricSpec> metric_specs() {
  std::vector<shell::MetricSpec> out;
  for (const char* channel : {"validation", "train"})
    for (const Metric& metric : metrics())
      out.push_back({fmt::format("{}:{}", channel, metric.name),
                     fmt::format(R"(.*\[[0-9]+\].*#011{}-{}:(\S+))", channel, metric.name),
                     std::string_view(channel) == "train" ? ""
                     : metric.maximise                    ? "Maximize"
                                                          : "Minimize"});
  return out;
}

}  // namespace

const shell::Descriptor& Xgboost::descriptor() {
  static const shell::Descriptor descriptor = [] {
    shell::Descriptor d;
    d.images = {"xgboost", "sagemaker-xgboost"};
    d.about = "Gradient-boosted trees for regression, classification, ranking, counts and survival, on libxgboost.";
    d.channels = {data_channel("train", true, "Rows with a label: CSV has it in the first column."),
                  data_channel("validation", false, "Rows that are only evaluated; early stopping watches them.")};
    d.channel_wording = {"Missing required channel: {}", "Extraneous channel found: {}",
                         "Channel configuration for '{}' channel is not supported: "};
    d.metrics = metric_specs();
    d.inference_content_types = {"text/csv", "text/libsvm", "text/x-libsvm", "application/x-recordio-protobuf",
                                 "application/json"};
    d.accept_types = {"text/csv", "application/json", "application/jsonlines", "application/x-recordio-protobuf"};
    d.default_content_type = "text/libsvm";
    d.default_accept = "text/csv";
    d.distributed = true;
    d.log_name = "AWS/XGBoost";
    return d;
  }();
  return descriptor;
}

}  // namespace clary::xgboost
