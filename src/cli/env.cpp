// SPDX-License-Identifier: Apache-2.0
// `clary env`: shell lines that point AWS clients at a running server, from what the server wrote into its data folder.
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "cli/commands.h"

namespace clary::cli {

namespace fs = std::filesystem;

namespace {

struct EnvOptions {
  fs::path data = default_data_folder();
  bool endpoints = false;
};

/// Quoted for a shell, which runs the line: between single quotes only a single quote ends the text, and is written as
/// '\'' (POSIX Shell Command Language, section 2.2.2).
void print_export(const std::string& name, const std::string& value) {
  std::string quoted;
  for (const char c : value) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  std::printf("export %s='%s'\n", name.c_str(), quoted.c_str());
}

void print_environment(const EnvOptions& options) {
  const fs::path state = options.data / "server.json";
  if (!fs::exists(state))
    throw Error(Kind::kNotFound, state.string() + " does not exist: no server has run with --data " +
                                     options.data.string() + "; start one with `clary serve --data " +
                                     options.data.string() + "`");
  const Json server = parse_json(read_file(state, 1 << 20));
  const std::string url = server.at("url");
  if (options.endpoints) {
    std::puts("# endpoint variables: boto3 1.28 or newer, AWS CLI 2.13 or newer");
    print_export("AWS_ENDPOINT_URL", url);
  } else {
    // Proxy mode intercepts HTTPS to amazonaws.com; the client must trust the server's own CA.
    std::puts("# proxy mode: any boto3, SageMaker SDK or AWS CLI, scripts unchanged");
    print_export("HTTPS_PROXY", url);
    print_export("AWS_CA_BUNDLE", server.at("ca"));
    // `requests` and pip, which use it, also reach hosts that the server only passes on to.
    print_export("REQUESTS_CA_BUNDLE", server.value("ca_bundle", server.at("ca")));
  }
  print_export("AWS_ACCESS_KEY_ID", server.at("access_key"));
  print_export("AWS_SECRET_ACCESS_KEY", server.at("secret_key"));
  print_export("AWS_DEFAULT_REGION", server.at("region"));
  // Without it clients wait for EC2's metadata service when no credentials are found.
  print_export("AWS_EC2_METADATA_DISABLED", "true");
}

}  // namespace

fs::path default_data_folder() {
  if (const char* data = std::getenv("CLARY_DATA"); data != nullptr && *data != '\0') return data;
  const char* home = std::getenv("HOME");
  return fs::path(home != nullptr ? home : ".") / ".clary";
}

void add_env(CLI::App& app) {
  auto* command =
      app.add_subcommand("env", "Print shell lines that point boto3, the SageMaker SDK and the AWS CLI at the server");
  auto options = std::make_shared<EnvOptions>();
  command->add_option("--data", options->data, "The server's data folder")->capture_default_str();
  command->add_flag("--endpoints", options->endpoints, "AWS_ENDPOINT_URL instead of proxy mode (new clients only)");
  command->footer("Use it as: eval \"$(clary env)\"");
  command->callback([options] { print_environment(*options); });
}

}  // namespace clary::cli
