// SPDX-License-Identifier: Apache-2.0
// Laying out /opt/ml for a program: folders, configuration files, channels. Objects of the store are hard-linked, so no
// byte is copied; the sandbox shows them read-only.
#pragma once

#include <filesystem>

#include "platform/agent/spec.h"
#include "platform/sandbox/sandbox.h"

namespace clary::agent {

/// The folders and configuration files of `instance`/ml, and `instance`/hosts.
void lay_out(const AgentSpec& spec, const std::filesystem::path& instance);

/// Links every object of the File and FastFile channels, and those of Pipe channels aside for their writers; copies
/// checkpoints (the program writes there).
/// @param objects  the folder that the objects' files are relative to
/// @throws Error naming channel, object and reason
void stage_input(const AgentSpec& spec, const std::filesystem::path& instance, const std::filesystem::path& objects);

/// What the program is run as.
sandbox::SandboxSpec sandbox_of(const AgentSpec& spec, const std::filesystem::path& instance);

}  // namespace clary::agent
