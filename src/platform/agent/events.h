// SPDX-License-Identifier: Apache-2.0
// What an agent reports to the server, one JSON line an event in <instance>/events.jsonl. Replaying the file from its
// start is harmless, so a server that attaches later misses nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/json.h"
#include "base/time.h"

namespace clary::agent {

enum class AgentEventKind { kDownloading, kTraining, kStopping, kEnded };

/// Why the program, or the attempt to run it, ended.
enum class EndCause {
  kExit,      // by itself or by the agent's signals: see exit_code
  kDownload,  // input could not be staged: see text
  kAgent,     // the agent failed: see text
};

struct AgentEvent {
  AgentEventKind kind = AgentEventKind::kEnded;
  EpochMs time = 0;
  std::string stop;  // "" | "Stop" | "MaxRuntime" | "Terminate" | "Signal": what made it stop (kStopping, kEnded)
  EndCause cause = EndCause::kExit;
  int exit_code = 0;
  std::optional<std::string> failure;  // /opt/ml/output/failure
  std::string text;                    // kDownload, kAgent: what failed; kExit: the last lines of a program without it
};

Json to_json(const AgentEvent& event);
AgentEvent parse_agent_event(const Json& json);

void append_event(const std::filesystem::path& instance, const AgentEvent& event);
/// All whole lines so far; nothing when the file is not there yet.
std::vector<AgentEvent> read_events(const std::filesystem::path& instance);

}  // namespace clary::agent
