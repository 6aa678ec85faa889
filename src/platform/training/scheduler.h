// SPDX-License-Identifier: Apache-2.0
// Brings training jobs from Starting to their end: queues them for room, starts their agents, follows what the agents
// report, stops them, saves what they leave. One thread decides; packing and uploading go to a few others. All it knows
// is in the table and in the instance folders, so a new server process goes on where an old one was killed.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/mutex.h"
#include "platform/training/executor.h"
#include "platform/training/launch.h"
#include "platform/training/outcome.h"
#include "platform/training/results.h"
#include "platform/training/training_jobs.h"
#include "platform/training/work_queue.h"

namespace clary::training {

class Scheduler {
 public:
  /// @param folder  where instance folders lie (<folder>/<job>/<host>); the same file system as the blobs
  Scheduler(std::filesystem::path folder, TrainingJobs& jobs, LaunchContext context, Executor& executor);
  /// Stops deciding; the agents go on.
  ~Scheduler();
  Scheduler(const Scheduler&) = delete;
  Scheduler& operator=(const Scheduler&) = delete;

  /// Takes up every unfinished job, then starts to decide. Call it before new jobs are accepted.
  void recover();
  /// The row of this job has changed: it is new, or is to stop.
  void wake(const std::string& job);

 private:
  struct Active {
    std::int64_t id = 0;
    int hosts = 0;
    catalog::Resources resources;
    std::vector<std::filesystem::path> instances;
    bool builtin = false;
    std::string stop_sent;                          // the reason in the agents' stop files; "" while there are none
    bool finishing = false;                         // handed to the work queue
    std::shared_ptr<CheckpointMirror> checkpoints;  // shared with the work queue; null without CheckpointConfig
  };

  void run();
  void wake_later(const std::string& job);
  void advance_job(const std::string& name);
  void queue(const TrainingJob& job);
  void launch_waiting();
  bool launch(const TrainingJob& job);
  void remove_leftovers(const std::string& name) const;
  void start_agents(const TrainingJob& job, const std::vector<agent::AgentSpec>& specs);
  void take_up(const TrainingJob& job);
  Active& activate(const TrainingJob& job);
  void follow(const TrainingJob& job, Active& active);
  void record_progress(const TrainingJob& job, const JobReport& report);
  void signal_agents(Active& active, const std::string& reason) const;
  bool retry(const TrainingJob& job, Active& active, JobReport& report);
  void give_back(const Active& active);
  void finish(const TrainingJob& job, Active& active, const JobReport& report);
  void save_results(const TrainingJob& job, const Active& active, std::string failure);
  bool try_end_job(const std::string& name, const std::string& failure);
  void end_job(const std::string& name, const std::string& failure);
  void fail(const std::string& name, const std::string& reason) noexcept;
  void mirror_checkpoints();
  void take_in_metrics();
  void unfollow_metrics(const Active& active) const;
  void remove_stale_folders();
  std::vector<std::filesystem::path> instance_folders(const TrainingJob& job) const;

  const std::filesystem::path folder_;
  TrainingJobs& jobs_;
  const LaunchContext context_;
  Executor& executor_;
  const catalog::Resources machine_;

  // Of the deciding thread alone:
  std::map<std::string, Active> active_;
  std::map<std::int64_t, std::string> waiting_;  // by id: first come, first served
  catalog::Resources used_;

  // What other threads hand to the deciding one. The executor calls wake() with its own listener lock held, so nothing
  // here may call the executor with mutex_ held.
  Mutex mutex_;
  Condition changed_;                               // of what mutex_ guards
  std::set<std::string> wakes_ GUARDED_BY(mutex_);  // jobs to look at
  std::set<std::string> saved_ GUARDED_BY(mutex_);  // jobs whose results are saved
  bool stopping_ GUARDED_BY(mutex_) = false;
  std::unique_ptr<WorkQueue> work_;
  std::thread thread_;
};

}  // namespace clary::training
