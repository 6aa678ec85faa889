// SPDX-License-Identifier: Apache-2.0
#include "platform/aws/empty_lists.h"

#include <algorithm>
#include <array>

#include "base/json.h"
#include "platform/aws/service_error.h"

namespace clary::aws {

namespace {

struct EmptyList {
  std::string_view operation, member;
};

// Operations that SDKs call on the way (Search boxes, waiters, notebook helpers): an empty list is the true answer of
// a server that has no such resources.
constexpr auto kEmptyLists = std::to_array<EmptyList>({
    {"ListAlgorithms", "AlgorithmSummaryList"},
    {"ListAutoMLJobs", "AutoMLJobSummaries"},
    {"ListCompilationJobs", "CompilationJobSummaries"},
    {"ListExperiments", "ExperimentSummaries"},
    {"ListHyperParameterTuningJobs", "HyperParameterTuningJobSummaries"},
    {"ListInferenceComponents", "InferenceComponents"},
    {"ListLabelingJobs", "LabelingJobSummaryList"},
    {"ListModelPackages", "ModelPackageSummaryList"},
    {"ListMonitoringSchedules", "MonitoringScheduleSummaries"},
    {"ListNotebookInstances", "NotebookInstances"},
    {"ListPipelines", "PipelineSummaries"},
    {"ListProcessingJobs", "ProcessingJobSummaries"},
    {"ListTrials", "TrialSummaries"},
});

struct Absent {
  std::string_view operation, name_member, text;  // text + name + tail
};

constexpr auto kAbsent = std::to_array<Absent>({
    {"DescribeAlgorithm", "AlgorithmName", "Could not find algorithm with name: "},
    {"DescribeProcessingJob", "ProcessingJobName", "Could not find requested job with name: "},
});

std::string member_text(std::string_view body, std::string_view member) {
  // The body has not been validated here: any failure counts as no name.
  const Json input = Json::parse(body, nullptr, false);
  if (!input.is_object()) return {};
  const auto value = input.find(std::string(member));
  return value != input.end() && value->is_string() ? value->get<std::string>() : std::string();
}

}  // namespace

std::optional<std::string> kind_answer(std::string_view service, std::string_view operation, std::string_view body) {
  if (service != "sagemaker") return std::nullopt;
  const auto* list = std::find_if(kEmptyLists.begin(), kEmptyLists.end(),
                                  [&](const EmptyList& e) { return e.operation == operation; });
  if (list != kEmptyLists.end()) return "{\"" + std::string(list->member) + "\":[]}";
  const auto* absent =
      std::find_if(kAbsent.begin(), kAbsent.end(), [&](const Absent& a) { return a.operation == operation; });
  if (absent != kAbsent.end())
    throw ServiceError(Code::kValidationException, std::string(absent->text) + member_text(body, absent->name_member));
  return std::nullopt;
}

}  // namespace clary::aws
