// SPDX-License-Identifier: Apache-2.0
// States of an endpoint and of a transform job, and which may follow which. One table a thing; terminal states have no
// way out.
#pragma once

#include <algorithm>
#include <array>
#include <string_view>
#include <utility>

namespace clary::serving {

namespace endpoint_status {
inline constexpr std::string_view kCreating = "Creating", kUpdating = "Updating", kInService = "InService",
                                  kFailed = "Failed", kDeleting = "Deleting";
}  // namespace endpoint_status

namespace transform_status {
inline constexpr std::string_view kInProgress = "InProgress", kCompleted = "Completed", kFailed = "Failed",
                                  kStopping = "Stopping", kStopped = "Stopped";
}  // namespace transform_status

using StatusMove = std::pair<std::string_view, std::string_view>;

inline constexpr auto kEndpointMoves = std::to_array<StatusMove>({
    {endpoint_status::kCreating, endpoint_status::kInService},
    {endpoint_status::kCreating, endpoint_status::kFailed},
    {endpoint_status::kInService, endpoint_status::kUpdating},
    {endpoint_status::kInService, endpoint_status::kDeleting},
    {endpoint_status::kInService, endpoint_status::kFailed},  // recovery: its model is gone from the disk
    {endpoint_status::kUpdating, endpoint_status::kInService},
    {endpoint_status::kUpdating, endpoint_status::kFailed},  // recovery, as above
    {endpoint_status::kFailed, endpoint_status::kDeleting},
});

inline constexpr auto kTransformMoves = std::to_array<StatusMove>({
    {transform_status::kInProgress, transform_status::kCompleted},
    {transform_status::kInProgress, transform_status::kFailed},
    {transform_status::kInProgress, transform_status::kStopping},
    {transform_status::kStopping, transform_status::kStopped},
});

template <std::size_t N>
constexpr bool can_move(const std::array<StatusMove, N>& moves, std::string_view from, std::string_view to) {
  return std::any_of(moves.begin(), moves.end(),
                     [&](const StatusMove& m) { return m.first == from && m.second == to; });
}

}  // namespace clary::serving
