// SPDX-License-Identifier: Apache-2.0
// The operations on training jobs, and on the tags of every resource.
#pragma once

#include <string>

#include "platform/catalog/algorithm_catalog.h"
#include "platform/objects/object_store.h"
#include "platform/resources/tags.h"
#include "platform/services/sagemaker/service.h"
#include "platform/training/scheduler.h"
#include "platform/training/training_jobs.h"

namespace clary::sagemaker {

struct TrainingDeps {
  training::TrainingJobs& jobs;
  training::Scheduler& scheduler;
  const catalog::AlgorithmCatalog& catalog;
  objects::ObjectStore& objects;
  metric_store::MetricStore& metrics;
};

/// `deps` must outlive the operations.
Operations training_job_operations(TrainingDeps& deps);

/// AddTags, ListTags, DeleteTags.
Operations tag_operations(resources::ResourceTags& tags);

/// Checks of CreateTrainingJob beyond the service model, in AWS's words, and the request with its defaults filled in.
/// @throws Error / ServiceError
Json checked_training_request(const Json& input, const std::string& region, const TrainingDeps& deps);

/// DescribeTrainingJob's answer.
Json describe(const training::TrainingJob& job, const TrainingDeps& deps);

}  // namespace clary::sagemaker
