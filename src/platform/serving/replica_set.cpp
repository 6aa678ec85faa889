// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/replica_set.h"

#include <algorithm>
#include <thread>

#include "base/ids.h"
#include "platform/catalog/instance_types.h"

namespace clary::serving {

std::string new_instance_id() { return "i-0" + random_hex(8); }

int sensible_count(int instances) {
  const int cpus = static_cast<int>(std::thread::hardware_concurrency());
  return std::clamp(instances, 1, std::max(2, cpus));
}

std::uint64_t memory_of(std::string_view instance_type) {
  // Determined once: the machine's memory does not change, and reading it opens files.
  static const catalog::Resources machine = catalog::machine_resources();
  return catalog::job_resources(instance_type, 1, machine).memory_bytes;
}

ReplicaSet::ReplicaSet(ServingLoop& loop, const telemetry::LogStore& logs, ReplicaSetSpec spec)
    : loop_(loop),
      logs_(logs),
      spec_(std::move(spec)),
      changed_(loop.context(), asio::steady_timer::time_point::max()) {}

std::shared_ptr<Replica> ReplicaSet::make() {
  ReplicaSpec one = spec_.replica;
  // A random name, and a new one for each process: the folder of a replica that is being stopped is never given to
  // another.
  one.run_folder = spec_.run_root / random_hex(8);
  one.log_stream += "/" + (spec_.instance_id.empty() ? new_instance_id() : spec_.instance_id);
  return std::make_shared<Replica>(loop_, logs_, std::move(one));
}

// The list is replaced whole, so that pick() on another thread sees the old one or the new one.
void ReplicaSet::set_replicas(Replicas replicas) {
  replicas_ = std::move(replicas);
  BackendSet::List list;
  for (const auto& replica : replicas_) list.push_back(replica->backend());
  backends_->set_list(std::move(list));
}

void ReplicaSet::start_all(const Replicas& replicas) {
  // weak: the callback lives in a replica, which the set owns.
  const std::weak_ptr<ReplicaSet> weak = weak_from_this();
  for (const auto& replica : replicas)
    replica->start([weak] {
      if (const auto self = weak.lock()) self->changed_.cancel();
    });
}

asio::awaitable<bool> ReplicaSet::wait_ready(Replicas replicas) {
  for (;;) {
    // Failure first: with one failed replica the set will never be complete. cancel() of a timer wakes every waiter,
    // and each checks its own replicas again; there is no lost wake-up since all of it is one thread.
    if (std::any_of(replicas.begin(), replicas.end(), [](const auto& r) { return r->failed(); })) co_return false;
    if (std::all_of(replicas.begin(), replicas.end(), [](const auto& r) { return r->ready(); })) co_return true;
    if (backends_->closed()) co_return false;
    http::error_code ignored;
    co_await changed_.async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

void ReplicaSet::start_in_background() {
  Replicas replicas;
  for (int i = 0; i < spec_.count; ++i) replicas.push_back(make());
  // Visible to requests at once; pick() skips them until they are ready.
  set_replicas(std::move(replicas));
  start_all(replicas_);
}

asio::awaitable<bool> ReplicaSet::ready() {
  const auto self = shared_from_this();
  co_return co_await wait_ready(replicas_);
}

std::string ReplicaSet::last_line() const {
  for (const auto& replica : replicas_)
    if (replica->failed()) return replica->last_line();
  return {};
}

asio::awaitable<bool> ReplicaSet::resize(int count) {
  // Keeps the set alive over the awaits, also when its endpoint is deleted meanwhile.
  const auto self = shared_from_this();
  Replicas now = replicas_;
  Replicas added, dropped;
  while (static_cast<int>(now.size() + added.size()) < count) added.push_back(make());
  while (static_cast<int>(now.size()) > count) {
    dropped.push_back(now.back());
    now.pop_back();
  }
  // Started beside the old ones, which go on serving; the new list is published when all new ones answer.
  start_all(added);
  const bool ready = co_await wait_ready(added);
  if (ready) now.insert(now.end(), added.begin(), added.end());
  if (!ready) dropped = added;
  set_replicas(std::move(now));
  // A thread may still hold the old list: the requests there finish first, and a late one is sent elsewhere.
  for (const auto& replica : dropped) {
    asio::steady_timer pause(loop_.context());
    // At most 60 s, the longest invocation that the API allows.
    for (int i = 0; i < 3000 && replica->backend()->in_flight() > 0; ++i) {
      pause.expires_after(20ms);
      co_await pause.async_wait(asio::use_awaitable);
    }
    co_await replica->stop();
  }
  co_return ready;
}

asio::awaitable<void> ReplicaSet::drain_and_stop(std::chrono::milliseconds patience) {
  // The order matters: after close() no request enters, so inside() can only fall; then the wait; then the processes.
  // Called twice (a transform job's stop and its own end) the second call finds them stopped and returns.
  const auto self = shared_from_this();
  backends_->close();
  changed_.cancel();
  // 5 ms polling: requests leave on I/O threads, which know nothing of this loop's timers.
  const auto limit = std::chrono::steady_clock::now() + patience;
  asio::steady_timer pause(loop_.context());
  while (backends_->inside() > 0 && std::chrono::steady_clock::now() < limit) {
    pause.expires_after(5ms);
    co_await pause.async_wait(asio::use_awaitable);
  }
  // A copy: resize() may replace replicas_ during the awaits; what it adds it stops itself, since the set is closed.
  const Replicas replicas = replicas_;
  auto left = std::make_shared<std::size_t>(replicas.size());
  const auto one_gone = std::make_shared<asio::steady_timer>(loop_.context(), asio::steady_timer::time_point::max());
  for (const auto& replica : replicas)
    asio::co_spawn(
        loop_.context(),
        [](std::shared_ptr<Replica> one, std::shared_ptr<std::size_t> count,
           std::shared_ptr<asio::steady_timer> gone) -> asio::awaitable<void> {
          co_await one->stop();
          --*count;
          gone->cancel();
        }(replica, left, one_gone),
        asio::detached);
  while (*left > 0) {
    http::error_code ignored;
    co_await one_gone->async_wait(asio::redirect_error(asio::use_awaitable, ignored));
  }
}

}  // namespace clary::serving
