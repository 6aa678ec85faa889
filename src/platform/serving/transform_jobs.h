// SPDX-License-Identifier: Apache-2.0
// Transform jobs: a few run at a time, the others wait; a job that a restart of the server interrupted runs again from
// its beginning (its outputs appear whole or not at all, so nothing is left half done).
#pragma once

#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "platform/resources/resource_table.h"
#include "platform/serving/transform_run.h"

namespace clary::serving {

class TransformJobs {
 public:
  explicit TransformJobs(Endpoints& endpoints);
  TransformJobs(const TransformJobs&) = delete;
  TransformJobs& operator=(const TransformJobs&) = delete;
  ~TransformJobs();

  void recover();
  /// Interrupts what runs; the rows stay InProgress for the next start. Call it before Endpoints::stop().
  void stop();

  resources::ResourceTable& rows() noexcept { return rows_; }
  /// Call after the row was inserted as InProgress. Its body: "Request" and "Container".
  void start(const std::string& name);
  /// Call after the row was moved to Stopping.
  void stop_job(const std::string& name);

 private:
  struct Running {
    std::shared_ptr<TransformRun> run;  // null while it waits
    std::thread thread;
    bool cancelled = false, ended = false;
  };
  // On the job's own thread:
  void run_job(const std::string& name, Running& self);
  std::string transform(const std::string& name, Running& self);  // "" or the FailureReason
  /// Writes the final state, again and again while that fails, unless the server stops: then the row stays as it is and
  /// the next start runs the job again.
  void record_end(const std::string& name, const Running& self, const std::string& reason);
  bool wait_for_turn(const Running& self);
  void reap();

  Endpoints& endpoints_;
  resources::ResourceTable rows_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable moved_;
  std::map<std::string, Running> running_;
  int active_ = 0;
  bool stopping_ = false;
};

}  // namespace clary::serving
