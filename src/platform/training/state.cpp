// SPDX-License-Identifier: Apache-2.0
#include "platform/training/state.h"

#include <array>
#include <string>

#include "base/error.h"
#include "platform/resources/state_machine.h"

namespace clary::training {

namespace {

using enum JobState;

// The texts are the service's own (SecondaryStatusTransitions of DescribeTrainingJob); clients compare them. `key` is
// what the database holds, so it can never change.
constexpr auto kRows = std::to_array<StateRow>({
    {kStarting, "Starting", "InProgress", "Starting", "Starting the training job"},
    {kPending, "Pending", "InProgress", "Pending", "Training job waiting for capacity"},
    {kDownloading, "Downloading", "InProgress", "Downloading", "Downloading input data"},
    {kTraining, "Training", "InProgress", "Training", "Training image download completed. Training in progress."},
    {kUploading, "Uploading", "InProgress", "Uploading", "Uploading generated training model"},
    {kStopping, "Stopping", "Stopping", "Stopping", "Stopping the training job"},
    {kStoppingUploading, "StoppingUploading", "Stopping", "Uploading", "Uploading generated training model"},
    {kCompleted, "Completed", "Completed", "Completed", "Training job completed"},
    {kFailed, "Failed", "Failed", "Failed", "Training job failed"},
    {kStopped, "Stopped", "Stopped", "Stopped", "Training job stopped"},
    {kMaxRuntimeExceeded, "MaxRuntimeExceeded", "Stopped", "MaxRuntimeExceeded",
     "Training job runtime exceeded MaxRuntimeInSeconds provided"},
});

constexpr bool rows_are_in_enum_order() {
  for (std::size_t i = 0; i < kRows.size(); ++i)
    if (static_cast<std::size_t>(kRows[i].state) != i) return false;
  return true;
}
static_assert(rows_are_in_enum_order(), "kRows: one row per JobState, in enum order");

// Skips are allowed (Starting to Training, say) because rows follow the agents' events, and several events may be read
// at once.
// A job whose agent died may start over (RetryStrategy): back to Starting.
constexpr auto kMoves = resources::state_machine<JobState>({
    {kStarting, kPending},         {kStarting, kDownloading},      {kStarting, kTraining},
    {kStarting, kUploading},       {kStarting, kStopping},         {kStarting, kFailed},
    {kStarting, kStopped},         {kPending, kStarting},          {kPending, kDownloading},
    {kPending, kTraining},         {kPending, kStopping},          {kPending, kFailed},
    {kPending, kStopped},          {kDownloading, kStarting},      {kDownloading, kTraining},
    {kDownloading, kUploading},    {kDownloading, kStopping},      {kDownloading, kFailed},
    {kDownloading, kStopped},      {kTraining, kStarting},         {kTraining, kUploading},
    {kTraining, kStopping},        {kTraining, kFailed},           {kUploading, kStopping},
    {kUploading, kCompleted},      {kUploading, kFailed},          {kStopping, kStoppingUploading},
    {kStopping, kFailed},          {kStopping, kStopped},          {kStopping, kMaxRuntimeExceeded},
    {kStoppingUploading, kFailed}, {kStoppingUploading, kStopped}, {kStoppingUploading, kMaxRuntimeExceeded},
});
static_assert(kMoves.is_terminal(kCompleted) && kMoves.is_terminal(kFailed) && kMoves.is_terminal(kStopped) &&
              kMoves.is_terminal(kMaxRuntimeExceeded));

}  // namespace

const StateRow& row_of(JobState state) { return kRows[static_cast<std::size_t>(state)]; }

JobState parse_state(std::string_view key) {
  for (const StateRow& row : kRows)
    if (row.key == key) return row.state;
  throw Error(Kind::kMalformed, "training job state \"" + std::string(key) + "\" is not one");
}

bool is_terminal(JobState state) { return kMoves.is_terminal(state); }

bool can_move(JobState from, JobState to) { return kMoves.can_move(from, to); }

}  // namespace clary::training
