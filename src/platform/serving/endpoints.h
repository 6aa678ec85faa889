// SPDX-License-Identifier: Apache-2.0
// Live endpoints: turns what the rows ask for (Creating, Updating, Deleting) into running fleets, publishes them in the
// routing table, and brings everything back after a restart. The control plane changes a row and then calls settle();
// all work on fleets happens in coroutines on the serving loop, in one strand for each name: creating, updating,
// draining the fleet before, deleting and coming back after a restart never interleave, so that a name may be deleted
// and created again at any moment.
//
// Each deployment unpacks its models into a folder of its own, <data>/endpoints/<name>/<generation>/<variant>, and a
// generation's name is never used twice: whatever removes a folder late removes nobody else's.
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "platform/catalog/algorithm_catalog.h"
#include "platform/metric_store/metric_store.h"
#include "platform/objects/object_store.h"
#include "platform/resources/resource_table.h"
#include "platform/serving/operation_queues.h"
#include "platform/serving/replica_set.h"
#include "platform/serving/routing.h"
#include "platform/serving/serving_loop.h"
#include "platform/serving/variant_spec.h"
#include "platform/telemetry/log_store.h"

namespace clary::serving {

struct ServingDeps {
  store::Database& database;
  objects::ObjectStore& objects;
  const telemetry::LogStore& logs;
  metric_store::MetricStore& metrics;
  const catalog::AlgorithmCatalog& catalog;
  std::filesystem::path data_folder;      // on the same file system as the blobs
  bool allow_plain = false;               // run users' programs without a sandbox where none can be made
  std::filesystem::path port_relay = {};  // the program port_relay of this installation
};

class Endpoints {
 public:
  explicit Endpoints(ServingDeps deps);
  Endpoints(const Endpoints&) = delete;
  Endpoints& operator=(const Endpoints&) = delete;
  ~Endpoints();

  /// Starts the fleets of all endpoints again and goes on with interrupted changes. Returns at once.
  void recover();
  /// Ends every serving process; the rows stay as they are.
  void stop();

  bool stopping() const noexcept { return stopping_.load(); }

  resources::ResourceTable& rows() noexcept { return rows_; }
  ServingLoop& loop() noexcept { return loop_; }
  const ServingDeps& deps() const noexcept { return deps_; }
  /// A folder whose path is short enough for Unix sockets.
  const std::filesystem::path& run_root() const noexcept { return run_root_; }

  /// Call after the endpoint's row was moved to Creating, Updating or Deleting.
  void settle(const std::string& name);

  /// Null when there is no such endpoint, or it was never in service. Any thread.
  std::shared_ptr<const EndpointRoute> route(std::string_view name) const;

  /// Counters of all variants in Prometheus' text form.
  std::string prometheus() const;

 private:
  struct Variant {
    VariantSpec spec;
    std::shared_ptr<ReplicaSet> replicas;
    std::shared_ptr<VariantMetrics> metrics;
  };
  using Fleet = std::vector<Variant>;

  // In the strand of the endpoint's name:
  asio::awaitable<void> settle_one(std::string name);
  asio::awaitable<void> deploy(resources::Resource row);
  asio::awaitable<std::string> replace_fleet(const resources::Resource& row);  // "" or the FailureReason
  asio::awaitable<std::string> change_capacity(const resources::Resource& row);
  asio::awaitable<void> bring_back(resources::Resource row);
  asio::awaitable<std::string> bring_up(const Fleet& fleet);
  asio::awaitable<void> retire(std::string name, Fleet fleet, std::string generation);
  asio::awaitable<bool> record(std::string name, std::function<void()> write);
  asio::awaitable<void> tear_down(std::string name);
  asio::awaitable<void> stop_fleet(Fleet fleet, std::chrono::milliseconds patience);
  asio::awaitable<void> stop_all();
  asio::awaitable<void> flush_metrics();
  void flush(const std::map<std::string, Fleet>& fleets);

  Fleet make_fleet(const std::string& endpoint, const std::string& generation,
                   const std::vector<VariantSpec>& variants);
  std::filesystem::path folder_of(const std::string& endpoint, const std::string& generation) const;
  void remove_unused_folders(const std::vector<resources::Resource>& rows) const;
  void start(const Fleet& fleet);
  void publish(const resources::Resource& row);
  void unpublish(const std::string& name);

  ServingDeps deps_;
  resources::ResourceTable rows_;
  std::filesystem::path run_root_;
  std::atomic<std::shared_ptr<const RoutingTable>> table_;
  std::atomic<bool> stopping_ = false;
  // Before what its coroutines use, so that it goes last: the timers of replicas belong to its event loop, and replicas
  // are owned by fleets_, by sets_, and by coroutines that stop() left unfinished, which go with the event loop itself.
  // Its thread has ended by then (stop()).
  ServingLoop loop_;
  // Serving loop only:
  OperationQueues queues_{loop_};
  std::map<std::string, Fleet> fleets_;         // what the routing table shows
  std::set<std::shared_ptr<ReplicaSet>> sets_;  // all that have processes: starting, serving or draining
};

}  // namespace clary::serving
