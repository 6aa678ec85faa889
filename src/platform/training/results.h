// SPDX-License-Identifier: Apache-2.0
// What a job leaves behind: model.tar.gz and output.tar.gz of all its hosts together, mirrored checkpoints, the last
// value of every metric. An object appears by one transaction after its bytes are on the disk.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "platform/agent/spec.h"
#include "platform/metric_store/metric_store.h"
#include "platform/objects/object_store.h"
#include "platform/training/training_jobs.h"

namespace clary::training {

/// "<S3OutputPath>/<job>/output/model.tar.gz", in the form (s3 or https) of the path given. For CompressionType NONE
/// "<S3OutputPath>/<job>/output/model/".
std::string model_artifact_uri(const TrainingJob& job);

/// @param instances  the instance folders, in order of hosts
/// @throws Error naming the artifact and the reason
void upload_model(const TrainingJob& job, const std::vector<std::filesystem::path>& instances,
                  objects::ObjectStore& store);

/// True when any host left a file in /opt/ml/output/data.
bool has_output(const std::vector<std::filesystem::path>& instances);
void upload_output(const TrainingJob& job, const std::vector<std::filesystem::path>& instances,
                   objects::ObjectStore& store);

/// Mirrors a job's checkpoint folders to S3: new and changed files are put, deleted ones removed. The folders of all
/// hosts share one prefix, as in SageMaker: of a name that several hosts write, S3 holds the file that was written
/// last, and it goes when no host has it any more. Any thread may call sync().
class CheckpointMirror {
 public:
  CheckpointMirror(std::string s3_uri, std::vector<std::filesystem::path> instances);
  /// Waits for a sync() that is under way, except when `settled`: then there is nothing to do before the next interval.
  /// @param settled  leave files alone that changed within the last second: they are still being written
  void sync(objects::ObjectStore& store, bool settled);

 private:
  struct Seen {
    std::uint64_t size = 0;
    std::int64_t modified_ns = 0;
    bool operator==(const Seen&) const = default;
  };
  using Names = std::map<std::string, Seen>;  // by relative path
  struct Change {
    std::size_t host = 0;
    Seen file;
  };
  using Changes = std::map<std::string, Change>;
  Names look_at(std::size_t host, bool settled, Changes& changes) REQUIRES(mutex_);
  void put_changes(objects::ObjectStore& store, bool settled) REQUIRES(mutex_);

  std::string s3_uri_;
  std::vector<std::filesystem::path> instances_;
  Mutex mutex_;                                 // held during uploads
  std::vector<Names> seen_ GUARDED_BY(mutex_);  // for each host: what S3 has had of it
};

/// [{"MetricName", "Value", "Timestamp"}...]: the last value of each definition that ever matched, 40 at most.
Json final_metrics(const std::map<std::string, metric_store::LastValue>& last_values,
                   const std::vector<agent::MetricDefinition>& definitions);

}  // namespace clary::training
