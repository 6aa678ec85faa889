// SPDX-License-Identifier: Apache-2.0
// Live endpoints: turns what the rows ask for (Creating, Updating, Deleting) into running fleets, publishes them in the
// routing table, and brings everything back after a restart. The control plane changes a row and then calls settle();
// all work on fleets happens in coroutines on the serving loop, one at a time for each endpoint.
#pragma once

#include <atomic>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>

#include "platform/catalog/algorithm_catalog.h"
#include "platform/objects/object_store.h"
#include "platform/resources/tag_table.h"
#include "platform/serving/routing.h"
#include "platform/serving/rows.h"
#include "platform/serving/serving_loop.h"
#include "platform/serving/variant_spec.h"
#include "platform/telemetry/log_store.h"
#include "platform/telemetry/metric_store.h"

namespace clary::serving {

struct ServingDeps {
  store::Database& database;
  objects::ObjectStore& objects;
  const telemetry::LogStore& logs;
  const telemetry::MetricStore& metrics;
  const catalog::AlgorithmCatalog& catalog;
  std::filesystem::path data_folder;  // on the same file system as the blobs
  bool allow_plain = false;           // run users' programs without a sandbox where none can be made
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

  Rows& rows() noexcept { return rows_; }
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

  asio::awaitable<void> settle_one(std::string name);
  asio::awaitable<void> deploy(Row row);
  asio::awaitable<std::string> replace_fleet(const Row& row);  // "" or the FailureReason
  asio::awaitable<std::string> change_capacity(const Row& row);
  asio::awaitable<void> bring_back(Row row);
  asio::awaitable<void> tear_down(std::string name);
  asio::awaitable<void> stop_fleet(Fleet fleet, std::chrono::milliseconds patience);
  asio::awaitable<void> flush_metrics();

  Fleet make_fleet(const std::string& endpoint, int generation, const std::vector<VariantSpec>& variants);
  std::filesystem::path folder_of(const std::string& endpoint, int generation) const;
  void publish(const Row& row);
  void unpublish(const std::string& name);

  ServingDeps deps_;
  Rows rows_;
  resources::TagTable tags_;  // resources and their tags come and go in one transaction
  std::filesystem::path run_root_;
  std::atomic<std::shared_ptr<const RoutingTable>> table_;
  std::atomic<bool> stopping_ = false;
  // Serving loop only:
  std::map<std::string, Fleet> fleets_;
  ServingLoop loop_;  // last: its thread ends before the rest goes
};

}  // namespace clary::serving
