// SPDX-License-Identifier: Apache-2.0
#include "platform/server/installation.h"

#include <cstdlib>

#include "contract/layout.h"

namespace clary::server {

namespace fs = std::filesystem;

fs::path binary_folder() { return fs::read_symlink("/proc/self/exe").parent_path(); }

fs::path agent_program() {
  if (const char* program = std::getenv("CLARY_AGENT"); program != nullptr && *program != '\0') return program;
  return binary_folder().parent_path() / "libexec" / "clary" / "agent";
}

fs::path algorithms_folder() {
  if (const char* folder = std::getenv("CLARY_ALGORITHMS"); folder != nullptr && *folder != '\0') return folder;
  return binary_folder().parent_path() / "libexec" / "clary" / "algorithms";
}

fs::path port_relay_program() { return binary_folder().parent_path() / "libexec" / "clary" / "port_relay"; }

fs::path pretrained_folder(const fs::path& data) {
  const char* folder = std::getenv(contract::kEnvPretrained);
  return fs::absolute(folder != nullptr && *folder != '\0' ? fs::path(folder) : data / "pretrained");
}

}  // namespace clary::server
