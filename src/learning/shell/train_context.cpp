// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/train_context.h"

#include <fmt/format.h>

#include <algorithm>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "learning/numeric/threads.h"

namespace clary::shell {
namespace {

const ChannelSpec* find(const std::vector<ChannelSpec>& specs, std::string_view name) {
  const auto found = std::find_if(specs.begin(), specs.end(), [&](const ChannelSpec& s) { return s.name == name; });
  return found == specs.end() ? nullptr : &*found;
}

bool listed(const std::vector<std::string>& words, std::string_view word) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

std::string names_of(const std::vector<ChannelSpec>& specs) {
  std::vector<std::string> names;
  for (const auto& spec : specs) names.push_back(spec.name);
  return fmt::format("{}", fmt::join(names, ", "));
}

std::string filled(const std::string& words, const std::string& channel) {
  return fmt::format(fmt::runtime(words), channel);
}

/// What the channel's specification does not allow.
std::vector<std::string> unsupported(const ChannelSpec& spec, const contract::ChannelConfig& config) {
  std::vector<std::string> out;
  // Parameters (label_size=0) do not decide what is supported.
  const std::string type = formats::parse_content_type(config.content_type.value_or("")).type;
  if (!type.empty() && !spec.content_types.empty() && !listed(spec.content_types, type))
    out.push_back(fmt::format("channel {}: content type '{}' is not supported; expected one of {}", spec.name, type,
                              fmt::join(spec.content_types, ", ")));
  if (!listed(spec.input_modes, contract::name_of(config.input_mode)))
    out.push_back(fmt::format("channel {}: input mode {} is not supported; expected one of {}", spec.name,
                              contract::name_of(config.input_mode), fmt::join(spec.input_modes, ", ")));
  if (!listed(spec.distributions, config.distribution))
    out.push_back(fmt::format("channel {}: S3DataDistributionType '{}' is not supported; expected one of {}", spec.name,
                              config.distribution, fmt::join(spec.distributions, ", ")));
  return out;
}

/// As AWS's containers print it: Python's repr of the channel's part of inputdataconfig.json.
std::string configuration_of(const contract::ChannelConfig& config) {
  hyper::TextMap out{{"TrainingInputMode", std::string(contract::name_of(config.input_mode))},
                     {"S3DistributionType", config.distribution}};
  if (config.content_type) out["ContentType"] = *config.content_type;
  return hyper::python_repr(out);
}

/// Every rule that the job's channels break, in one error.
/// All problems at once: a user corrects the job in one go.
void check_channels(const Descriptor& descriptor, const contract::InputDataConfig& given) {
  const ChannelWording& words = descriptor.channel_wording;
  std::vector<std::string> problems;
  for (const ChannelSpec& spec : descriptor.channels)
    if (spec.required && !given.contains(spec.name)) problems.push_back(filled(words.missing, spec.name));
  for (const auto& [name, config] : given) {
    const ChannelSpec* spec = find(descriptor.channels, name);
    if (spec == nullptr) {
      problems.push_back(words.unknown.empty() ? fmt::format("channel {}: not known; the channels are {}", name,
                                                             names_of(descriptor.channels))
                                               : filled(words.unknown, name));
      continue;
    }
    auto more = unsupported(*spec, config);
    if (!more.empty() && !words.unsupported.empty())
      more = {
          fmt::format("{}{}: {}", filled(words.unsupported, name), configuration_of(config), fmt::join(more, "; "))};
    problems.insert(problems.end(), more.begin(), more.end());
  }
  if (!problems.empty()) throw Error(Kind::kInvalid, fmt::format("{}", fmt::join(problems, "; ")));
}

}  // namespace

TrainContext::TrainContext(const Descriptor& descriptor, Setup setup)
    : setup_(std::move(setup)),
      hosts_{setup_.resources.hosts, setup_.resources.current_host, setup_.resources.network_interface_name},
      threads_(setup_.threads > 0 ? setup_.threads : numeric::available_threads()),
      log_(hosts_.current, descriptor.log_name, setup_.log) {
  // Before any channel is opened.
  check_channels(descriptor, setup_.channels);
  if (hosts_.size() > 1 && !descriptor.distributed)
    throw Error(Kind::kInvalid,
                fmt::format("InstanceCount: {} is not supported; the algorithm trains on one instance", hosts_.size()));
  for (const auto& [name, config] : setup_.channels)
    // find() cannot fail: unknown channels were refused above.
    channels_.emplace(name, Channel(setup_.layout, name, config, find(descriptor.channels, name)->default_content_type,
                                    setup_.stopped));
}

TrainContext::Setup TrainContext::read_setup(const contract::Layout& layout) {
  // Missing files mean defaults, so that an algorithm runs outside of a job as well.
  const auto text_or = [](const std::filesystem::path& path, const char* otherwise) {
    return std::filesystem::exists(path) ? read_file(path, contract::kMaxConfigBytes) : std::string(otherwise);
  };
  Setup out;
  out.layout = layout;
  out.hyperparameters = contract::parse_hyperparameters(text_or(layout.hyperparameters(), "{}"));
  out.channels = contract::parse_input_data_config(text_or(layout.input_data_config(), "{}"));
  if (std::filesystem::exists(layout.resource_config()))
    out.resources = contract::parse_resource_config(read_file(layout.resource_config(), contract::kMaxConfigBytes));
  return out;
}

bool TrainContext::has_channel(std::string_view name) const { return channels_.find(name) != channels_.end(); }

Channel& TrainContext::channel(std::string_view name) {
  const auto found = channels_.find(name);
  if (found == channels_.end()) throw Error(Kind::kInvalid, fmt::format("channel {}: missing, but required", name));
  return found->second;
}

// Connected at the first use: a job of one host never listens, and data are checked before hosts wait for each other.
Collective& TrainContext::collective() {
  if (!collective_) collective_ = collective::connect(hosts_, setup_.connect);
  return *collective_;
}

// Every host must call this at the same place: it is a collective operation, and all hosts get the same answer.
bool TrainContext::stop_on_any_host() {
  double stop = stop_requested() ? 1 : 0;
  collective().all_reduce_max(std::span(&stop, 1));
  return stop > 0;
}

std::filesystem::path TrainContext::checkpoint_dir() const {
  const auto config = setup_.layout.checkpoint_config();
  if (!std::filesystem::exists(config)) return {};
  const std::filesystem::path given =
      contract::parse_checkpoint_config(read_file(config, contract::kMaxConfigBytes)).local_path;
  // Paths of the contract lie below /opt/ml, which may be another folder for us.
  const auto inside = given.lexically_relative(std::filesystem::path(contract::kRoot));
  return inside.empty() || *inside.begin() == ".." ? given : setup_.layout.root / inside;
}

}  // namespace clary::shell
