// SPDX-License-Identifier: Apache-2.0
// CloudWatch Logs as far as clients read with it: groups, streams, events, filtered events.
#pragma once

#include "platform/aws/services.h"
#include "platform/telemetry/log_store.h"

namespace clary::services {

/// `logs` must outlive the service.
aws::JsonService logs_service(const telemetry::LogStore& logs);

}  // namespace clary::services
