// SPDX-License-Identifier: Apache-2.0
// `clary serve`: reads the settings, runs the server, and stops it gracefully on SIGINT or SIGTERM (a second one ends
// it at once).
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <thread>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "platform/server/server.h"

namespace clary::cli {

namespace {

int g_stop_event = -1;  // written by the signal handler, read by the stopping thread

void on_signal(int number) {
  const int kept = errno;  // of whatever call the signal interrupted
  // The default action again, so that a second signal ends the process at once.
  ::signal(number, SIG_DFL);
  const std::uint64_t one = 1;
  // Only async-signal-safe calls here; the thread below does the work.
  [[maybe_unused]] const ssize_t written = ::write(g_stop_event, &one, sizeof one);
  errno = kept;
}

/// Stops the server when g_stop_event is written; ends with this object, however run() ended.
class Stopper {
 public:
  explicit Stopper(server::Server& running)
      : thread_([&running] {
          std::uint64_t count = 0;
          [[maybe_unused]] const ssize_t read = ::read(g_stop_event, &count, sizeof count);
          log::info("stopping: requests in flight are finished first; a second signal ends at once");
          running.stop();
        }) {}
  Stopper(const Stopper&) = delete;
  Stopper& operator=(const Stopper&) = delete;
  ~Stopper() {
    const std::uint64_t one = 1;
    [[maybe_unused]] const ssize_t written = ::write(g_stop_event, &one, sizeof one);
    thread_.join();
  }

 private:
  std::thread thread_;
};

void serve(const server::Config& config) {
  server::check(config);
  g_stop_event = ::eventfd(0, EFD_CLOEXEC);
  if (g_stop_event < 0) throw_errno("eventfd");
  // Writing to a closed connection is an error of write(), not the end of the process.
  ::signal(SIGPIPE, SIG_IGN);
  // Handlers after the constructor: a signal during start-up ends the process, as there is nothing to finish.
  server::Server running(config);
  ::signal(SIGINT, on_signal);
  ::signal(SIGTERM, on_signal);
  const Stopper stopper(running);
  running.run();
}

}  // namespace

void add_serve(CLI::App& app) {
  auto* command = app.add_subcommand("serve", "Run the server");
  auto given = std::make_shared<server::Config>();
  auto file = std::make_shared<std::filesystem::path>();
  given->data = default_data_folder();
  auto* data =
      command->add_option("--data", given->data, "Folder for everything the server keeps")->capture_default_str();
  auto* host = command->add_option("--host", given->host, "Address to listen on")->capture_default_str();
  auto* port =
      command->add_option("--port", given->port, "Port to listen on; 0 takes any free one")->capture_default_str();
  auto* dev = command->add_flag("--dev", given->dev, "Accept any signature; loopback only");
  auto* account = command->add_option("--account", given->account, "Account id, 12 digits")->capture_default_str();
  auto* region =
      command->add_option("--region", given->region, "Region of requests that name none")->capture_default_str();
  auto* threads =
      command->add_option("--threads", given->threads, "I/O threads; 0: by the number of cores")->capture_default_str();
  command->add_option("--config", *file,
                      "JSON file with the same settings and \"images\" (see docs/jobs.md); options here win");
  command->footer(
      "State lies in the data folder: server.json (address, keys), ca/ca.pem, clary.db, blobs/, jobs/.\n"
      "Health: /_clary/health   Prometheus metrics: /_clary/metrics");
  command->callback([=] {
    // The file first, then what was given on the command line.
    server::Config config;
    config.data = given->data;
    if (!file->empty()) server::read_config_file(*file, config);
    if (data->count() > 0) config.data = given->data;
    if (host->count() > 0) config.host = given->host;
    if (port->count() > 0) config.port = given->port;
    if (dev->count() > 0) config.dev = given->dev;
    if (account->count() > 0) config.account = given->account;
    if (region->count() > 0) config.region = given->region;
    if (threads->count() > 0) config.threads = given->threads;
    serve(config);
  });
}

}  // namespace clary::cli
