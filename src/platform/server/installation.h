// SPDX-License-Identifier: Apache-2.0
// Where this build of Clary keeps its parts, found from the running binary.
#pragma once

#include <filesystem>

namespace clary::server {

/// Folder of the running executable.
std::filesystem::path binary_folder();

/// <prefix>/libexec/clary/agent: runs one instance of a job. $CLARY_AGENT overrides.
std::filesystem::path agent_program();

/// <prefix>/libexec/clary/algorithms: one program and one `<name>.json` descriptor per algorithm. $CLARY_ALGORITHMS
/// overrides.
std::filesystem::path algorithms_folder();

/// <prefix>/libexec/clary/port_relay, the way into the network of a sandbox.
std::filesystem::path port_relay_program();

/// Weights that training jobs may begin from: <data>/pretrained. $CLARY_PRETRAINED overrides.
std::filesystem::path pretrained_folder(const std::filesystem::path& data);

}  // namespace clary::server
