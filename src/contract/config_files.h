// SPDX-License-Identifier: Apache-2.0
// The four files under /opt/ml/input/config, parsed and written. The agent writes them, the shell reads them, a user's
// own program may read them too: so the bytes are AWS's. Every parser throws Error{kMalformed} naming the file and key.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace clary::contract {

/// hyperparameters.json: names to strings, as in the request.
using Hyperparameters = std::map<std::string, std::string, std::less<>>;
/// JSON numbers, booleans, null, lists and objects (hand-written files) become their text.
Hyperparameters parse_hyperparameters(std::string_view json);
std::string to_json(const Hyperparameters& hyperparameters);

enum class InputMode { kFile, kFastFile, kPipe };
std::string_view name_of(InputMode mode);
std::optional<InputMode> parse_input_mode(std::string_view name);

/// One channel of inputdataconfig.json.
struct ChannelConfig {
  InputMode input_mode = InputMode::kFile;
  std::string distribution = "FullyReplicated";  // or ShardedByS3Key
  std::string record_wrapper = "None";           // or RecordIO
  std::optional<std::string> content_type;       // key absent when the request gave none
  bool operator==(const ChannelConfig&) const = default;
};
using InputDataConfig = std::map<std::string, ChannelConfig, std::less<>>;
InputDataConfig parse_input_data_config(std::string_view json);
std::string to_json(const InputDataConfig& channels);

/// resourceconfig.json. `hosts` is sorted as text (algo-10 before algo-2), as AWS does.
struct ResourceConfig {
  std::string current_host = "algo-1";
  std::vector<std::string> hosts{"algo-1"};
  std::string network_interface_name = "lo";
  std::string current_instance_type;                      // written when not empty
  std::string current_group_name = "homogeneousCluster";  // written when the instance type is
  bool operator==(const ResourceConfig&) const = default;
};
/// @throws Error{kMalformed} also when current_host is not among hosts, or a host appears twice
ResourceConfig parse_resource_config(std::string_view json);
std::string to_json(const ResourceConfig& resources);

/// checkpointconfig.json
struct CheckpointConfig {
  std::string s3_uri;
  std::string local_path = "/opt/ml/checkpoints";
  bool operator==(const CheckpointConfig&) const = default;
};
CheckpointConfig parse_checkpoint_config(std::string_view json);
std::string to_json(const CheckpointConfig& checkpoint);

}  // namespace clary::contract
