// SPDX-License-Identifier: Apache-2.0
// `clary agent`: one instance of a job. The server starts it; nobody else needs to.
#include "platform/jobs/agent.h"

#include <cstdlib>

#include "cli/commands.h"

namespace clary::cli {

void add_agent(CLI::App& app) {
  auto* command = app.add_subcommand("agent", "Run one instance of a job (started by the server)");
  auto folder = std::make_shared<std::filesystem::path>();
  command->add_option("--job", *folder, "The instance's folder")->required();
  command->callback([folder] { std::exit(jobs::run_agent(*folder)); });
}

}  // namespace clary::cli
