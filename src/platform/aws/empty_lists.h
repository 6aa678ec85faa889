// SPDX-License-Identifier: Apache-2.0
// Operations outside this server's scope that clients and dashboards call in ordinary use, and that have a truthful
// answer all the same: there is nothing of that kind here.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace clary::aws {

/// The JSON answer, or nothing when the operation is not one of these.
/// @throws ServiceError for single things that can't exist here ("Could not find ...")
std::optional<std::string> kind_answer(std::string_view service, std::string_view operation, std::string_view body);

}  // namespace clary::aws
