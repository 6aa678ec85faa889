// SPDX-License-Identifier: Apache-2.0
#include "platform/training/state.h"

#include <array>
#include <string>

#include "base/error.h"

namespace clary::training {

namespace {

using enum JobState;

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
constexpr std::size_t kCount = kRows.size();

constexpr bool rows_are_in_enum_order() {
  for (std::size_t i = 0; i < kCount; ++i)
    if (static_cast<std::size_t>(kRows[i].state) != i) return false;
  return true;
}
static_assert(rows_are_in_enum_order(), "kRows: one row per JobState, in enum order");

// From (row) to (column), in enum order. A job whose agent died may start over (RetryStrategy): back to Starting.
constexpr bool kMoves[kCount][kCount] = {
    // Star Pend Down Trai Uplo Stop StUp Comp Fail Stpd MaxR
    {false, true, true, true, true, true, false, false, true, true, false},      // Starting
    {true, false, true, true, false, true, false, false, true, true, false},     // Pending
    {true, false, false, true, true, true, false, false, true, true, false},     // Downloading
    {true, false, false, false, true, true, false, false, true, false, false},   // Training
    {false, false, false, false, false, true, false, true, true, false, false},  // Uploading
    {false, false, false, false, false, false, true, false, true, true, true},   // Stopping
    {false, false, false, false, false, false, false, false, true, true, true},  // StoppingUploading
    {},
    {},
    {},
    {},
};

}  // namespace

const StateRow& row_of(JobState state) { return kRows[static_cast<std::size_t>(state)]; }

JobState parse_state(std::string_view key) {
  for (const StateRow& row : kRows)
    if (row.key == key) return row.state;
  throw Error(Kind::kMalformed, "training job state \"" + std::string(key) + "\" is not one");
}

bool is_terminal(JobState state) { return state >= kCompleted; }

bool can_move(JobState from, JobState to) {
  return kMoves[static_cast<std::size_t>(from)][static_cast<std::size_t>(to)];
}

}  // namespace clary::training
