// SPDX-License-Identifier: Apache-2.0
// The states of a training job: one enum, one table of their AWS names and messages, one table of allowed moves.
#pragma once

#include <string_view>

namespace clary::training {

enum class JobState {
  kStarting,
  kPending,
  kDownloading,
  kTraining,
  kUploading,
  kStopping,
  kStoppingUploading,  // a stopped job saves what it has
  kCompleted,
  kFailed,
  kStopped,
  kMaxRuntimeExceeded,
};

struct StateRow {
  JobState state;
  std::string_view key;        // in the database
  std::string_view status;     // TrainingJobStatus
  std::string_view secondary;  // SecondaryStatus
  std::string_view message;    // StatusMessage of the transition
};

const StateRow& row_of(JobState state);
/// @throws Error{kMalformed} for a key that no row has
JobState parse_state(std::string_view key);

bool is_terminal(JobState state);
/// Terminal states have no way out.
bool can_move(JobState from, JobState to);

}  // namespace clary::training
