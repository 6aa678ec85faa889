// SPDX-License-Identifier: Apache-2.0
// From the agents' events to the state of the job as a whole, and its FailureReason. Pure: no I/O, no clock.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/agent/events.h"

namespace clary::training {

inline constexpr std::size_t kMaxFailureReason = 1024;  // AWS limit

/// One instance as the server sees it.
struct InstanceReport {
  std::string host;
  std::vector<agent::AgentEvent> events;
  bool alive = false;
  std::string end;  // how the agent's process ended, when it is known

  const agent::AgentEvent* ended() const;  // its last event, or null
  bool lost() const { return !alive && ended() == nullptr; }
  bool over() const { return !alive || ended() != nullptr; }
};

struct JobReport {
  bool downloading = false;            // some instance has begun
  bool training = false;               // every program has been started
  bool over = false;                   // every instance has reported its end or died
  bool max_runtime = false;            // some instance ran into MaxRuntimeInSeconds
  bool agent_lost = false;             // some agent died without reporting its end
  std::optional<std::string> failure;  // FailureReason of the instance that failed first
};

/// @param builtin  the program is one of this repository: its failure text begins with its class (ClientError,
/// AlgorithmError)
JobReport summarize(const std::vector<InstanceReport>& instances, bool builtin);

/// control-plane: "AlgorithmError: <text>, exit code: <n>", cut to 1024 bytes at a character.
std::string failure_reason(const agent::AgentEvent& end, const std::string& host, bool builtin);

inline constexpr const char* kInternalError =
    "InternalServerError: We encountered an internal error.  Please try again.";

}  // namespace clary::training
