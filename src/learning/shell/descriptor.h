// SPDX-License-Identifier: Apache-2.0
// What an algorithm says of itself besides its hyperparameters: image names, channels, metrics, content types. Printed
// by `describe`; the server, the manual and the console learn everything from there.
#pragma once

#include <string>
#include <vector>

#include "base/json.h"

namespace clary::shell {

struct ChannelSpec {
  std::string name;
  bool required = false;
  std::string about;
  std::vector<std::string> content_types{"application/x-recordio-protobuf", "text/csv"};  // empty: any
  std::vector<std::string> input_modes{"File", "FastFile", "Pipe"};
  std::vector<std::string> distributions{"FullyReplicated", "ShardedByS3Key"};
  std::string default_content_type = "application/x-recordio-protobuf";  // when the channel has none
};

struct MetricSpec {
  std::string name;   // "validation:total_loss"
  std::string regex;  // one group: the value
  std::string goal;   // "Minimize", "Maximize" or "" (not a tuning objective)
};

/// What the user reads when the job's channels are not those of the algorithm; `{}` is the channel.
struct ChannelWording {
  std::string missing = "channel {}: missing, but required";
  std::string unknown;      // empty: "channel x: not known; the channels are train, test"
  std::string unsupported;  // empty: the part that is not supported, and what is; else followed by the configuration
};

struct Descriptor {
  std::vector<std::string> images;  // repository names it answers to
  std::string about;
  std::vector<ChannelSpec> channels;
  ChannelWording channel_wording{};
  std::vector<MetricSpec> metrics;
  std::vector<std::string> inference_content_types{"text/csv", "application/json", "application/jsonlines",
                                                   "application/x-recordio-protobuf"};
  std::vector<std::string> accept_types{"application/json", "application/jsonlines", "text/csv",
                                        "application/x-recordio-protobuf"};
  std::string default_content_type = "text/csv";    // of a request that names none
  std::string default_accept = "application/json";  // of a request that names none
  bool distributed = false;
  bool gpu = false;
  /// The default and final configuration in the log as a container on Python 2 prints them (hyper::python2_repr).
  bool python_2 = false;
  /// Of /execution-parameters: "MULTI_RECORD", or "SINGLE_RECORD" where a request is one thing, such as a picture.
  std::string batch_strategy = "MULTI_RECORD";
  /// A key that users copy out of AWS's logs: Dimensions.Algorithm of #metrics lines, "AWS/NTM".
  std::string log_name;
};

/// The whole `describe` document. @param hyperparameters  Schema::describe()
Json to_json(const std::string& name, const Descriptor& descriptor, const Json& hyperparameters);
/// The manual page: description, channels, hyperparameters, metrics. @param table  Schema::to_markdown()
std::string to_markdown(const std::string& name, const Descriptor& descriptor, const std::string& table);

}  // namespace clary::shell
