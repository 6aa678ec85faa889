// SPDX-License-Identifier: Apache-2.0
#include "contract/config_files.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "base/json.h"
#include "contract/layout.h"

namespace clary::contract {
namespace {

constexpr std::size_t kMaxHosts = 1000;  // Clary's limit, far above any InstanceCount

[[noreturn]] void malformed(std::string_view file, const std::string& what) {
  throw Error(Kind::kMalformed, std::string(file) + ": " + what);
}

// Errors name the file, since the program that reads it knows no more.
Json parse_object(std::string_view file, std::string_view text) {
  if (text.size() > kMaxConfigBytes) malformed(file, "larger than " + std::to_string(kMaxConfigBytes) + " bytes");
  try {
    Json value = parse_json(text);
    if (!value.is_object()) malformed(file, "must hold one JSON object");
    return value;
  } catch (const Error& error) {
    if (std::string_view(error.what()).starts_with(file)) throw;
    malformed(file, error.what());
  }
}

/// The member as text, or nothing when it is absent or null.
std::optional<std::string> text_of(std::string_view file, const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return std::nullopt;
  if (!found->is_string()) malformed(file, std::string(key) + ": must be a string");
  return found->get<std::string>();
}

/// A name that becomes a path component or a host: no separators, no control characters, not . or ..
void check_name(std::string_view file, const std::string& what, const std::string& name) {
  const bool bad = name.empty() || name.size() > 256 || name == "." || name == ".." ||
                   std::any_of(name.begin(), name.end(),
                               [](char c) { return c == '/' || static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
  if (bad) malformed(file, what + ": '" + name.substr(0, 64) + "' is not a plain name");
}

ChannelConfig parse_channel(std::string_view file, const std::string& name, const Json& value) {
  if (!value.is_object()) malformed(file, name + ": must be an object");
  ChannelConfig channel;
  if (const auto mode = text_of(file, value, "TrainingInputMode")) {
    const auto parsed = parse_input_mode(*mode);
    if (!parsed) malformed(file, name + ": TrainingInputMode: '" + *mode + "' is not File, FastFile or Pipe");
    channel.input_mode = *parsed;
  }
  channel.distribution = text_of(file, value, "S3DistributionType").value_or("FullyReplicated");
  channel.record_wrapper = text_of(file, value, "RecordWrapperType").value_or("None");
  channel.content_type = text_of(file, value, "ContentType");
  return channel;
}

}  // namespace

Hyperparameters parse_hyperparameters(std::string_view json) {
  const Json root = parse_object("hyperparameters.json", json);
  Hyperparameters out;
  // SageMaker passes strings only; numbers and objects of a hand-written file are taken as their JSON text.
  for (const auto& [name, value] : root.items())
    out.emplace(name, value.is_string() ? value.get<std::string>() : dump_json(value));
  return out;
}

std::string to_json(const Hyperparameters& hyperparameters) {
  Json out = Json::object();
  for (const auto& [name, value] : hyperparameters) out[name] = value;
  return dump_json(out);
}

std::string_view name_of(InputMode mode) {
  switch (mode) {
    case InputMode::kFile:
      return "File";
    case InputMode::kFastFile:
      return "FastFile";
    case InputMode::kPipe:
      return "Pipe";
  }
  return "File";
}

std::optional<InputMode> parse_input_mode(std::string_view name) {
  for (const InputMode mode : {InputMode::kFile, InputMode::kFastFile, InputMode::kPipe})
    if (name_of(mode) == name) return mode;
  return std::nullopt;
}

InputDataConfig parse_input_data_config(std::string_view json) {
  constexpr std::string_view kFile = "inputdataconfig.json";
  const Json root = parse_object(kFile, json);
  if (root.size() > kMaxChannels) malformed(kFile, "more than " + std::to_string(kMaxChannels) + " channels");
  InputDataConfig out;
  // Names become folders and FIFOs.
  for (const auto& [name, value] : root.items()) {
    check_name(kFile, "channel", name);
    out.emplace(name, parse_channel(kFile, name, value));
  }
  return out;
}

std::string to_json(const InputDataConfig& channels) {
  Json out = Json::object();
  for (const auto& [name, channel] : channels) {
    Json& entry = out[name];
    entry = {{"TrainingInputMode", name_of(channel.input_mode)},
             {"S3DistributionType", channel.distribution},
             {"RecordWrapperType", channel.record_wrapper}};
    if (channel.content_type) entry["ContentType"] = *channel.content_type;
  }
  return dump_json(out);
}

ResourceConfig parse_resource_config(std::string_view json) {
  constexpr std::string_view kFile = "resourceconfig.json";
  const Json root = parse_object(kFile, json);
  ResourceConfig out;
  const auto hosts = root.find("hosts");
  if (hosts == root.end() || !hosts->is_array() || hosts->empty()) malformed(kFile, "hosts: must be a list of names");
  if (hosts->size() > kMaxHosts) malformed(kFile, "hosts: more than " + std::to_string(kMaxHosts));
  std::set<std::string> seen;
  out.hosts.clear();
  for (const Json& host : *hosts) {
    if (!host.is_string()) malformed(kFile, "hosts: must be a list of names");
    const auto& name = out.hosts.emplace_back(host.get<std::string>());
    check_name(kFile, "hosts", name);
    if (!seen.insert(name).second) malformed(kFile, "hosts: '" + name + "' appears twice");
  }
  const auto current = text_of(kFile, root, "current_host");
  if (!current) malformed(kFile, "current_host: missing");
  if (!seen.contains(*current)) malformed(kFile, "current_host: '" + *current + "' is not among hosts");
  out.current_host = *current;
  out.network_interface_name = text_of(kFile, root, "network_interface_name").value_or("");
  out.current_instance_type = text_of(kFile, root, "current_instance_type").value_or("");
  out.current_group_name = text_of(kFile, root, "current_group_name").value_or("homogeneousCluster");
  return out;
}

std::string to_json(const ResourceConfig& resources) {
  std::vector<std::string> hosts = resources.hosts;
  std::sort(hosts.begin(), hosts.end());
  Json out = {{"current_host", resources.current_host},
              {"hosts", hosts},
              {"network_interface_name", resources.network_interface_name}};
  if (!resources.current_instance_type.empty()) {
    out["current_instance_type"] = resources.current_instance_type;
    out["current_group_name"] = resources.current_group_name;
    out["instance_groups"] = Json::array({{{"instance_group_name", resources.current_group_name},
                                           {"instance_type", resources.current_instance_type},
                                           {"hosts", hosts}}});
  }
  return dump_json(out);
}

CheckpointConfig parse_checkpoint_config(std::string_view json) {
  constexpr std::string_view kFile = "checkpointconfig.json";
  const Json root = parse_object(kFile, json);
  CheckpointConfig out;
  out.s3_uri = text_of(kFile, root, "S3Uri").value_or("");
  out.local_path = text_of(kFile, root, "LocalPath").value_or(out.local_path);
  if (!out.local_path.starts_with('/')) malformed(kFile, "LocalPath: '" + out.local_path + "' is not absolute");
  return out;
}

std::string to_json(const CheckpointConfig& checkpoint) {
  return dump_json({{"S3Uri", checkpoint.s3_uri}, {"LocalPath", checkpoint.local_path}});
}

}  // namespace clary::contract
