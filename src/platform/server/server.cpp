// SPDX-License-Identifier: Apache-2.0
#include "platform/server/server.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <chrono>
#include <thread>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "contract/layout.h"
#include "platform/aws/credentials.h"
#include "platform/aws/edge.h"
#include "platform/aws/proxy.h"
#include "platform/executors/local_process.h"
#include "platform/metric_store/metric_store.h"
#include "platform/objects/object_store.h"
#include "platform/resources/tags.h"
#include "platform/sandbox/sandbox.h"
#include "platform/server/installation.h"
#include "platform/server/own_pages.h"
#include "platform/services/cloudwatch/cloudwatch_service.h"
#include "platform/services/iam/iam_service.h"
#include "platform/services/logs/logs_service.h"
#include "platform/services/runtime/runtime_handler.h"
#include "platform/services/s3/service.h"
#include "platform/services/sagemaker/hosting.h"
#include "platform/services/sagemaker/service.h"
#include "platform/services/sagemaker/training.h"
#include "platform/services/sts/sts_service.h"
#include "platform/serving/endpoints.h"
#include "platform/serving/transform_jobs.h"
#include "platform/store/database.h"
#include "platform/telemetry/log_store.h"
#include "platform/training/scheduler.h"
#include "platform/training/training_jobs.h"

namespace clary::server {

namespace fs = std::filesystem;

namespace {

/// A child that a killed server had just forked holds its lock until it becomes its own program.
/// flock() belongs to the open file, which a forked child shares until its exec.
constexpr std::chrono::milliseconds kLockPatience{1000};

/// One server a data folder: a lock that ends with the process, however it ends.
UniqueFd lock_folder(const fs::path& folder) {
  fs::create_directories(folder);
  UniqueFd lock = open_file(folder / "server.lock", O_RDWR | O_CREAT, 0600);
  const auto end = std::chrono::steady_clock::now() + kLockPatience;
  while (::flock(lock.get(), LOCK_EX | LOCK_NB) != 0) {
    // Polling, because flock() has no timeout of its own.
    if (std::chrono::steady_clock::now() > end)
      throw Error(Kind::kConflict, "the data folder " + folder.string() +
                                       " is in use by another server; give --data another folder or stop that one");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return lock;
}

catalog::AlgorithmCatalog load_catalog(const Config& config) {
  catalog::AlgorithmCatalog catalog;
  auto files = config.files;
  files.try_emplace(contract::kEnvPretrained, pretrained_folder(config.data));
  catalog.add_builtins(algorithms_folder(), files);
  catalog.add_user_images(config.images);
  return catalog;
}

aws::EdgeOptions edge_options(const Config& config) {
  aws::EdgeOptions options;
  options.account = config.account;
  options.default_region = config.region;
  options.dev = config.dev;
  return options;
}

// I/O threads only move bytes: a few are enough, and the other cores are for the algorithms.
int io_threads(const Config& config) {
  return config.threads > 0 ? config.threads
                            : std::min(4, static_cast<int>(std::max(1U, std::thread::hardware_concurrency())));
}

}  // namespace

// Members below are declared in the same order, which is what decides. Consequences that are relied upon: the lock is
// held before any file is opened and released last; the database outlives everything that writes rows; the executor
// outlives the scheduler that listens to it; the endpoints outlive the transform jobs that use their loop; `front` is
// assigned before the server listens.
// In the order of construction; destruction runs backwards.
struct Server::Parts {
  explicit Parts(const Config& given)
      : config(given),
        data(fs::absolute(given.data)),
        lock(lock_folder(data)),
        credentials(aws::Credentials::open(data / "credentials")),
        authority(aws::open_authority(data / "ca")),
        database(data / "clary.db"),
        objects(data, database),
        logs(data / "logs"),
        metrics(database, data / "metrics"),
        catalog(load_catalog(given)),
        tags(database),
        executor(agent_program(), objects.local_root()),
        training_jobs(database),
        scheduler(data / "jobs", training_jobs, {objects, catalog, logs, metrics, given.run_unsandboxed}, executor),
        endpoints({database, objects, logs, metrics, catalog, data, given.run_unsandboxed, port_relay_program()}),
        transforms(endpoints),
        training_deps{training_jobs, scheduler, catalog, objects, metrics},
        hosting_deps(endpoints, transforms),
        // The edge needs the server's worker pool and the server a handler: the handler looks `front` up at each
        // request.
        http(http_options(), [this](http::Request& request) { return front(request); }),
        edge(credentials, edge_options(given), http.workers()) {
    edge.add(
        sagemaker::sagemaker_service({sagemaker::training_job_operations(training_deps),
                                      sagemaker::hosting_operations(hosting_deps), sagemaker::tag_operations(tags)}));
    edge.add(services::logs_service(logs));
    edge.add(services::cloudwatch_service(metrics));
    edge.add(services::sts_service(credentials));
    edge.add(services::iam_service());
    edge.set_s3(s3::s3_handler(objects, http.workers()));
    edge.set_runtime(runtime::runtime_handler(endpoints));
    edge.add_open("/_clary/", own_pages({endpoints, http}));
    front = edge.handler();
    // Before the server listens (Server's constructor), so that no request can meet a half-recovered state. Training
    // first: its agents may have ended while no server ran.
    scheduler.recover();
    endpoints.recover();
    transforms.recover();
  }

  http::ServerOptions http_options() {
    http::ServerOptions options;
    options.io_threads = io_threads(config);
    options.tunnel = aws::aws_tunnel(authority);
    // Scripts in proxy mode also download data and packages. AWS's own hosts are never reached through here, on no
    // port.
    if (listens_on_loopback(config))
      options.passes_on = [](std::string_view host, std::uint16_t) { return !aws::is_aws_host(host); };
    return options;
  }

  const Config config;
  const fs::path data;
  UniqueFd lock;
  aws::Credentials credentials;
  std::shared_ptr<http::CertificateAuthority> authority;
  store::Database database;
  objects::ObjectStore objects;
  telemetry::LogStore logs;
  metric_store::MetricStore metrics;
  catalog::AlgorithmCatalog catalog;
  resources::ResourceTags tags;
  executors::LocalProcess executor;
  training::TrainingJobs training_jobs;
  training::Scheduler scheduler;
  serving::Endpoints endpoints;
  serving::TransformJobs transforms;
  sagemaker::TrainingDeps training_deps;
  sagemaker::HostingDeps hosting_deps;
  http::Handler front;
  http::Server http;
  aws::Edge edge;
};

namespace {

/// The authorities that the system trusts and the server's own, in one file: in proxy mode a script meets both.
fs::path write_ca_bundle(const fs::path& folder) {
  std::string bundle = read_file(folder / "ca.pem");
  const char* given = std::getenv("SSL_CERT_FILE");
  const fs::path system = given != nullptr ? given : "/etc/ssl/certs/ca-certificates.crt";  // OpenSSL's; Debian's
  std::error_code none;
  if (fs::is_regular_file(system, none)) bundle += "\n" + read_file(system);
  write_file_atomically(folder / "bundle.pem", bundle);
  return folder / "bundle.pem";
}

/// What `clary env` and the tests read: where the server is and how to sign.
void write_state(const Config& config, const fs::path& data, const fs::path& ca_bundle, std::uint16_t port,
                 const aws::AccessKey& key) {
  const std::string host = config.host == "0.0.0.0" ? "127.0.0.1" : config.host;
  const Json state{
      {"pid", ::getpid()},
      {"url", "http://" + (host.find(':') != std::string::npos ? "[" + host + "]" : host) + ":" + std::to_string(port)},
      {"account", config.account},
      {"region", config.region},
      {"dev", config.dev},
      {"ca", (data / "ca" / "ca.pem").string()},
      {"ca_bundle", ca_bundle.string()},
      {"access_key", key.id},
      {"secret_key", key.secret}};
  // Holds the secret key, hence 0600; replaced atomically, since `clary env` may read it at any time.
  write_file_atomically(data / "server.json", state.dump(2) + "\n", 0600);
}

}  // namespace

Server::Server(const Config& config) : parts_(std::make_unique<Parts>(config)) {
  Parts& parts = *parts_;
  // The state file is written after the port is known and open: a reader that finds it can connect.
  parts.http.listen_tcp(config.host, config.port);
  const aws::AccessKey key = parts.credentials.first();
  write_state(parts.config, parts.data, write_ca_bundle(parts.data / "ca"), parts.http.port(), key);
  log::info("clary serves on http://{}:{}, data in {}", config.host, parts.http.port(), parts.data.string());
  if (config.dev)
    log::info("--dev: any signature is accepted, on loopback only");
  else if (parts.credentials.made_now())
    log::info("made access key {}; `clary env --data {}` prints it with its secret and how to use it", key.id,
              parts.data.string());
  if (!sandbox::sandbox_available())
    log::warn("no sandbox on this machine: built-in algorithms run unisolated, user programs {}; see `clary doctor`",
              config.run_unsandboxed ? "too (run_unsandboxed)" : "are refused");
}

Server::~Server() = default;

void Server::run() {
  // Connections have ended when this returns. Then transform jobs, which use the endpoints' loop, then the endpoints;
  // the scheduler stops with the destructor, and training goes on.
  parts_->http.run();
  parts_->transforms.stop();
  parts_->endpoints.stop();
}

void Server::stop() { parts_->http.stop(); }

}  // namespace clary::server
