// SPDX-License-Identifier: Apache-2.0
// From the row of a job to the specification (agent.json) of each of its agents.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "platform/agent/spec.h"
#include "platform/catalog/algorithm_catalog.h"
#include "platform/catalog/instance_types.h"
#include "platform/metric_store/metric_store.h"
#include "platform/objects/object_store.h"
#include "platform/telemetry/log_store.h"
#include "platform/training/training_jobs.h"

namespace clary::training {

inline constexpr const char* kTrainingNamespace = "/aws/sagemaker/TrainingJobs";  // log group and metric namespace

inline constexpr const char* kMetricsFolder = "metrics";  // of an instance: what its agents report, a file each

/// What the metrics of a training job belong to.
metric_store::Owner metrics_owner(std::string_view job);

/// "algo-1" for host 0.
std::string host_name(int host);

/// "<job>/algo-<n>-<epoch seconds>": exactly one stream an instance, whatever the attempts.
std::string stream_of(const TrainingJob& job, int host);

std::string instance_type_of(const TrainingJob& job);

/// The definitions that count: the descriptor's, then the request's further names.
std::vector<agent::MetricDefinition> metric_definitions(const Json& descriptor, const Json& algorithm_specification);

struct LaunchContext {
  objects::ObjectStore& objects;
  const catalog::AlgorithmCatalog& catalog;
  const telemetry::LogStore& logs;
  metric_store::MetricStore& metrics;
  bool allow_plain_user_programs = false;
  std::int64_t stop_grace_seconds = 120;
};

/// One spec an instance. Channels are planned here, against what the store holds now.
/// @throws Error of plan_source(), naming the channel
std::vector<agent::AgentSpec> agent_specs(const TrainingJob& job, const LaunchContext& context,
                                          const catalog::Resources& share);

}  // namespace clary::training
