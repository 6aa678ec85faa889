// SPDX-License-Identifier: Apache-2.0
// DescribeTrainingJob's answer: the request with its defaults, and what became of it (control-plane.md section 5.3).
#include <algorithm>

#include "platform/services/sagemaker/training.h"
#include "platform/training/launch.h"
#include "platform/training/results.h"

namespace clary::sagemaker {

namespace {

using training::TrainingJob;

// Echoed as they were sent.
constexpr const char* kEchoed[] = {"HyperParameters",   "AlgorithmSpecification",  "RoleArn",
                                   "InputDataConfig",   "OutputDataConfig",        "ResourceConfig",
                                   "VpcConfig",         "StoppingCondition",       "CheckpointConfig",
                                   "DebugHookConfig",   "DebugRuleConfigurations", "TensorBoardOutputConfig",
                                   "ExperimentConfig",  "ProfilerConfig",          "ProfilerRuleConfigurations",
                                   "Environment",       "RetryStrategy",           "RemoteDebugConfig",
                                   "InfraCheckConfig",  "ServerlessJobConfig",     "MlflowConfig",
                                   "ModelPackageConfig"};
constexpr const char* kFlags[] = {"EnableNetworkIsolation", "EnableInterContainerTrafficEncryption",
                                  "EnableManagedSpotTraining"};

Json transitions(const TrainingJob& job) {
  Json list = Json::array();
  for (const training::Transition& t : job.transitions) {
    Json item{{"Status", t.status}, {"StartTime", epoch_seconds(t.start)}, {"StatusMessage", t.message}};
    if (t.end != 0) item["EndTime"] = epoch_seconds(t.end);
    list.push_back(std::move(item));
  }
  // The last one of a job that has ended lasts no time.
  if (is_terminal(job.state) && !list.empty()) list.back()["EndTime"] = list.back()["StartTime"];
  return list;
}

Json algorithm_specification(const TrainingJob& job, const Json& descriptor) {
  Json algorithm = job.request.at("AlgorithmSpecification");
  Json metrics = Json::array();
  for (const agent::MetricDefinition& metric : training::metric_definitions(descriptor, algorithm))
    metrics.push_back({{"Name", metric.name}, {"Regex", metric.regex}});
  if (!metrics.empty()) algorithm["MetricDefinitions"] = std::move(metrics);
  algorithm.emplace("EnableSageMakerMetricsTimeSeries", false);
  return algorithm;
}

// A running job's metrics are read from the file that its agents append to; an ended job's are in its row, so that the
// file may go.
Json live_metrics(const TrainingJob& job, const Json& descriptor, const TrainingDeps& deps) {
  if (is_terminal(job.state)) return job.final_metrics;
  return training::final_metrics(deps.metrics.last_values(training::metrics_owner(job.name)),
                                 training::metric_definitions(descriptor, job.request.at("AlgorithmSpecification")));
}

void add_times(const TrainingJob& job, Json& answer) {
  answer["CreationTime"] = epoch_seconds(job.created);
  answer["LastModifiedTime"] = epoch_seconds(job.modified);
  if (job.started != 0) answer["TrainingStartTime"] = epoch_seconds(job.started);
  if (job.ended == 0) return;
  answer["TrainingEndTime"] = epoch_seconds(job.ended);
  if (job.started == 0) return;
  // Rounded up: a job that ran has at least one second.
  const std::int64_t seconds = std::max<std::int64_t>(1, (job.ended - job.started + 999) / 1000);
  answer["TrainingTimeInSeconds"] = seconds;
  answer["BillableTimeInSeconds"] = seconds;
}

}  // namespace

Json describe(const TrainingJob& job, const TrainingDeps& deps) {
  const Json& request = job.request;
  const auto entry = deps.catalog.find(request.at("AlgorithmSpecification").value("TrainingImage", ""));
  const Json descriptor = entry ? entry->descriptor : Json::object();
  Json answer{{"TrainingJobName", job.name},
              {"TrainingJobArn", job.arn},
              {"TrainingJobStatus", training::row_of(job.state).status},
              {"SecondaryStatus", training::row_of(job.state).secondary},
              {"SecondaryStatusTransitions", transitions(job)},
              {"ModelArtifacts", {{"S3ModelArtifacts", training::model_artifact_uri(job)}}}};
  for (const char* name : kEchoed)
    if (request.contains(name)) answer[name] = request[name];
  for (const char* name : kFlags) answer[name] = request.value(name, false);
  answer["AlgorithmSpecification"] = algorithm_specification(job, descriptor);
  answer["ProfilingStatus"] =
      request.contains("ProfilerConfig") && !request["ProfilerConfig"].value("DisableProfiler", false) ? "Enabled"
                                                                                                       : "Disabled";
  if (Json metrics = live_metrics(job, descriptor, deps); !metrics.empty())
    answer["FinalMetricDataList"] = std::move(metrics);
  if (job.state == training::JobState::kFailed) answer["FailureReason"] = job.failure_reason;
  add_times(job, answer);
  return answer;
}

}  // namespace clary::sagemaker
