// SPDX-License-Identifier: Apache-2.0
// The agent: one instance of a job. A program of its own, since it needs neither the database nor the object store and
// must start on machines that have only it. The server starts it; people have no use for it.
//   usage: agent --job FOLDER --objects FOLDER
//   --job      the instance's folder, which holds agent.json
//   --objects  what the files of objects in agent.json are relative to
#include "platform/agent/agent.h"

#include <spdlog/sinks/stdout_color_sinks.h>

#include <cstdio>
#include <cstring>

#include "base/log.h"

int main(int argc, char** argv) {
  if (argc != 5 || std::strcmp(argv[1], "--job") != 0 || std::strcmp(argv[3], "--objects") != 0) {
    std::fprintf(stderr, "usage: agent --job FOLDER --objects FOLDER    (started by `clary serve`)\n");
    return 2;
  }
  spdlog::set_default_logger(spdlog::stderr_color_mt("agent"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);
  return clary::agent::run_agent(argv[2], argv[4]);
}
