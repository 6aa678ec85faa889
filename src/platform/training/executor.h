// SPDX-License-Identifier: Apache-2.0
// Where agents run. An agent is known by the folder of its instance (agent.json, events.jsonl, ...): it outlives the
// server, so a later server process attaches to it by that folder.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "platform/catalog/instance_types.h"

namespace clary::training {

class Executor {
 public:
  using Changed = std::function<void(const std::filesystem::path& folder)>;
  virtual ~Executor() = default;

  /// `changed` is called whenever an agent may have written an event or ended, on a thread of the executor's own or
  /// inside start() and attach(). Returns when no call of the previous listener is running; null removes it.
  virtual void set_listener(Changed changed) = 0;
  /// Starts an agent for the folder and watches it. @throws Error when it cannot be started
  virtual void start(const std::filesystem::path& folder) = 0;
  /// Watches an agent that an earlier server process started.
  virtual void attach(const std::filesystem::path& folder) = 0;
  virtual bool alive(const std::filesystem::path& folder) = 0;
  /// Why a started agent is no longer alive, as far as it is known ("killed by signal 9"); "" otherwise.
  virtual std::string end_of(const std::filesystem::path& folder) = 0;
  virtual void forget(const std::filesystem::path& folder) = 0;
  virtual catalog::Resources capacity() const = 0;
};

}  // namespace clary::training
