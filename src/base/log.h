// SPDX-License-Identifier: Apache-2.0
// The server's own log (spdlog, standard error). Libraries log through this; only main configures it.
#pragma once

#include <spdlog/spdlog.h>

namespace clary::log {

using spdlog::debug;
using spdlog::error;
using spdlog::info;
using spdlog::warn;

}  // namespace clary::log
