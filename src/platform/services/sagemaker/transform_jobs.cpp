// SPDX-License-Identifier: Apache-2.0
// CreateTransformJob, DescribeTransformJob, ListTransformJobs, StopTransformJob (control-plane.md section 9). A row's
// body: Request (without tags), Container of the model, StartTime and EndTime in milliseconds, FailureReason.
#include "platform/aws/service_error.h"
#include "platform/services/sagemaker/environment.h"
#include "platform/services/sagemaker/hosting.h"
#include "platform/services/sagemaker/list_query.h"
#include "platform/serving/endpoint_state.h"
#include "platform/serving/transform_spec.h"

namespace clary::sagemaker {
namespace {

using aws::Caller;
using aws::Code;
using aws::ServiceError;
using resources::Resource;
namespace status = serving::transform_status;

Json create_transform_job(const Json& input, const Caller& caller, HostingDeps& deps) {
  const std::string name = input["TransformJobName"], arn = resource_arn(caller, "transform-job", name);
  const std::string model_name = input["ModelName"];
  const auto model = deps.models.find(model_name);
  if (!model) throw could_not_find("model", resource_arn(caller, "model", model_name));
  if (input.contains("DataCaptureConfig"))
    throw ServiceError(Code::kValidationException,
                       "DataCaptureConfig: data capture is not supported by this server; leave it out.");
  Json request = input;
  request.erase("Tags");
  check_environment(request);
  serving::transform_spec(request);  // throws where the request breaks a rule
  const auto tags = resources::parse_tags(input.value("Tags", Json::array()));
  const EpochMs now = now_ms();
  const Resource row{name,
                     arn,
                     now,
                     now,
                     std::string(status::kInProgress),
                     // The container is copied: the model may be deleted while the job waits.
                     {{"Request", std::move(request)}, {"Container", model->body.at("PrimaryContainer")}}};
  if (!deps.transforms.insert(row, tags).inserted)
    throw ServiceError(Code::kResourceInUse,
                       "Transform job names must be unique within an AWS account and region, and a transform job with "
                       "this name already exists (" +
                           arn + ")");
  deps.start_transform(name);
  return {{"TransformJobArn", arn}};
}

Json describe_transform_job(const Json& input, HostingDeps& deps) {
  const std::string name = input["TransformJobName"];
  const auto row = deps.transforms.find(name);
  if (!row) throw ServiceError(Code::kValidationException, "Could not find requested job with name: " + name);
  Json answer = serving::with_defaults(row->body.at("Request"));
  answer["TransformJobArn"] = row->arn;
  answer["TransformJobStatus"] = row->status;
  answer["CreationTime"] = epoch_seconds(row->created);
  if (row->body.contains("StartTime"))
    answer["TransformStartTime"] = epoch_seconds(row->body["StartTime"].get<EpochMs>());
  if (row->body.contains("EndTime")) answer["TransformEndTime"] = epoch_seconds(row->body["EndTime"].get<EpochMs>());
  copy_members(row->body, answer, {"FailureReason"});
  return answer;
}

Json list_transform_jobs(const Json& input, HostingDeps& deps) {
  return list_answer(deps.transforms.list(list_query(input)), "TransformJobSummaries", [](const Resource& row) {
    Json summary{{"TransformJobName", row.name},
                 {"TransformJobArn", row.arn},
                 {"TransformJobStatus", row.status},
                 {"CreationTime", epoch_seconds(row.created)},
                 {"LastModifiedTime", epoch_seconds(row.modified)}};
    if (row.body.contains("EndTime")) summary["TransformEndTime"] = epoch_seconds(row.body["EndTime"].get<EpochMs>());
    copy_members(row.body, summary, {"FailureReason"});
    return summary;
  });
}

Json stop_transform_job(const Json& input, HostingDeps& deps) {
  const std::string name = input["TransformJobName"];
  // Stopping first, durably; then the run is interrupted. A crash in between: TransformJobs::recover() ends the job.
  const auto row = deps.transforms.update(name, [](Resource& now) {
    if (now.status == status::kStopping) return;
    if (!serving::kTransformStates.can_move(now.status, status::kStopping))
      throw ServiceError(Code::kValidationException,
                         "The request was rejected because the transform job is in status " + now.status + ".");
    now.status = status::kStopping;
  });
  if (!row) throw ServiceError(Code::kValidationException, "Could not find job to update with name: " + name);
  deps.stop_transform(name);
  return nullptr;
}

}  // namespace

Operations transform_operations(HostingDeps& deps) {
  return {
      {"CreateTransformJob", [&](const Json& in, const Caller& who) { return create_transform_job(in, who, deps); }},
      {"DescribeTransformJob", [&](const Json& in, const Caller&) { return describe_transform_job(in, deps); }},
      {"ListTransformJobs", [&](const Json& in, const Caller&) { return list_transform_jobs(in, deps); }},
      {"StopTransformJob", [&](const Json& in, const Caller&) { return stop_transform_job(in, deps); }},
  };
}

}  // namespace clary::sagemaker
