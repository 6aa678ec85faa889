// SPDX-License-Identifier: Apache-2.0
// The agent of one instance: stages the input, runs the program in its sandbox, relays its output, stops it when
// asked to or when its time is over, and reports how it ended. It communicates with the server through its folder only,
// so it neither needs the server nor ends with it.
#pragma once

#include <filesystem>

namespace clary::agent {

/// Runs the instance of that folder, whose objects are files below `objects`. Does not return while the program runs; 0
/// when the end was reported. Call it from the main thread of a process of its own: it ends with _exit semantics for
/// its helper threads.
int run_agent(const std::filesystem::path& folder, const std::filesystem::path& objects);

/// Names the inherited descriptor that holds the lock on agent.lock.
inline constexpr const char* kEnvAgentLock = "CLARY_AGENT_LOCK";

}  // namespace clary::agent
