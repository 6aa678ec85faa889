// SPDX-License-Identifier: Apache-2.0
// Channels, content types and metrics of Linear Learner; the regexes are those that DescribeTrainingJob of the real
// service returns.
#include <fmt/format.h>

#include "algorithms/linear_learner/linear_learner.h"

namespace clary::linear_learner {
namespace {

using shell::MetricSpec;

/// A final line of one channel: "#quality_metric: host=algo-1, validation mse <loss>=0.4".
MetricSpec final_line(const std::string& channel, const std::string& metric, const std::string& pattern,
                      const std::string& kind) {
  // AWS lists no goal for metrics of the train channel: a tuning job cannot optimise them.
  const std::string goal = channel == "train" ? "" : kind == "loss" ? "Minimize" : "Maximize";
  return {channel + ":" + metric, fmt::format(R"(#quality_metric: host=\S+, {} {} <{}>=(\S+))", channel, pattern, kind),
          goal};
}

std::vector<MetricSpec> metrics() {
  std::vector<MetricSpec> out{
      {"train:progress", R"(#progress_metric: host=\S+, completed (\S+) %)", ""},
      {"train:throughput", R"(#throughput_metric: host=\S+, train throughput=(\S+) records/second)", ""},
      {"train:objective_loss", R"(#quality_metric: host=\S+, epoch=\S+, train \S+_objective <loss>=(\S+))", ""},
      {"validation:objective_loss", R"(#quality_metric: host=\S+, epoch=\S+, validation \S+_objective <loss>=(\S+))",
       "Minimize"},
      final_line("train", "objective_loss:final", R"(\S+_objective)", "loss"),
      final_line("validation", "objective_loss:final", R"(\S+_objective)", "loss"),
      final_line("test", "objective_loss", R"(\S+_objective)", "loss")};
  for (const char* channel : {"train", "validation", "test"}) {
    for (const char* name : {"mse", "absolute_loss"}) out.push_back(final_line(channel, name, name, "loss"));
    for (const char* name : {"binary_classification_accuracy", "precision", "recall"})
      out.push_back(final_line(channel, name, name, "score"));
    out.push_back(final_line(channel, "binary_f_beta", R"(binary_f_\S+)", "score"));
  }
  out.push_back(final_line("train", "threshold", "threshold", "score"));  // Clary only
  for (const char* channel : {"validation", "test"}) {
    out.push_back(final_line(channel, "rmse", "rmse", "loss"));
    for (const char* name : {"multiclass_accuracy", "macro_recall", "macro_precision", "dcg"})
      out.push_back(final_line(channel, name, name, "score"));
    out.push_back(final_line(channel, "macro_f_beta", R"(macro_f_\S+)", "score"));
    out.push_back(final_line(channel, "multiclass_top_k_accuracy", R"(multiclass_top_k_accuracy_\S+)", "score"));
    out.push_back(final_line(channel, "roc_auc_score", "roc_auc_score", "score"));
  }
  return out;
}

}  // namespace

const shell::Descriptor& descriptor() {
  static const shell::Descriptor d = [] {
    shell::Descriptor out;
    out.images = {"linear-learner"};
    out.about =
        "Linear models for two classes, many classes and numbers: many candidates are trained side by side, the best "
        "on the validation data is kept, and two classes get the best decision threshold.";
    out.log_name = "Linear Learner";
    out.distributed = true;
    shell::ChannelSpec train{.name = "train", .required = true, .about = "Rows with one label each."};
    shell::ChannelSpec validation{.name = "validation",
                                  .about = "Scored every epoch; chooses candidate, epoch and threshold."};
    shell::ChannelSpec test{.name = "test", .about = "Scored once, with the final model."};
    out.channels = {train, validation, test};
    for (auto& channel : out.channels)
      channel.content_types = {"application/x-recordio-protobuf", "text/csv", "text/libsvm"};
    out.metrics = metrics();
    out.inference_content_types.push_back("text/libsvm");
    return out;
  }();
  return d;
}

}  // namespace clary::linear_learner
