// SPDX-License-Identifier: Apache-2.0
// What an algorithm sees of the world while it trains: channels, hosts, log, folders, the stop flag. Made by the shell
// from the container contract's files, and by tests from a Setup.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "contract/config_files.h"
#include "contract/layout.h"
#include "learning/collective/collective.h"
#include "learning/hyper/problems.h"
#include "learning/shell/channel.h"
#include "learning/shell/descriptor.h"
#include "learning/shell/train_log.h"

namespace clary::shell {

using collective::Collective;
using collective::Hosts;

class TrainContext {
 public:
  struct Setup {
    contract::Layout layout;
    contract::Hyperparameters hyperparameters;
    contract::InputDataConfig channels;
    contract::ResourceConfig resources;
    int threads = 0;  // 0: numeric::available_threads()
    TrainLog::Sink log = TrainLog::to_standard_output();
    std::function<bool()> stopped = [] { return false; };
    collective::ConnectOptions connect;
  };

  /// @throws Error{kInvalid} when a required channel is missing, or one is given that the algorithm does not declare,
  /// or with a content type or input mode that it does not take
  TrainContext(const Descriptor& descriptor, Setup setup);
  /// Reads the contract's files below `layout`. @throws Error{kMalformed}
  static Setup read_setup(const contract::Layout& layout);

  bool has_channel(std::string_view name) const;
  /// @throws Error{kInvalid} when the job has no such channel
  Channel& channel(std::string_view name);

  const Hosts& hosts() const noexcept { return hosts_; }
  /// "ml.c5.xlarge"; empty when unknown (local runs).
  const std::string& instance_type() const noexcept { return setup_.resources.current_instance_type; }
  /// Meets the other hosts at the first call; no-ops for one host.
  Collective& collective();

  /// The platform asked to stop (SIGTERM): finish the batch, return the model as it is.
  bool stop_requested() const { return setup_.stopped(); }
  /// The same, agreed: true on every host as soon as one was asked. A collective call; loops with collectives in them
  /// need it, since SIGTERM does not reach all hosts between the same two batches.
  bool stop_on_any_host();
  /// Hyperparameter `seed`, default 1.
  std::uint64_t seed() const { return hyper::seed_of(setup_.hyperparameters); }
  int threads() const noexcept { return threads_; }
  TrainLog& log() noexcept { return log_; }
  const contract::Hyperparameters& hyperparameters() const noexcept { return setup_.hyperparameters; }

  std::filesystem::path model_dir() const { return setup_.layout.model_dir(); }
  /// Extra artifacts; becomes output.tar.gz.
  std::filesystem::path output_dir() const { return setup_.layout.output_data_dir(); }
  /// Empty when the job has no CheckpointConfig.
  std::filesystem::path checkpoint_dir() const;

 private:
  Setup setup_;
  Hosts hosts_;
  int threads_;
  TrainLog log_;
  std::map<std::string, Channel, std::less<>> channels_;
  std::unique_ptr<Collective> collective_;
};

}  // namespace clary::shell
