// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/endpoints.h"

#include <algorithm>
#include <future>
#include <thread>

#include "base/error.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/text.h"
#include "platform/serving/endpoint_state.h"

namespace clary::serving {
namespace {

namespace fs = std::filesystem;
namespace status = endpoint_status;
using resources::Resource;

constexpr auto kRetryPause = 1s;         // before a row that could not be written (a full disk) is tried again
constexpr auto kDrainPatience = 65s;     // the longest invocation is 60 s
constexpr auto kStopPatience = 3s;       // for requests in flight when the server stops
constexpr auto kStopLimit = 10s;         // then the processes are killed with the loop's thread
constexpr std::size_t kMaxRunRoot = 80;  // + "/<16 hex>/s" must fit in sockaddr_un's 107 bytes

// Unix socket paths are limited (sun_path), so that a data folder with a long path gets its sockets under the
// temporary folder. Sockets of the server before are removed: its processes have died with it (PR_SET_PDEATHSIG).
fs::path make_run_root(const fs::path& data_folder) {
  fs::path root = fs::absolute(data_folder) / "run";
  if (root.native().size() > kMaxRunRoot) root = fs::temp_directory_path() / ("clary-run-" + random_hex(6));
  fs::remove_all(root);
  fs::create_directories(root);
  // Any process that can connect to a socket can invoke the model unsigned: owner only.
  fs::permissions(root, fs::perms::owner_all);
  return root;
}

/// Moves the row on if the table allows it; a row that is elsewhere by now stays there.
void move_to(Resource& row, std::string_view next, const std::string& reason) {
  if (!kEndpointStates.can_move(row.status, next)) return;
  row.status = next;
  row.body.erase("Pending");
  if (reason.empty())
    row.body.erase("FailureReason");
  else
    row.body["FailureReason"] = reason.substr(0, 1024);  // AWS limit
}

/// The generation that a row, or its pending change, names; "" when there is none. Rows of earlier builds hold numbers.
std::string generation_of(const Json& holder) {
  const auto found = holder.find("Generation");
  if (found == holder.end()) return "";
  return found->is_string() ? found->get<std::string>() : dump_json(*found);
}

/// AWS's words, and what the program printed last, which usually is why.
std::string ping_failed(const std::string& variant, const std::string& last_line) {
  return "The primary container for production variant " + variant +
         " did not pass the ping health check. Please check CloudWatch logs for this endpoint." +
         (last_line.empty() ? "" : " Its last line: " + last_line);
}

}  // namespace

Endpoints::Endpoints(ServingDeps deps)
    : deps_(std::move(deps)),
      rows_(deps_.database, resources::ResourceKind::kEndpoint),
      run_root_(make_run_root(deps_.data_folder)),
      table_(std::make_shared<const RoutingTable>()) {
  // Of a server before, which has ended: its sandboxes have too, but for one that it was making when it was killed.
  for (const char* name : {"endpoints", "transforms"})
    sandbox::end_sandboxes_below(fs::absolute(deps_.data_folder) / name);
  // Runs until the loop ends; it touches members only on the loop's thread, which ~Endpoints() joins before they go.
  asio::co_spawn(
      loop_.context(), [this] { return flush_metrics(); }, asio::detached);
}

Endpoints::~Endpoints() {
  stop();
  std::error_code ignored;
  fs::remove_all(run_root_, ignored);
}

// A snapshot: the caller's shared_ptr keeps the route valid after it was replaced. Requests between this and
// BackendSet::enter() are refused there when the set is being drained, and look the route up again.
std::shared_ptr<const EndpointRoute> Endpoints::route(std::string_view name) const {
  const std::shared_ptr<const RoutingTable> table = table_.load();
  const auto found = table->find(name);
  return found == table->end() ? nullptr : found->second;
}

// From any thread: the queues belong to the loop, so the operation is posted, not added here. The operation reads the
// row when its turn comes, not now: by then an earlier operation on the name may have changed it.
void Endpoints::settle(const std::string& name) {
  asio::post(loop_.context(), [this, name] { queues_.add(name, [this, name] { return settle_one(name); }); });
}

void Endpoints::recover() {
  const std::vector<Resource> rows =
      rows_.with_status({std::string(status::kInService), std::string(status::kUpdating),
                         std::string(status::kCreating), std::string(status::kDeleting), std::string(status::kFailed)});
  // Before any operation is queued: what is removed here must not be a folder that one of them is about to fill.
  remove_unused_folders(rows);
  for (const Resource& row : rows)
    // A failed endpoint has no processes; its folder was counted as used above and goes with DeleteEndpoint.
    if (row.status != status::kFailed)
      asio::post(loop_.context(), [this, row] { queues_.add(row.name, [this, row] { return bring_back(row); }); });
}

/// What a server left that ended between two steps of a change. Nothing runs yet.
void Endpoints::remove_unused_folders(const std::vector<Resource>& rows) const {
  std::set<fs::path> used;
  for (const Resource& row : rows) {
    used.insert(folder_of(row.name, generation_of(row.body)));
    used.insert(folder_of(row.name, generation_of(row.body.value("Pending", Json::object()))));
  }
  const auto unused = [&](const fs::path& folder) { return !used.contains(folder); };
  std::error_code ignored;  // a folder that stays is in nobody's way
  // The rows are the truth: a generation is named by its row before its folder is filled (CreateEndpoint and
  // UpdateEndpoint write "Pending" first), so a folder that no row names belongs to a change that ended or never
  // began.
  for (const auto& endpoint : fs::directory_iterator(deps_.data_folder / "endpoints", ignored)) {
    for (const auto& generation : fs::directory_iterator(endpoint.path(), ignored))
      if (unused(generation.path())) fs::remove_all(generation.path(), ignored);
    fs::remove(endpoint.path(), ignored);  // when it is empty
  }
}

void Endpoints::stop() {
  // exchange(): the destructor calls stop() again. Operations that resume from an await see `stopping_` and return
  // without writing to their rows, so that the rows keep what recover() needs.
  if (stopping_.exchange(true)) return;
  std::future<void> done = asio::co_spawn(
      loop_.context(), [this] { return stop_all(); }, asio::use_future);
  // Bounded: a process that ignores SIGTERM or a stuck disk must not keep the server from ending. What is left dies
  // with the loop's thread.
  done.wait_for(kStopLimit);
  loop_.stop();
}

/// Serving, starting and draining processes alike. fleets_ stays: an operation may be in the middle of one.
asio::awaitable<void> Endpoints::stop_all() {
  Fleet all;
  for (const auto& set : sets_) all.push_back({{}, set, nullptr});
  co_await stop_fleet(std::move(all), kStopPatience);
  flush(fleets_);
}

fs::path Endpoints::folder_of(const std::string& endpoint, const std::string& generation) const {
  return deps_.data_folder / "endpoints" / endpoint / generation;
}

Endpoints::Fleet Endpoints::make_fleet(const std::string& endpoint, const std::string& generation,
                                       const std::vector<VariantSpec>& variants) {
  int processes = 0;
  for (const VariantSpec& v : variants) processes += sensible_count(v.desired_count);
  // The CPUs are divided among all processes of the endpoint; other endpoints on the machine are not counted, since
  // idle ones use none.
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  Fleet fleet;
  for (const VariantSpec& v : variants) {
    const ContainerSpec container = container_spec(v.container);
    ReplicaSetSpec spec;
    spec.count = sensible_count(v.desired_count);
    spec.run_root = run_root_;
    spec.replica.algorithm = deps_.catalog.resolve(container.image);
    // Absolute: the program's working directory is another one, and bubblewrap resolves paths before it enters it.
    spec.replica.model_folder = fs::absolute(folder_of(endpoint, generation) / v.name / "model");
    spec.replica.environment = container.environment;
    spec.replica.threads = std::max(1, cpus / std::max(1, processes));
    spec.replica.memory_bytes = memory_of(v.instance_type);
    spec.replica.port_relay = deps_.port_relay;
    spec.replica.allow_plain = deps_.allow_plain;
    spec.replica.log_group = "/aws/sagemaker/Endpoints/" + endpoint;
    spec.replica.log_stream = v.name;
    spec.replica.startup_limit = std::chrono::seconds(v.startup_seconds);
    fleet.push_back(
        {v, std::make_shared<ReplicaSet>(loop_, deps_.logs, std::move(spec)), std::make_shared<VariantMetrics>()});
  }
  return fleet;
}

void Endpoints::start(const Fleet& fleet) {
  for (const Variant& v : fleet) {
    // Registered before the first process exists, so that stop_all() sees every set that could have one.
    sets_.insert(v.replicas);
    v.replicas->start_in_background();
  }
}

void Endpoints::publish(const Resource& row) {
  auto route = std::make_shared<EndpointRoute>();
  route->name = row.name;
  const std::vector<std::string_view> arn = split(row.arn, ':');
  route->region = arn.size() > 4 ? arn[3] : "";
  route->account = arn.size() > 4 ? arn[4] : "";
  for (const Variant& v : fleets_[row.name]) {
    route->variants.push_back({v.spec.name, v.spec.current_weight, container_spec(v.spec.container).host_name,
                               v.replicas->backends(), v.metrics});
    route->total_weight += v.spec.current_weight;
  }
  // Copy, change, swap: only this thread writes the table, so there is no lost update; readers keep the old one.
  auto table = std::make_shared<RoutingTable>(*table_.load());
  (*table)[row.name] = std::move(route);
  table_.store(std::move(table));
}

void Endpoints::unpublish(const std::string& name) {
  auto table = std::make_shared<RoutingTable>(*table_.load());
  table->erase(name);
  table_.store(std::move(table));
}

asio::awaitable<void> Endpoints::stop_fleet(Fleet fleet, std::chrono::milliseconds patience) {
  // All sets drain at once, and the timer that never expires by itself serves as a condition variable: each coroutine
  // cancels it when its set is gone. The state is shared because it must outlive this frame if the loop ends first.
  const auto left = std::make_shared<std::size_t>(fleet.size());
  const auto gone = std::make_shared<asio::steady_timer>(loop_.context(), asio::steady_timer::time_point::max());
  // The lambda's captures would die with the lambda; parameters of a coroutine live in its frame (C++ Core Guidelines
  // CP.51).
  for (const Variant& v : fleet)
    asio::co_spawn(
        loop_.context(),
        [](std::shared_ptr<ReplicaSet> set, std::chrono::milliseconds time, std::shared_ptr<std::size_t> count,
           std::shared_ptr<asio::steady_timer> wake) -> asio::awaitable<void> {
          co_await set->drain_and_stop(time);
          --*count;
          wake->cancel();
        }(v.replicas, patience, left, gone),
        asio::detached);
  while (*left > 0) {
    http::error_code ignored;
    co_await gone->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
  // Only now: until its processes are gone a set must be visible to stop_all().
  for (const Variant& v : fleet) sets_.erase(v.replicas);
}

// One step towards what the row asks for. Idempotent: called again for a row that is settled it does nothing.
asio::awaitable<void> Endpoints::settle_one(std::string name) {
  if (stopping_) co_return;
  // The reference to `name` is valid: offload() runs to its end before this frame goes on.
  std::optional<Resource> row = co_await http::offload(loop_.blocking(), [&] { return rows_.find(name); });
  if (!row || stopping_) co_return;
  if (row->status == status::kDeleting)
    co_await tear_down(name);
  else if (row->status == status::kCreating || row->status == status::kUpdating)
    co_await deploy(std::move(*row));
}

/// Writes what became of an endpoint into its row, again and again while that fails (a full disk): the processes are as
/// they are, and the row would otherwise say something else until the next start. False when the server stops first:
/// then the row stays, and the next start repeats the change. `write` runs on a thread that may block.
asio::awaitable<bool> Endpoints::record(std::string name, std::function<void()> write) {
  asio::steady_timer pause(loop_.context());
  while (!stopping_) {
    try {
      co_await http::offload(loop_.blocking(), [&] { write(); });
      co_return true;
    } catch (const std::exception& e) {
      log::error("endpoint {}: its row cannot be written: {}", name, e.what());
    }
    pause.expires_after(kRetryPause);
    co_await pause.async_wait(asio::use_awaitable);
  }
  co_return false;
}

asio::awaitable<void> Endpoints::deploy(Resource row) {
  std::string reason;
  try {
    // Not with ?: because GCC 12 then runs both coroutines.
    if (row.body.at("Pending").contains("Variants"))
      reason = co_await replace_fleet(row);
    else
      reason = co_await change_capacity(row);
  } catch (const Error& e) {
    reason = e.what();
  } catch (const std::exception& e) {
    log::error("endpoint {}: {}", row.name, e.what());
    reason = "InternalServerError: We encountered an internal error.  Please try again.";
  }
  // While the server stops the row is left as it is; the next start repeats the change.
  if (reason.empty() || stopping_) co_return;
  const bool first = row.status == status::kCreating;
  // The folder first, then the row: after a crash between the two the row still names its pending generation, and the
  // next start deploys it again from the beginning. In the other order a crash would leave a folder that no row names.
  if (const std::string generation = generation_of(row.body["Pending"]); !generation.empty())
    co_await http::offload(loop_.blocking(), [&] {
      std::error_code ignored;  // what stays is removed at the next start
      fs::remove_all(folder_of(row.name, generation), ignored);
    });
  co_await record(row.name, [&] {
    rows_.update(row.name, [&](Resource& now) { move_to(now, first ? status::kFailed : status::kInService, reason); });
  });
}

/// Starts the processes of a fleet that nobody can reach yet. Nothing runs any more when it returns a reason.
/// @return "" when all answer, else the FailureReason
asio::awaitable<std::string> Endpoints::bring_up(const Fleet& fleet) {
  std::string reason;
  try {
    start(fleet);
    // One after another is enough: all of them are starting already, and ready() of a set that is up returns at once.
    // The first failure ends the wait, since the whole fleet is discarded then.
    for (const Variant& v : fleet) {
      if (co_await v.replicas->ready()) continue;
      reason = ping_failed(v.spec.name, v.replicas->last_line());
      break;
    }
  } catch (const std::exception& e) {
    // A log stream that cannot be made, say; the processes that did start must not be left behind.
    reason = std::string("InternalServerError: the processes could not be started: ") + e.what();
  }
  // Nothing was published: no request can be inside, so there is nothing to drain.
  if (stopping_ || !reason.empty()) co_await stop_fleet(fleet, 0ms);
  co_return reason;
}

/// Ends a fleet that another one has replaced, and removes the folder of its generation. Throws nothing: the caller has
/// nothing to take back by then.
asio::awaitable<void> Endpoints::retire(std::string name, Fleet fleet, std::string generation) {
  try {
    co_await stop_fleet(fleet, kDrainPatience);
    flush({{name, fleet}});
    if (generation.empty() || stopping_) co_return;
    co_await http::offload(loop_.blocking(), [&] {
      std::error_code ignored;  // what stays is removed at the next start
      fs::remove_all(folder_of(name, generation), ignored);
    });
  } catch (const std::exception& e) {
    log::error("endpoint {}: the processes before: {}", name, e.what());
  }
}

asio::awaitable<std::string> Endpoints::replace_fleet(const Resource& row) {
  const Json& pending = row.body["Pending"];
  const std::string generation = generation_of(pending);
  std::vector<VariantSpec> variants = variant_specs(pending.at("Variants"));
  Fleet fleet = make_fleet(row.name, generation, variants);
  const fs::path folder = folder_of(row.name, generation);
  // Every variant's model is on the disk before the first process starts: a missing model fails the update without
  // having taken memory from the fleet that serves.
  for (const Variant& v : fleet)
    co_await http::offload(loop_.blocking(), [&] {
      prepare_model(container_spec(v.spec.container), deps_.objects, folder / v.spec.name);
    });
  if (stopping_) co_return "";
  const std::string config = pending.at("EndpointConfigName");
  if (std::string reason = co_await bring_up(fleet); stopping_ || !reason.empty()) co_return reason;
  for (Variant& v : fleet) {
    v.spec.current_count = v.spec.desired_count;
    v.spec.current_weight = v.spec.desired_weight;
  }
  // Served from now on; the row says so a moment later, so that nobody who saw InService is turned away.
  // The new fleet is reachable after publish(); requests that hold the old route still run on the old processes, which
  // are drained below.
  Fleet old = std::exchange(fleets_[row.name], fleet);
  publish(row);
  variants.clear();
  for (const Variant& v : fleet) variants.push_back(v.spec);
  // From here on there is no way back, so nothing below throws: deploy() would remove the folder that is served from.
  // A crash before this transaction leaves the row Updating with its Pending change: the next start brings the old
  // generation back and deploys again. A crash after it leaves the old folder unnamed by any row; recover() removes
  // it.
  const bool recorded = co_await record(row.name, [&] {
    rows_.update(row.name, [&](Resource& now) {
      now.body["Variants"] = to_json(variants);
      now.body["Generation"] = generation;
      now.body["EndpointConfigName"] = config;
      move_to(now, status::kInService, "");
    });
  });
  if (!recorded) co_return "";  // stop_all() ends both fleets; the row still names the folder of the one before
  // The name's strand is held for the whole drain: a delete that comes now waits, and no two drains of a name overlap.
  std::string previous = generation_of(row.body);
  if (previous == generation) previous.clear();
  co_await retire(row.name, std::move(old), std::move(previous));
  co_return "";
}

asio::awaitable<std::string> Endpoints::change_capacity(const Resource& row) {
  Fleet& fleet = fleets_[row.name];
  std::vector<VariantSpec> desired = variant_specs(row.body.at("Variants"));
  std::string reason;
  for (std::size_t i = 0; i < fleet.size() && i < desired.size(); ++i) {
    VariantSpec& want = desired[i];
    // One variant after another; after the first failure the remaining ones keep their size and their weight, and the
    // failed one was put back by resize() itself. The endpoint stays InService with a FailureReason.
    if (reason.empty()) {
      const bool ready = co_await fleet[i].replicas->resize(sensible_count(want.desired_count));
      if (!ready) reason = ping_failed(want.name, fleet[i].replicas->last_line());
    }
    if (!reason.empty()) {
      want.desired_count = want.current_count;
      want.desired_weight = want.current_weight;
    }
    want.current_count = want.desired_count;
    want.current_weight = want.desired_weight;
    fleet[i].spec = want;
  }
  publish(row);
  co_await record(row.name, [&] {
    rows_.update(row.name, [&](Resource& now) {
      now.body["Variants"] = to_json(desired);
      move_to(now, status::kInService, reason);
    });
  });
  co_return "";
}

// Runs in the name's strand before anything that a client asks for after the start, because recover() queued it first.
asio::awaitable<void> Endpoints::bring_back(Resource row) {
  std::string reason;
  Fleet fleet;
  try {
    if (row.status != status::kDeleting && row.body.contains("Variants")) {
      std::vector<VariantSpec> variants = variant_specs(row.body["Variants"]);
      // What was running, not what an unfinished change wants.
      for (VariantSpec& v : variants) v.desired_count = std::max(1, v.current_count);
      const std::string generation = generation_of(row.body);
      fleet = make_fleet(row.name, generation, variants);
      for (const Variant& v : fleet)
        co_await http::offload(loop_.blocking(), [&] {
          prepare_model(container_spec(v.spec.container), deps_.objects, folder_of(row.name, generation) / v.spec.name);
        });
      if (stopping_) co_return;
      start(fleet);
      // The fleet is in the table before its processes answer: requests wait for a process instead of failing with "no
      // such endpoint".
      fleets_[row.name] = fleet;
      publish(row);  // requests wait for the processes
    }
  } catch (const std::exception& e) {
    reason = std::string("InternalServerError: the endpoint could not be started again: ") + e.what();
    log::error("endpoint {}: {}", row.name, reason);
  }
  if (stopping_) co_return;
  if (!reason.empty()) {
    co_await stop_fleet(std::move(fleet), 0ms);  // those of its processes that did start
    co_await record(row.name,
                    [&] { rows_.update(row.name, [&](Resource& now) { move_to(now, status::kFailed, reason); }); });
  } else {
    // The row may be Creating, Updating or Deleting: the interrupted change is carried on with the fleet that is back.
    co_await settle_one(row.name);
  }
}

asio::awaitable<void> Endpoints::tear_down(std::string name) {
  // First the route, so that no new request enters; then the requests inside; the folder only when no process maps its
  // files any more; the row last: as long as it exists the name cannot be created again, and after a crash anywhere
  // before it recover() repeats the whole.
  unpublish(name);
  Fleet fleet;
  if (const auto found = fleets_.find(name); found != fleets_.end()) {
    fleet = std::move(found->second);
    fleets_.erase(found);
  }
  co_await stop_fleet(fleet, kDrainPatience);
  flush({{name, fleet}});
  if (stopping_) co_return;
  co_await record(name, [&] {
    std::error_code ignored;  // what stays is removed at the next start
    fs::remove_all(deps_.data_folder / "endpoints" / name, ignored);
    rows_.erase(name);
  });
}

}  // namespace clary::serving
