// SPDX-License-Identifier: Apache-2.0
// The table of training jobs. Every change of state goes through move(), in one transaction with what belongs to it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"
#include "base/time.h"
#include "platform/resources/tag_table.h"
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

struct JobListQuery {
  std::optional<EpochMs> created_after = std::nullopt, created_before = std::nullopt;
  std::optional<EpochMs> modified_after = std::nullopt, modified_before = std::nullopt;
  std::string name_contains = {}, status = {};
  enum class Sort { kName, kCreationTime, kStatus } sort = Sort::kCreationTime;
  bool ascending = false;
  int limit = 10;
  std::string token = {};  // of the page before
};

struct JobPage {
  std::vector<TrainingJob> jobs;
  std::string next_token;  // "" at the end
};

class TrainingJobs {
 public:
  explicit TrainingJobs(store::Database& database);

  /// False when a job of that name (in any case) is there already; `job` then is that job.
  bool create(TrainingJob& job, const resources::TagList& tags);
  std::optional<TrainingJob> find(std::string_view name);
  /// @throws Error{kInvalid} for a token that is not one of ours
  JobPage list(const JobListQuery& query);
  std::vector<TrainingJob> unfinished();  // oldest first

  /// Runs `change` on the row inside a transaction and stores what it made of it; nothing when the row is gone.
  std::optional<TrainingJob> update(std::string_view name, const std::function<void(TrainingJob&)>& change);

  /// Only terminal jobs. False when it is not in such a state.
  bool remove(std::string_view name);

  /// The one way to a new state: checks can_move(), stamps the times, adds the transition.
  /// @throws Error{kInternal} for a move that the table forbids
  static void move(TrainingJob& job, JobState to, EpochMs now, std::string_view message = {});

 private:
  store::Database& database_;
};

}  // namespace clary::training
