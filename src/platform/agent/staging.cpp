// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/staging.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <system_error>

#include "base/error.h"
#include "base/files.h"
#include "base/links.h"
#include "contract/layout.h"

namespace clary::agent {

namespace fs = std::filesystem;

namespace {

// An empty file means that the source's bytes are not on this machine.
fs::path local_file(const StagedObject& object, const fs::path& objects) {
  if (object.file.empty())
    throw Error(Kind::kUnavailable, "s3://" + object.bucket + "/" + object.key +
                                        " is not on this machine, and this agent reads objects of its machine only");
  return objects / object.file;
}

// Copies, where the program may change its files: a hard link would change the store's blob. Blobs are read-only files.
std::error_code copy_writable(const fs::path& file, const fs::path& place) {
  std::error_code failed;
  fs::copy_file(file, place, failed);
  if (!failed) fs::permissions(place, fs::perms(0644), failed);
  return failed;
}

void place_object(const StagedObject& object, const fs::path& objects, const fs::path& place, bool writable) {
  const fs::path file = local_file(object, objects);
  const std::error_code reason = writable ? copy_writable(file, place) : link_or_copy(file, place);
  if (!reason) return;
  throw Error(Kind::kNotFound, "\"" + object.relative + "\": " +
                                   (reason == std::errc::file_exists ? "another object has the same file name"
                                    // The index named the blob when the job was planned; its file goes when the last
                                    // object that names it is deleted or replaced.
                                    : reason == std::errc::no_such_file_or_directory ? "the object is no longer there"
                                                                                     : reason.message()));
}

void write_config(const AgentSpec& spec, const contract::Layout& layout) {
  contract::InputDataConfig channels;
  for (const AgentChannel& channel : spec.channels) channels[channel.name] = channel.config;
  write_file_atomically(layout.hyperparameters(), contract::to_json(spec.hyperparameters));
  write_file_atomically(layout.input_data_config(), contract::to_json(channels));
  write_file_atomically(layout.resource_config(), contract::to_json(spec.resources));
  if (spec.checkpoint) write_file_atomically(layout.checkpoint_config(), contract::to_json(spec.checkpoint->config));
}

std::string hosts_file(const AgentSpec& spec) {
  std::string text = "127.0.0.1 localhost\n::1 localhost\n";
  for (std::size_t n = 1; n <= spec.resources.hosts.size(); ++n)
    // One line for each instance, so that MPI, gloo and XGBoost's tracker find "algo-<n>" by name. Host n has address
    // <prefix><n> of the loopback network.
    text += spec.address_prefix + std::to_string(n) + " algo-" + std::to_string(n) + "\n";
  return text;
}

}  // namespace

// The folder is new for each attempt, so that nothing of an earlier one is seen.
void lay_out(const AgentSpec& spec, const fs::path& instance) {
  const contract::Layout layout{instance / "ml"};
  for (const fs::path& folder : {layout.config_dir(), layout.data_dir(), layout.model_dir(), layout.output_data_dir()})
    fs::create_directories(folder);
  if (spec.checkpoint) fs::create_directories(layout.checkpoint_dir());
  write_config(spec, layout);
  write_file_atomically(instance / "hosts", hosts_file(spec));
}

void stage_input(const AgentSpec& spec, const fs::path& instance, const fs::path& objects) {
  const contract::Layout layout{instance / "ml"};
  for (const AgentChannel& channel : spec.channels) try {
      const bool pipe = channel.config.input_mode == contract::InputMode::kPipe;
      const fs::path folder = pipe ? instance / "pipe" / channel.name : layout.channel_dir(channel.name);
      fs::create_directories(folder);
      for (std::size_t i = 0; i < channel.objects.size(); ++i)
        place_object(channel.objects[i], objects,
                     // Pipe objects are named by their index, since their keys need not be valid file names.
                     pipe ? folder / std::to_string(i) : place_in(folder, channel.objects[i].relative),
                     spec.writable_input && !pipe);
    } catch (const Error& error) {
      throw Error(error.kind(), "channel " + channel.name + ": " + error.what());
    }
  if (!spec.checkpoint) return;
  // Copied, since the program may change its checkpoints in place.
  for (const StagedObject& object : spec.checkpoint->objects)
    place_object(object, objects, place_in(layout.checkpoint_dir(), object.relative), true);
}

sandbox::SandboxSpec sandbox_of(const AgentSpec& spec, const fs::path& instance) {
  sandbox::SandboxSpec sandbox;
  sandbox.argv = spec.argv;
  for (const fs::path& path : spec.read_only) sandbox.binds.push_back({path, path, false});
  const fs::path ml = instance / "ml";
  sandbox.binds.push_back({ml, contract::kRoot, true});
  // The bind of input/ comes after the one of ml/ and covers that part of it.
  // Read-only where the files there are hard links to the store's own.
  sandbox.binds.push_back({ml / "input", std::string(contract::kRoot) + "/input", spec.writable_input});
  sandbox.binds.push_back({instance / "hosts", "/etc/hosts", false});
  if (spec.checkpoint && spec.checkpoint->config.local_path != "/opt/ml/checkpoints")
    sandbox.binds.push_back({ml / "checkpoints", spec.checkpoint->config.local_path, true});
  sandbox.working_folder = contract::kRoot;
  sandbox.host_name = spec.resources.current_host;
  sandbox.machine_network = spec.network == AgentNetwork::kMachine;
  sandbox.gpu = spec.gpu;
  sandbox.memory_bytes = spec.memory_bytes;
  sandbox.environment = sandbox::compute_environment(spec.threads);
  const std::map<std::string, std::string> defaults{
      {"PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
      {"HOME", "/root"},
      {"LANG", "C.UTF-8"},
      {"PYTHONUNBUFFERED", "1"},
      {contract::kEnvThreads, std::to_string(spec.threads)},
      {contract::kEnvTrainingJobName, spec.job_name},
      {contract::kEnvTrainingJobArn, spec.job_arn},
      {"AWS_REGION", spec.region},
      {"AWS_DEFAULT_REGION", spec.region}};
  // insert(): keeps what compute_environment() chose. The job's own variables follow and win over all of them.
  sandbox.environment.insert(defaults.begin(), defaults.end());
  for (const auto& [name, value] : spec.environment) sandbox.environment[name] = value;
  return sandbox;
}

}  // namespace clary::agent
