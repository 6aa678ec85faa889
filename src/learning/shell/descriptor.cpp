// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/descriptor.h"

#include <fmt/format.h>

namespace clary::shell {

Json to_json(const std::string& name, const Descriptor& descriptor, const Json& hyperparameters) {
  Json channels = Json::array();
  for (const ChannelSpec& channel : descriptor.channels)
    channels.push_back({{"Name", channel.name},
                        {"Description", channel.about},
                        {"IsRequired", channel.required},
                        {"ContentTypes", channel.content_types},
                        {"InputModes", channel.input_modes},
                        {"Distributions", channel.distributions}});
  Json metrics = Json::array();
  for (const MetricSpec& metric : descriptor.metrics) {
    Json& entry = metrics.emplace_back(Json{{"Name", metric.name}, {"Regex", metric.regex}});
    // Without a goal the metric cannot be a tuning objective.
    if (!metric.goal.empty()) entry["Goal"] = metric.goal;
  }
  return {{"Name", name},
          {"Images", descriptor.images},
          {"Description", descriptor.about},
          {"HyperParameters", hyperparameters},
          {"Channels", channels},
          {"Metrics", metrics},
          {"InferenceContentTypes", descriptor.inference_content_types},
          {"AcceptTypes", descriptor.accept_types},
          {"DefaultContentType", descriptor.default_content_type},
          {"DefaultAccept", descriptor.default_accept},
          {"Distributed", descriptor.distributed},
          {"Gpu", descriptor.gpu}};
}

std::string to_markdown(const std::string& name, const Descriptor& descriptor, const std::string& table) {
  std::string out =
      fmt::format("# {}\n\n{}\n\n## Hyperparameters\n\n{}\n## Channels\n\n", name, descriptor.about, table);
  out += "| channel | required | content types | input modes | distribution | use |\n|---|---|---|---|---|---|\n";
  for (const ChannelSpec& channel : descriptor.channels)
    out +=
        fmt::format("| `{}` | {} | {} | {} | {} | {} |\n", channel.name, channel.required ? "yes" : "no",
                    channel.content_types.empty() ? "any" : fmt::format("{}", fmt::join(channel.content_types, ", ")),
                    fmt::join(channel.input_modes, ", "), fmt::join(channel.distributions, ", "), channel.about);
  out += "\n## Metrics\n\n| metric | goal | regex |\n|---|---|---|\n";
  for (const MetricSpec& metric : descriptor.metrics)
    out += fmt::format("| `{}` | {} | `{}` |\n", metric.name, metric.goal.empty() ? "-" : metric.goal, metric.regex);
  out += fmt::format("\n## Inference\n\nRequests: {} (default {}). Answers: {} (default {}).\n",
                     fmt::join(descriptor.inference_content_types, ", "), descriptor.default_content_type,
                     fmt::join(descriptor.accept_types, ", "), descriptor.default_accept);
  return out;
}

}  // namespace clary::shell
