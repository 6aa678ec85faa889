// SPDX-License-Identifier: Apache-2.0
// CreateTrainingJob, DescribeTrainingJob, ListTrainingJobs, StopTrainingJob, UpdateTrainingJob, DeleteTrainingJob.
#include "base/text.h"
#include "platform/aws/service_error.h"
#include "platform/services/sagemaker/list_query.h"
#include "platform/services/sagemaker/training.h"

namespace clary::sagemaker {

namespace {

using aws::Caller;
using aws::Code;
using aws::ServiceError;
using training::JobState;
using training::TrainingJob;

ServiceError not_found() { return {Code::kValidationException, "Requested resource not found."}; }

std::string name_of(const Json& input) { return input.at("TrainingJobName"); }

Json create(const Json& input, const Caller& caller, TrainingDeps& deps) {
  TrainingJob job;
  job.name = name_of(input);
  job.arn = aws::arn(caller, "sagemaker", "training-job/" + lower(job.name));
  job.region = caller.region;
  const resources::TagList tags = resources::parse_tags(input.value("Tags", Json::array()));
  // Checks read the store, which may change before the job starts; the agent's error covers that.
  job.request = checked_training_request(input, caller.region, deps);
  job.created = job.modified = now_ms();
  const training::StateRow& starting = training::row_of(JobState::kStarting);
  job.transitions = {{std::string(starting.secondary), std::string(starting.message), job.created, 0}};
  const std::string name = job.name;
  // create() replaces `job` by the one that has the name already, hence the ARN in the message and `name` kept above.
  if (!deps.jobs.create(job, tags))
    throw ServiceError(
        Code::kResourceInUse,
        "Training job names must be unique within an AWS account and region, and a training job with this "
        "name already exists (" +
            job.arn + ")");
  // After the commit. A crash in between: Scheduler::recover() wakes every unfinished job.
  deps.scheduler.wake(name);
  return {{"TrainingJobArn", job.arn}};
}

Json describe_job(const Json& input, TrainingDeps& deps) {
  const auto job = deps.jobs.find(name_of(input));
  if (!job) throw not_found();
  return describe(*job, deps);
}

Json summary(const TrainingJob& job) {
  Json item{{"TrainingJobName", job.name},
            {"TrainingJobArn", job.arn},
            {"CreationTime", epoch_seconds(job.created)},
            {"LastModifiedTime", epoch_seconds(job.modified)},
            {"TrainingJobStatus", training::row_of(job.state).status},
            {"SecondaryStatus", training::row_of(job.state).secondary}};
  if (job.ended != 0) item["TrainingEndTime"] = epoch_seconds(job.ended);
  return item;
}

Json list(const Json& input, TrainingDeps& deps) {
  return list_answer(deps.jobs.list(list_query(input)), "TrainingJobSummaries", summary);
}

Json stop(const Json& input, TrainingDeps& deps) {
  const std::string name = name_of(input);
  // Runs inside the transaction; the scheduler sees the new state when it is woken.
  const auto job = deps.jobs.update(name, [](TrainingJob& row) {
    if (is_terminal(row.state))
      throw ServiceError(Code::kValidationException, "The request was rejected because the training job is in status " +
                                                         std::string(training::row_of(row.state).status) + ".");
    if (!can_move(row.state, JobState::kStopping)) return;  // it is stopping already
    row.stop_reason = "Stop";
    training::TrainingJobs::move(row, JobState::kStopping, now_ms());
  });
  if (!job) throw not_found();
  deps.scheduler.wake(name);
  return nullptr;
}

/// What can be changed in a running job has no effect on this server: no job is profiled, kept warm or open to a remote
/// shell. Settings that ask for just that are kept and shown (the SDK's disable_profiling()); others are refused.
void check_update(const Json& input) {
  const auto refuse = [](const std::string& setting, const std::string& instead) {
    throw ServiceError(Code::kValidationException, setting + " is not supported by this server: " + instead + ".");
  };
  if (input.contains("ProfilerConfig") && !input["ProfilerConfig"].value("DisableProfiler", false))
    refuse("ProfilerConfig", "training jobs are not profiled, and only DisableProfiler true can be set");
  if (!input.value("ProfilerRuleConfigurations", Json::array()).empty())
    refuse("ProfilerRuleConfigurations", "training jobs are not profiled");
  if (input.value("RemoteDebugConfig", Json::object()).value("EnableRemoteDebug", false))
    refuse("RemoteDebugConfig",
           "training jobs cannot be debugged remotely, and only EnableRemoteDebug false can be set");
  if (input.value("ResourceConfig", Json::object()).value("KeepAlivePeriodInSeconds", 0) != 0)
    refuse("ResourceConfig.KeepAlivePeriodInSeconds", "instances need no warm pool here, and only 0 can be set");
}

Json update(const Json& input, TrainingDeps& deps) {
  check_update(input);
  const auto job = deps.jobs.update(name_of(input), [&](TrainingJob& row) {
    for (const char* name : {"ProfilerConfig", "ProfilerRuleConfigurations", "RemoteDebugConfig"})
      if (input.contains(name)) row.request[name] = input[name];
    if (input.contains("ResourceConfig")) row.request["ResourceConfig"].update(input["ResourceConfig"]);
    row.modified = now_ms();
  });
  if (!job) throw not_found();
  return {{"TrainingJobArn", job->arn}};
}

Json remove(const Json& input, TrainingDeps& deps) {
  const std::string name = name_of(input);
  // remove() checks the state in its own transaction; the look-up behind it only chooses the error.
  if (deps.jobs.remove(name)) return nullptr;
  const auto job = deps.jobs.find(name);
  if (!job) throw not_found();
  throw ServiceError(Code::kResourceInUse, "The training job " + name + " is in status " +
                                               std::string(training::row_of(job->state).status) +
                                               "; only a job that has ended can be deleted.");
}

}  // namespace

Operations training_job_operations(TrainingDeps& deps) {
  return {
      {"CreateTrainingJob", [&](const Json& in, const Caller& who) { return create(in, who, deps); }},
      {"DescribeTrainingJob", [&](const Json& in, const Caller&) { return describe_job(in, deps); }},
      {"ListTrainingJobs", [&](const Json& in, const Caller&) { return list(in, deps); }},
      {"StopTrainingJob", [&](const Json& in, const Caller&) { return stop(in, deps); }},
      {"UpdateTrainingJob", [&](const Json& in, const Caller&) { return update(in, deps); }},
      {"DeleteTrainingJob", [&](const Json& in, const Caller&) { return remove(in, deps); }},
  };
}

}  // namespace clary::sagemaker
