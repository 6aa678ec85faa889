// SPDX-License-Identifier: Apache-2.0
// The server's settings: the configuration file's keys, overridden by the command line's options.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include "base/json.h"

namespace clary::server {

struct Config {
  std::filesystem::path data;
  std::string host = "127.0.0.1";
  std::uint16_t port = 9400;  // 0: any free one
  bool dev = false;           // accept any signature; loopback only
  std::string account = "123456789012";
  std::string region = "us-west-2";  // for requests that name none
  int threads = 0;                   // I/O threads; 0: one per core, at most 4
  Json images = Json::object();  // a user's own algorithms: image name -> program (AlgorithmCatalog::add_user_images)
  std::map<std::string, std::filesystem::path> files;  // what built-in algorithms may read: variable -> path
  bool run_unsandboxed = false;                        // let user programs run where the sandbox does not work
};

/// Lays the file's values over `config`. @throws Error{kInvalid} naming file, key, value and rule; unknown keys are
/// errors
void read_config_file(const std::filesystem::path& file, Config& config);

/// Only programs of this machine reach the server.
bool listens_on_loopback(const Config& config);

/// @throws Error{kInvalid} for values that do not go together: --dev off loopback, an account that is not 12 digits
void check(const Config& config);

}  // namespace clary::server
