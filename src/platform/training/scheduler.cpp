// SPDX-License-Identifier: Apache-2.0
#include "platform/training/scheduler.h"

#include <cerrno>
#include <chrono>

#include "base/error.h"
#include "base/files.h"
#include "base/log.h"
#include "platform/sandbox/sandbox.h"
#include "platform/store/connection.h"

namespace clary::training {

namespace fs = std::filesystem;

namespace {

constexpr std::chrono::seconds kUpkeepInterval{5};
constexpr std::chrono::seconds kRetryInterval{1};
constexpr int kSavers = 2;

/// The attempts that RetryStrategy allows beyond the first.
std::int64_t retries_of(const TrainingJob& job) {
  return job.request.value("RetryStrategy", Json::object()).value("MaximumRetryAttempts", 0);
}

/// A full disk, a busy database, no process or memory left: what an operator or time puts right. Such a step is
/// repeated; it is no fault of the job's. A limit of what users may ask for is one, though its kind is the same.
bool may_heal(const std::exception& error) {
  if (const auto* file = dynamic_cast<const fs::filesystem_error*>(&error))
    return file->code() == std::errc::no_space_on_device || file->code().value() == EDQUOT;
  if (dynamic_cast<const store::DiskFull*>(&error) != nullptr) return true;
  if (const auto* system = dynamic_cast<const SystemError*>(&error)) return system->kind() == Kind::kLimit;
  const auto* other = dynamic_cast<const Error*>(&error);
  return other != nullptr && other->kind() == Kind::kUnavailable;
}

/// Of a job that cannot be launched.
std::string launch_failure(const std::exception& error) {
  const auto* known = dynamic_cast<const Error*>(&error);
  if (known == nullptr) return kInternalError;
  const Kind kind = known->kind();
  const bool user =
      kind == Kind::kNotFound || kind == Kind::kInvalid || kind == Kind::kMalformed || kind == Kind::kLimit;
  return user ? std::string("ClientError: Data download failed:") + error.what()
              : std::string(kInternalError) + " (" + error.what() + ")";
}

}  // namespace

Scheduler::Scheduler(fs::path folder, TrainingJobs& jobs, LaunchContext context, Executor& executor)
    : folder_(std::move(folder)),
      jobs_(jobs),
      context_(context),
      executor_(executor),
      machine_(executor.capacity()),
      work_(std::make_unique<WorkQueue>(kSavers)) {
  fs::create_directories(folder_);
  // Called on a thread of the executor: it only stores the name and wakes run(), under mutex_.
  executor_.set_listener([this](const fs::path& instance) { wake(instance.parent_path().filename().string()); });
}

Scheduler::~Scheduler() {
  executor_.set_listener(nullptr);  // first: from here on no executor thread is inside wake()
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  if (thread_.joinable()) thread_.join();  // before the queue, which it submits to
  work_.reset();                           // waits for uploads that have begun: they use this object
}

void Scheduler::wake(const std::string& job) {
  {
    const MutexLock lock(mutex_);
    wakes_.insert(job);
  }
  changed_.notify_all();
}

/// Waits on a thread of the work queue, so one of its few threads is taken for a second.
void Scheduler::wake_later(const std::string& job) {
  work_->submit([this, job] {
    MutexLock lock(mutex_);
    changed_.wait_for(lock, kRetryInterval, [this]() REQUIRES(mutex_) { return stopping_; });
    wakes_.insert(job);
    lock.unlock();
    changed_.notify_all();
  });
}

void Scheduler::recover() {
  remove_stale_folders();  // before the deciding thread can make new ones
  // Through the same queue as any other change: recovery needs no code of its own beyond what advance_job() finds.
  for (const TrainingJob& job : jobs_.unfinished()) wake(job.name);
  thread_ = std::thread([this] { run(); });
}

/// Folders without an unfinished job: a crash came between the row's last change and the removal of the folder, or
/// before start_agents() gave the folder its name ("<job>.new"), or fail() left it to its agents.
void Scheduler::remove_stale_folders() {
  std::set<std::string> names;
  for (const TrainingJob& job : jobs_.unfinished()) names.insert(job.name);
  for (const auto& entry : fs::directory_iterator(folder_)) {
    std::error_code ec;
    if (!names.contains(entry.path().filename().string())) fs::remove_all(entry.path(), ec);
  }
}

void Scheduler::run() {
  // Thread function of the deciding thread. active_, waiting_ and used_ belong to it alone, so that they need no lock;
  // mutex_ is held only to take over what other threads left.
  auto next_upkeep = std::chrono::steady_clock::now() + kUpkeepInterval;
  for (;;) {
    std::set<std::string> wakes, saved;
    {
      MutexLock lock(mutex_);
      changed_.wait_until(lock, next_upkeep,
                          [this]() REQUIRES(mutex_) { return stopping_ || !wakes_.empty() || !saved_.empty(); });
      if (stopping_) return;
      // swap: what arrives while this pass works is seen in the next one.
      wakes.swap(wakes_);
      saved.swap(saved_);
    }
    // Saved first: a wake of the same name may be for a new job, which needs the place in active_.
    for (const std::string& name : saved) active_.erase(name);
    for (const std::string& name : wakes) try {
        advance_job(name);
      } catch (const std::exception& error) {
        log::error("training job {}: {}", name, error.what());
        if (may_heal(error))
          wake_later(name);
        else
          fail(name, std::string(kInternalError) + " (" + error.what() + ")");
      }
    // After every pass: an ended job may have made room. It costs nothing while the queue is empty.
    launch_waiting();
    if (std::chrono::steady_clock::now() >= next_upkeep) {
      mirror_checkpoints();
      take_in_metrics();
      next_upkeep = std::chrono::steady_clock::now() + kUpkeepInterval;
    }
  }
}

/// One step of one job, from what the table and its folder show now. A wake carries no content, so one that comes twice
/// or late does no harm.
void Scheduler::advance_job(const std::string& name) {
  const std::optional<TrainingJob> job = jobs_.find(name);
  if (!job || is_terminal(job->state)) {
    if (job) waiting_.erase(job->id);
    return;
  }
  // The id distinguishes a job from a later one of the same name.
  if (const auto active = active_.find(name); active != active_.end() && active->second.id == job->id) {
    follow(*job, active->second);
  } else if (job->launched != 0 && !waiting_.contains(job->id) && fs::exists(folder_ / name)) {
    // An earlier server process launched it. Launched without a folder (the crash came between the two) is queued again
    // and keeps its epoch, so its log streams keep their names. One that waits has the folder of a dead attempt.
    take_up(*job);
    follow(*job, active_.at(name));
  } else {
    queue(*job);
  }
}

void Scheduler::queue(const TrainingJob& job) {
  if (job.stop_reason.empty()) {
    // By id, ascending with creation: the map is the queue. Inserting twice does no harm.
    waiting_[job.id] = job.name;
    return;
  }
  waiting_.erase(job.id);  // stopped before it began
  end_job(job.name, "");
}

void Scheduler::launch_waiting() {
  while (!waiting_.empty()) {
    // The oldest job. It is erased below unless launch() says that there is no room yet.
    const auto [id, name] = *waiting_.begin();
    try {
      const std::optional<TrainingJob> job = jobs_.find(name);
      // The queue is strict, so that a large job is not passed for ever.
      if (job && job->id == id && !is_terminal(job->state) && !launch(*job)) return;
    } catch (const std::exception& error) {
      log::warn("training job {} cannot be launched: {}", name, error.what());
      // It keeps its place at the head of the queue, unless take_up() has taken it from there.
      if (may_heal(error)) return wake_later(name);
      fail(name, launch_failure(error));
    }
    waiting_.erase(id);
  }
}

/// False when there is no room for it now, or a job of this name that was deleted since is not cleared away yet (its
/// entry in active_, its folder: moments). `launched` is stored before anything is started: it is the epoch in the
/// names of the log streams, and a retry or a restart must find the same one.
bool Scheduler::launch(const TrainingJob& job) {
  if (active_.contains(job.name)) return false;
  const catalog::Resources wanted = catalog::job_resources(instance_type_of(job), job.instance_count(), machine_);
  // used_ counts instances by their type, not what programs really take.
  const catalog::Resources room{machine_.vcpus - used_.vcpus, machine_.memory_bytes - used_.memory_bytes};
  if (!wanted.fits_in(room)) {
    if (job.state == JobState::kStarting)
      jobs_.update(job.name, [](TrainingJob& row) {
        if (can_move(row.state, JobState::kPending)) TrainingJobs::move(row, JobState::kPending, now_ms());
      });
    return false;
  }
  const auto launched = jobs_.update(job.name, [](TrainingJob& row) {
    if (row.launched == 0) row.launched = now_ms();
  });
  if (!launched) return true;  // deleted meanwhile
  // Only at the first attempt: a retry continues its log streams.
  if (launched->attempt == 0) remove_leftovers(job.name);
  const auto specs = agent_specs(*launched, context_, catalog::instance_share(wanted, job.instance_count()));
  start_agents(*launched, specs);
  return true;
}

/// A deleted job of the same name may have left streams (the SDK counts on exactly one an instance) and metrics.
void Scheduler::remove_leftovers(const std::string& name) const {
  if (context_.logs.group_exists(kTrainingNamespace)) context_.logs.remove_streams(kTrainingNamespace, name + "/");
  fs::remove_all(folder_ / name);  // before the offsets of its metric files, or these would be taken in again
  context_.metrics.remove(metrics_owner(name));
}

/// All specs are written into "<job>.new", which one rename() makes the job's folder: a crash before it leaves a folder
/// that recovery removes, and the job is queued again; a crash after it leaves a job whose agents recovery starts.
void Scheduler::start_agents(const TrainingJob& job, const std::vector<agent::AgentSpec>& specs) {
  // Of the attempt before, or of a deleted job of the same name. Agents that still run there have lost their lock file
  // with it and are no longer followed.
  fs::remove_all(folder_ / job.name);
  const fs::path making = folder_ / (job.name + ".new");  // '.' cannot be in a job's name
  fs::remove_all(making);
  for (const agent::AgentSpec& spec : specs) {
    fs::create_directories(making / spec.resources.current_host);
    // 0600: agent.json holds the environment and hyperparameters, which may contain secrets.
    write_file_atomically(making / spec.resources.current_host / "agent.json", dump_json(to_json(spec)), 0600);
    // The stream exists as soon as the job trains, even before its program writes a line.
    const telemetry::LogWriter creates_the_stream(spec.log_file);
  }
  fs::rename(making, folder_ / job.name);
  // After the rename: an agent that starts earlier would find its folder moved away from under it.
  take_up(job);
}

/// Follows a job whose folder is there: attaches to the agents that run and starts the others. When that is not
/// possible now, the job is left as after a crash at this point, out of the queue and not followed: its next step takes
/// it up again.
void Scheduler::take_up(const TrainingJob& job) try {
  const Active& active = activate(job);
  for (const fs::path& instance : active.instances) {
    // An agent holds its lock from before its process exists, and the process opens agent.log before it runs the agent:
    // without both, none was ever started (a crash came before, or between lock file and spawn).
    if (executor_.alive(instance) || fs::exists(instance / "agent.log"))
      executor_.attach(instance);
    else
      executor_.start(instance);
  }
} catch (const std::exception& error) {
  const auto active = active_.find(job.name);
  if (!may_heal(error) || active == active_.end()) throw;
  for (const fs::path& instance : active->second.instances) executor_.forget(instance);
  give_back(active->second);
  active_.erase(active);
  waiting_.erase(job.id);
  throw;
}

std::vector<fs::path> Scheduler::instance_folders(const TrainingJob& job) const {
  std::vector<fs::path> folders;
  for (int host = 0; host < job.instance_count(); ++host) folders.push_back(folder_ / job.name / host_name(host));
  return folders;
}

/// Takes the job's share of the machine; finish(), retry() or fail() gives it back, once.
Scheduler::Active& Scheduler::activate(const TrainingJob& job) {
  // A second activation of a name replaces the entry: the caller has made sure that the earlier one was given back.
  Active& active = active_[job.name];
  active.id = job.id;
  active.hosts = job.instance_count();
  active.instances = instance_folders(job);
  for (const fs::path& instance : active.instances)
    context_.metrics.follow(instance / kMetricsFolder, metrics_owner(job.name));
  const Json& algorithm = job.request.at("AlgorithmSpecification");
  const auto entry = context_.catalog.find(algorithm.at("TrainingImage").get<std::string>());
  active.builtin = entry && entry->builtin && !algorithm.contains("ContainerEntrypoint");
  if (job.request.contains("CheckpointConfig"))
    active.checkpoints =
        std::make_shared<CheckpointMirror>(job.request["CheckpointConfig"].at("S3Uri"), active.instances);
  // Last: what throws above leaves a share of nothing.
  active.resources = catalog::job_resources(instance_type_of(job), active.hosts, machine_);
  used_.vcpus += active.resources.vcpus;
  used_.memory_bytes += active.resources.memory_bytes;
  return active;
}

/// The job's share of the machine.
void Scheduler::give_back(const Active& active) {
  used_.vcpus -= active.resources.vcpus;
  used_.memory_bytes -= active.resources.memory_bytes;
}

/// Reads all events from the start each time: they are few, and it makes recovery the same as the normal course.
void Scheduler::follow(const TrainingJob& job, Active& active) {
  if (active.finishing) return;
  std::vector<InstanceReport> instances;
  for (int host = 0; host < active.hosts; ++host) {
    const fs::path& folder = active.instances[static_cast<std::size_t>(host)];
    InstanceReport report;
    report.host = host_name(host);
    // Before its events: an agent writes its last event and then ends, so in the other order an agent that ends between
    // the two reads would look as if it had died without a report.
    report.alive = executor_.alive(folder);
    report.events = agent::read_events(folder);
    report.end = executor_.end_of(folder);
    instances.push_back(std::move(report));
  }
  JobReport report = summarize(instances, active.builtin);
  // The row first: if that write fails for now (a busy database, a full disk), nothing has been done to the agents,
  // and the step is repeated.
  record_progress(job, report);
  if (report.over) {
    // Nobody is left to ask; on a full disk the files could not be written, and the job's end would wait for them.
  } else if (report.failure) {
    // One failed instance ends the others: they would wait for it in their collectives until their timeout.
    signal_agents(active, "Terminate");
  } else if (job.stop_reason == "Stop") {
    signal_agents(active, "Stop");
  }
  // An agent that was killed while it made the sandbox may have left that, which nobody needs any more.
  if (report.over && report.agent_lost) sandbox::end_sandboxes_below(folder_ / job.name);
  if (report.over && !retry(job, active, report)) finish(job, active, report);
}

/// Moves the row to where the agents are, if it is not there yet. The conditions are checked twice: on the copy, to
/// spare a write per wake, and inside the transaction, because StopTrainingJob changes the row from a request's thread.
void Scheduler::record_progress(const TrainingJob& job, const JobReport& report) {
  using enum JobState;
  const bool early = job.state == kStarting || job.state == kPending;
  const bool to_downloading = early && report.downloading;
  const bool to_training = (early || job.state == kDownloading) && report.training;
  const bool to_stopping = report.max_runtime && job.stop_reason.empty();
  if (!to_downloading && !to_training && !to_stopping) return;
  jobs_.update(job.name, [&](TrainingJob& row) {
    const EpochMs now = now_ms();
    if (to_downloading && (row.state == kStarting || row.state == kPending)) TrainingJobs::move(row, kDownloading, now);
    if (to_training && can_move(row.state, kTraining)) TrainingJobs::move(row, kTraining, now);
    if (to_stopping && row.stop_reason.empty() && can_move(row.state, kStopping)) {
      row.stop_reason = "MaxRuntime";
      TrainingJobs::move(row, kStopping, now);
    }
  });
}

/// Asks every agent to stop its program, by a file that the agents watch: it works for agents of an earlier server and
/// stays there for an agent that has not started yet. "Terminate" overrides "Stop", never the other way round.
void Scheduler::signal_agents(Active& active, const std::string& reason) const {
  if (active.stop_sent == reason || active.stop_sent == "Terminate") return;
  for (const fs::path& instance : active.instances)
    write_file_atomically(instance / "stop", dump_json({{"Reason", reason}}));
  active.stop_sent = reason;
}

/// RetryStrategy: a job whose agent died (the platform's fault, not the program's) starts over. Its folder is replaced
/// only when it is launched again, so a crash after the row's change finds the dead agents there and counts one more
/// attempt. A job that its user stops at the same moment does not start over and has not failed: it ends as any other
/// that was stopped.
bool Scheduler::retry(const TrainingJob& job, Active& active, JobReport& report) {
  if (!report.agent_lost || !job.stop_reason.empty() || job.attempt >= retries_of(job)) return false;
  // Checkpoints that the dead attempt wrote are what the next one starts from; they must be in S3 before the row says
  // that it starts.
  if (active.checkpoints) active.checkpoints->sync(context_.objects, false);
  const metric_store::Owner owner = metrics_owner(job.name);
  context_.metrics.take_in(&owner);  // the next launch removes the folder
  const auto row = jobs_.update(job.name, [](TrainingJob& again) {
    if (!again.stop_reason.empty()) return;  // since `job` was read
    ++again.attempt;
    if (again.state == JobState::kStarting) return;  // it died before it reported anything
    TrainingJobs::move(again, JobState::kStarting, now_ms(), "Launched instance was unhealthy, replacing it!");
  });
  if (row && !row->stop_reason.empty()) {
    report.failure.reset();
    return false;
  }
  // Only now that the row is changed: had update() thrown, the attempt would still be followed.
  for (const fs::path& instance : active.instances) executor_.forget(instance);
  give_back(active);
  active_.erase(job.name);
  if (row) waiting_[row->id] = row->name;
  return true;
}

/// The share of the machine is free at once: packing and uploading need little of it. The entry in active_ stays until
/// save_results() reports through saved_, so that no wake in between starts the job's end a second time.
void Scheduler::finish(const TrainingJob& job, Active& active, const JobReport& report) {
  active.finishing = true;
  give_back(active);
  for (const fs::path& instance : active.instances) executor_.forget(instance);
  // `active` is copied: the queue's thread must not touch what the deciding thread owns.
  work_->submit([this, job, active, failure = report.failure.value_or("")] { save_results(job, active, failure); });
}

/// On a thread of the work queue, with a copy of everything the deciding thread owns. The order is objects, row,
/// folder: after a crash before the row's last change recovery does it all again and puts the same objects; after a
/// crash behind it remove_stale_folders() removes the folder.
void Scheduler::save_results(const TrainingJob& job, const Active& active, std::string failure) {
  try {
    const bool output = has_output(active.instances);
    if (failure.empty() || output)
      jobs_.update(job.name, [](TrainingJob& row) {
        const bool stopping = row.state == JobState::kStopping;
        const JobState to = stopping ? JobState::kStoppingUploading : JobState::kUploading;
        if (can_move(row.state, to)) TrainingJobs::move(row, to, now_ms());
      });
    if (active.checkpoints) active.checkpoints->sync(context_.objects, false);
    if (output) upload_output(job, active.instances, context_.objects);
    if (failure.empty()) upload_model(job, active.instances, context_.objects);
  } catch (const std::exception& error) {
    // The row must not say Completed without a model, so a failed upload fails the job; a failure that was there
    // before is the more useful reason.
    log::error("training job {}: saving its results: {}", job.name, error.what());
    if (failure.empty()) failure = std::string("ClientError: Uploading the results failed: ") + error.what();
  }
  while (!try_end_job(job.name, failure)) {
    MutexLock lock(mutex_);
    // Stopped with the row as it is: the next start takes the job up again.
    if (changed_.wait_for(lock, kRetryInterval, [this]() REQUIRES(mutex_) { return stopping_; })) return;
  }
  unfollow_metrics(active);
  std::error_code ec;
  fs::remove_all(folder_ / job.name, ec);
  {
    const MutexLock lock(mutex_);
    saved_.insert(job.name);
  }
  changed_.notify_all();
}

/// False when it could not be written now (a full disk): it is to be tried again.
bool Scheduler::try_end_job(const std::string& name, const std::string& failure) try {
  end_job(name, failure);
  return true;
} catch (const std::exception& error) {
  log::error("training job {}: {}", name, error.what());
  return false;
}

/// The row's last change.
void Scheduler::end_job(const std::string& name, const std::string& failure) {
  const metric_store::Owner owner = metrics_owner(name);
  context_.metrics.take_in(&owner);
  const auto last_values = context_.metrics.last_values(owner);
  jobs_.update(name, [&](TrainingJob& row) {
    if (is_terminal(row.state)) return;
    const EpochMs now = now_ms();
    const Json& algorithm = row.request.at("AlgorithmSpecification");
    const auto entry = context_.catalog.find(algorithm.value("TrainingImage", ""));
    row.final_metrics =
        final_metrics(last_values, metric_definitions(entry ? entry->descriptor : Json(Json::object()), algorithm));
    if (!failure.empty()) {
      row.failure_reason = failure;
      TrainingJobs::move(row, JobState::kFailed, now);
    } else if (row.stop_reason == "Stop") {
      TrainingJobs::move(row, JobState::kStopped, now);
    } else if (row.stop_reason == "MaxRuntime") {
      TrainingJobs::move(row, JobState::kMaxRuntimeExceeded, now);
    } else {
      TrainingJobs::move(row, JobState::kCompleted, now);
    }
  });
}

/// Ends a job whose step failed. Its agents are asked to end and no longer followed; they use their folder until they
/// have, so it stays until the next start of the server or of a job of this name. Called where nothing may be thrown:
/// what cannot be done now (a full disk) leaves the job as it is, for another try.
void Scheduler::fail(const std::string& name, const std::string& reason) noexcept try {
  const auto found = active_.find(name);
  if (found != active_.end() && found->second.finishing) return wake_later(name);  // save_results() ends it
  if (found != active_.end()) signal_agents(found->second, "Terminate");
  end_job(name, reason.substr(0, kMaxFailureReason));
  if (found == active_.end()) return;
  unfollow_metrics(found->second);
  give_back(found->second);
  for (const fs::path& instance : found->second.instances) executor_.forget(instance);
  active_.erase(found);
} catch (const std::exception& error) {
  log::error("training job {}: {}", name, error.what());
  wake_later(name);
}

/// So that there is little left to do when a job ends or someone asks.
void Scheduler::take_in_metrics() {
  if (active_.empty()) return;
  work_->submit([this] {
    try {
      context_.metrics.take_in();
    } catch (const std::exception& error) {
      log::warn("metrics of training jobs: {}", error.what());
    }
  });
}

void Scheduler::unfollow_metrics(const Active& active) const {
  for (const fs::path& instance : active.instances) context_.metrics.unfollow(instance / kMetricsFolder);
}

void Scheduler::mirror_checkpoints() {
  for (const auto& [name, active] : active_) {
    if (!active.checkpoints || active.finishing) continue;
    work_->submit([this, name = name, mirror = active.checkpoints] {
      try {
        mirror->sync(context_.objects, true);
      } catch (const std::exception& error) {
        log::warn("training job {}: mirroring its checkpoints: {}", name, error.what());
      }
    });
  }
}

}  // namespace clary::training
