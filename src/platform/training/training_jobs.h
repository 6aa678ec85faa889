// SPDX-License-Identifier: Apache-2.0
// Training jobs: a typed view of their rows in the table of resources, whose body holds all but name, ARN, times and
// status. Every change of state goes through move(), in one transaction with what belongs to it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "platform/resources/resource_table.h"
#include "platform/store/database.h"
#include "platform/training/state.h"

namespace clary::training {

struct Transition {
  std::string status, message;
  EpochMs start = 0, end = 0;  // end 0: current
};

struct TrainingJob {
  std::int64_t id = 0;
  std::string name, arn, region;
  JobState state = JobState::kStarting;
  Json request;                                               // as sent, defaults filled, without Tags
  EpochMs created = 0, modified = 0, started = 0, ended = 0;  // 0: not yet
  std::string failure_reason;
  std::string stop_reason;  // "", "Stop" or "MaxRuntime"
  std::vector<Transition> transitions;
  Json final_metrics = Json::array();
  EpochMs launched = 0;  // agents were started; its seconds are the epoch in the names of the log streams
  std::int64_t attempt = 0;

  int instance_count() const;
};

using JobPage = resources::Page<TrainingJob>;

class TrainingJobs {
 public:
  explicit TrainingJobs(store::Database& database);

  /// False when a job of that name (in any case) is there already; `job` then is that job.
  bool create(TrainingJob& job, const resources::TagList& tags);
  std::optional<TrainingJob> find(std::string_view name);
  /// @throws Error{kInvalid} for a token that list() did not make
  JobPage list(const resources::ResourceQuery& query);
  std::vector<TrainingJob> unfinished();  // oldest first

  /// Runs `change` on the row inside a transaction and stores what it made of it; nothing when the row is gone. The
  /// time of its last modification is what `change` says: AWS's is that of the status.
  std::optional<TrainingJob> update(std::string_view name, const std::function<void(TrainingJob&)>& change);

  /// Only terminal jobs. False when it is not in such a state.
  bool remove(std::string_view name);

  /// The one way to a new state: checks can_move(), stamps the times, adds the transition.
  /// @throws Error{kInternal} for a move that the table forbids
  static void move(TrainingJob& job, JobState to, EpochMs now, std::string_view message = {});

 private:
  resources::ResourceTable table_;
};

}  // namespace clary::training
