// SPDX-License-Identifier: Apache-2.0
// An algorithm's program run on local files without a server: the folders of the container contract are laid out in a
// folder of the user's, and the same program runs on them as in a training job.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace clary::cli {

/// @throws Error{kNotFound} listing what there is
std::filesystem::path program_of(const std::string& algorithm);

enum class Output { kInherited, kToStandardError };

/// Starts `argv` with `environment` added to this process's; the child is killed when this process ends.
pid_t start(const std::vector<std::string>& argv, const std::map<std::string, std::string>& environment,
            Output output = Output::kInherited);

/// Exit code, or 128 + signal.
int wait_for(pid_t child);

/// "name=value" -> (name, value). @throws Error{kInvalid} naming the option and the text
std::pair<std::string, std::string> name_and_value(const std::string& option, const std::string& text);

}  // namespace clary::cli
