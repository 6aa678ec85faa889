// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/transform_jobs.h"

#include "base/log.h"
#include "platform/serving/endpoint_state.h"

namespace clary::serving {
namespace {

namespace status = transform_status;
using resources::Resource;

constexpr int kAtOnce = 4;        // Clary's limit: jobs that run at the same time
constexpr auto kRetryPause = 1s;  // before a row that could not be written (a full disk) is tried again

/// The row's last change. A job that was asked to stop is Stopped however it ended; an ended one stays as it is.
/// Two attempts: a job in Stopping can only become Stopped, whatever the run returned.
void finish(Resource& row, std::string_view next, const std::string& reason) {
  if (!kTransformStates.can_move(row.status, next)) next = status::kStopped;
  if (!kTransformStates.can_move(row.status, next)) return;
  row.status = next;
  row.body["EndTime"] = now_ms();
  if (!reason.empty() && next == status::kFailed) row.body["FailureReason"] = reason.substr(0, 1024);  // AWS limit
}

}  // namespace

TransformJobs::TransformJobs(Endpoints& endpoints)
    : endpoints_(endpoints), rows_(endpoints.deps().database, resources::ResourceKind::kTransformJob) {}

TransformJobs::~TransformJobs() { stop(); }

void TransformJobs::recover() {
  // InProgress again from the beginning: an output object is committed whole, so the second run overwrites the
  // first's.
  for (const Resource& row : rows_.with_status({std::string(status::kInProgress)})) start(row.name);
  // Its run ended with the server; nothing is left to wait for.
  for (const Resource& row : rows_.with_status({std::string(status::kStopping)}))
    rows_.update(row.name, [](Resource& now) { finish(now, status::kStopped, ""); });
}

// Flags under the lock, joins without it: the threads take the lock on their way out. No thread can be added meanwhile
// because start() checks stopping_ under the lock, so running_ may be walked here without it.
void TransformJobs::stop() {
  std::map<std::string, Running> all;
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    for (auto& [name, running] : running_)
      // A job that its user stopped will not run again: its outputs are removed now or never.
      if (running.run) running.run->stop(!running.cancelled);
  }
  moved_.notify_all();
  for (auto& [name, running] : running_)
    if (running.thread.joinable()) running.thread.join();
  running_.clear();
}

// Holds mutex_. Joins threads that have set `ended`, their last action under the lock, so join() does not wait long.
void TransformJobs::reap() {
  for (auto it = running_.begin(); it != running_.end();) {
    if (!it->second.ended) {
      ++it;
      continue;
    }
    it->second.thread.join();
    it = running_.erase(it);
  }
}

void TransformJobs::start(const std::string& name) {
  const std::lock_guard lock(mutex_);
  if (stopping_) return;
  reap();
  // try_emplace before the thread exists: `self` is a node of a std::map and keeps its address until reap().
  const auto [it, fresh] = running_.try_emplace(name);
  if (!fresh) return;
  Running& self = it->second;
  try {
    self.thread = std::thread([this, name, &self] { run_job(name, self); });
  } catch (const std::exception& e) {  // the machine has no thread left
    // Without a thread there is nobody else to end the job, so its row is ended here, still under the lock.
    running_.erase(it);
    log::error("transform job {}: {}", name, e.what());
    rows_.update(name, [&](Resource& row) {
      finish(row, status::kFailed, std::string("InternalServerError: the job's thread cannot be started: ") + e.what());
    });
  }
}

void TransformJobs::stop_job(const std::string& name) {
  // Three cases: it waits (cancelled wakes it), it runs (the run is stopped), or its thread has ended or never began.
  // In the last one the row is ended here; update() looks at the status again, since the thread may have been faster.
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    const auto found = running_.find(name);
    known = found != running_.end() && !found->second.ended;
    if (known) found->second.cancelled = true;
    if (known && found->second.run) found->second.run->stop(false);
  }
  moved_.notify_all();
  if (!known)
    rows_.update(name, [](Resource& row) {
      if (row.status == status::kStopping) finish(row, status::kStopped, "");
    });
}

bool TransformJobs::wait_for_turn(const Running& self) {
  std::unique_lock lock(mutex_);
  // Not first come, first served: any waiting job may be woken. With a few jobs that is good enough.
  moved_.wait(lock, [&] { return stopping_ || self.cancelled || active_ < kAtOnce; });
  if (stopping_ || self.cancelled) return false;
  ++active_;
  return true;
}

std::string TransformJobs::transform(const std::string& name, Running& self) {
  bool wanted = false;
  // Read and change in one transaction: a StopTransformJob that moved the row before this is seen, one after it finds
  // the run through running_.
  const auto row = rows_.update(name, [&](Resource& now) {
    wanted = now.status == status::kInProgress;  // a stop may have come before the thread began
    if (wanted) now.body["StartTime"] = now_ms();
  });
  if (!row || !wanted) return "";
  auto run = std::make_shared<TransformRun>(endpoints_, name, transform_spec(row->body.at("Request")),
                                            container_spec(row->body.at("Container")));
  {
    // stop() or stop_job() between the transaction and here found no run: they left their flags, which are applied
    // now.
    const std::lock_guard lock(mutex_);
    self.run = run;
    if (self.cancelled || stopping_) run->stop(!self.cancelled);
  }
  return run->run();
}

void TransformJobs::record_end(const std::string& name, const Running& self, const std::string& reason) {
  std::unique_lock lock(mutex_);
  // mutex_ is released for the database write, which may block on the disk.
  while (!stopping_ || self.cancelled) {
    lock.unlock();
    try {
      rows_.update(name,
                   [&](Resource& row) { finish(row, reason.empty() ? status::kCompleted : status::kFailed, reason); });
      return;
    } catch (const std::exception& e) {
      log::error("transform job {}: its end cannot be recorded: {}", name, e.what());
    }
    lock.lock();
    if (stopping_) return;
    moved_.wait_for(lock, kRetryPause, [this] { return stopping_; });
  }
}

// Entry function of the job's thread: nothing may escape it, or std::terminate would end the server.
void TransformJobs::run_job(const std::string& name, Running& self) {
  const bool turn = wait_for_turn(self);
  std::string reason;
  try {
    if (turn) reason = transform(name, self);
  } catch (const std::exception& e) {
    // What TransformRun does not turn into a reason by itself: a row that cannot be read or written, no memory.
    log::error("transform job {}: {}", name, e.what());
    reason = std::string("InternalServerError: ") + e.what();
  }
  // The turn is given back after the row is final, so that at most kAtOnce rows are being worked on.
  record_end(name, self, reason);
  {
    const std::lock_guard lock(mutex_);
    if (turn) --active_;
    self.ended = true;
    self.run.reset();
  }
  moved_.notify_all();
}

}  // namespace clary::serving
