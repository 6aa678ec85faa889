// SPDX-License-Identifier: Apache-2.0
// The operator's and newcomer's command. Prints errors as "clary: <what is wrong>" and exits with 1 (2 for a wrong
// command line).
#include <spdlog/sinks/stdout_color_sinks.h>

#include <algorithm>
#include <cstdio>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"

int main(int argc, char** argv) {
  spdlog::set_default_logger(spdlog::stderr_color_mt("clary"));
  spdlog::set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %^%l%$ %v", spdlog::pattern_time_type::utc);

  CLI::App app{
      "Clary: a self-hosted machine-learning server that speaks Amazon SageMaker's protocols.\n"
      "Start it with `clary serve --dev`, then point your scripts here with `eval \"$(clary env)\"`."};
  app.name("clary");
  app.require_subcommand(1);
  app.get_formatter()->column_width(34);
  using namespace clary::cli;
  add_serve(app);
  add_env(app);
  add_doctor(app);
  add_algorithms(app);
  add_train(app);
  add_predict(app);
  add_make_vocab(app);
  add_version(app);
  try {
    std::vector<std::string> arguments = spelled_out(argc, argv);
    std::reverse(arguments.begin(), arguments.end());  // as CLI11 takes a vector
    app.parse(arguments);
    return 0;
  } catch (const CLI::ParseError& e) {
    // --help is an "error" of CLI11 with exit code 0.
    return app.exit(e) == 0 ? 0 : 2;
  } catch (const std::exception& e) {
    std::fprintf(stderr, "clary: %s\n", e.what());
    return 1;
  }
}
