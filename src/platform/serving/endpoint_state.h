// SPDX-License-Identifier: Apache-2.0
// States of an endpoint and of a transform job, and which may follow which. One table a thing; a deleted
// endpoint has no row, a transform job keeps its last state.
#pragma once

#include <string_view>

#include "platform/resources/state_machine.h"

namespace clary::serving {

namespace endpoint_status {
inline constexpr std::string_view kCreating = "Creating", kUpdating = "Updating", kInService = "InService",
                                  kFailed = "Failed", kDeleting = "Deleting";
}  // namespace endpoint_status

namespace transform_status {
inline constexpr std::string_view kInProgress = "InProgress", kCompleted = "Completed", kFailed = "Failed",
                                  kStopping = "Stopping", kStopped = "Stopped";
}  // namespace transform_status

inline constexpr auto kEndpointStates = resources::state_machine<std::string_view>({
    {endpoint_status::kCreating, endpoint_status::kInService},
    {endpoint_status::kCreating, endpoint_status::kFailed},
    {endpoint_status::kInService, endpoint_status::kUpdating},
    {endpoint_status::kInService, endpoint_status::kDeleting},
    {endpoint_status::kInService, endpoint_status::kFailed},  // recovery: its model is gone from the disk
    {endpoint_status::kUpdating, endpoint_status::kInService},
    {endpoint_status::kUpdating, endpoint_status::kFailed},  // recovery, as above
    {endpoint_status::kFailed, endpoint_status::kDeleting},
});

inline constexpr auto kTransformStates = resources::state_machine<std::string_view>({
    {transform_status::kInProgress, transform_status::kCompleted},
    {transform_status::kInProgress, transform_status::kFailed},
    {transform_status::kInProgress, transform_status::kStopping},
    {transform_status::kStopping, transform_status::kStopped},
});

}  // namespace clary::serving
