// SPDX-License-Identifier: Apache-2.0
// CloudWatch metrics: what training jobs and endpoints published, and what users put.
#pragma once

#include "platform/aws/services.h"
#include "platform/metric_store/metric_store.h"

namespace clary::services {

/// `metrics` must outlive the service.
aws::JsonService cloudwatch_service(metric_store::MetricStore& metrics);

}  // namespace clary::services
