// SPDX-License-Identifier: Apache-2.0
#include "platform/training/training_jobs.h"

#include "base/error.h"

namespace clary::training {

namespace {

using resources::Resource;

Json to_json(const std::vector<Transition>& transitions) {
  Json list = Json::array();
  for (const Transition& t : transitions) list.push_back({t.status, t.message, t.start, t.end});
  return list;
}

Resource resource_of(const TrainingJob& job) {
  Resource resource;
  resource.id = job.id;
  resource.name = job.name;
  resource.arn = job.arn;
  resource.created = job.created;
  resource.modified = job.modified;
  resource.status = row_of(job.state).status;
  // Members are only ever added: rows of earlier versions are read by the same code, and at() would refuse a renamed
  // one.
  resource.body = {{"State", row_of(job.state).key},
                   {"Region", job.region},
                   {"Request", job.request},
                   {"Started", job.started},
                   {"Ended", job.ended},
                   {"FailureReason", job.failure_reason},
                   {"StopReason", job.stop_reason},
                   {"Transitions", to_json(job.transitions)},
                   {"FinalMetrics", job.final_metrics},
                   {"Launched", job.launched},
                   {"Attempt", job.attempt}};
  return resource;
}

TrainingJob job_of(const Resource& resource) {
  const Json& body = resource.body;
  TrainingJob job;
  job.id = resource.id;
  job.name = resource.name;
  job.arn = resource.arn;
  job.region = body.at("Region");
  job.state = parse_state(body.at("State").get<std::string>());
  job.request = body.at("Request");
  job.created = resource.created;
  job.modified = resource.modified;
  job.started = body.at("Started");
  job.ended = body.at("Ended");
  job.failure_reason = body.at("FailureReason");
  job.stop_reason = body.at("StopReason");
  for (const Json& t : body.at("Transitions")) job.transitions.push_back({t.at(0), t.at(1), t.at(2), t.at(3)});
  job.final_metrics = body.at("FinalMetrics");
  job.launched = body.at("Launched");
  job.attempt = body.at("Attempt");
  return job;
}

std::vector<TrainingJob> jobs_of(const std::vector<Resource>& resources) {
  std::vector<TrainingJob> jobs;
  for (const Resource& resource : resources) jobs.push_back(job_of(resource));
  return jobs;
}

}  // namespace

int TrainingJob::instance_count() const {
  const Json& resources = request.at("ResourceConfig");
  // With InstanceGroups (a heterogeneous cluster) the instances of all groups count.
  if (resources.contains("InstanceCount")) return resources["InstanceCount"].get<int>();
  int count = 0;
  for (const Json& group : resources.value("InstanceGroups", Json::array())) count += group.value("InstanceCount", 0);
  return count;
}

TrainingJobs::TrainingJobs(store::Database& database) : table_(database, resources::ResourceKind::kTrainingJob) {}

bool TrainingJobs::create(TrainingJob& job, const resources::TagList& tags) {
  const resources::Insertion insertion = table_.insert(resource_of(job), tags);
  // On a collision `job` becomes the one that has the name: the caller compares the requests for its error text.
  job = job_of(insertion.resource);
  return insertion.inserted;
}

std::optional<TrainingJob> TrainingJobs::find(std::string_view name) {
  const std::optional<Resource> resource = table_.find(name);
  if (!resource) return std::nullopt;
  return job_of(*resource);
}

std::vector<TrainingJob> TrainingJobs::unfinished() { return jobs_of(table_.with_status({"InProgress", "Stopping"})); }

JobPage TrainingJobs::list(const resources::ResourceQuery& query) {
  const resources::ResourcePage page = table_.list(query);
  return {jobs_of(page.items), page.next_token};
}

std::optional<TrainingJob> TrainingJobs::update(std::string_view name,
                                                const std::function<void(TrainingJob&)>& change) {
  std::optional<TrainingJob> job;
  table_.update(
      name,
      [&](Resource& resource) {
        job = job_of(resource);
        change(*job);
        resource = resource_of(*job);
      },
      // kAsSet: AWS's LastModifiedTime changes with the status only, which move() stamps.
      resources::ResourceTable::Modified::kAsSet);
  return job;
}

bool TrainingJobs::remove(std::string_view name) {
  // Checked inside the transaction, so that a job cannot start again between the check and the removal.
  return table_.erase(name, [](const Resource& resource) { return is_terminal(job_of(resource).state); });
}

void TrainingJobs::move(TrainingJob& job, JobState to, EpochMs now, std::string_view message) {
  if (!can_move(job.state, to))
    throw Error(Kind::kInternal, "training job " + job.name + " cannot go from " + std::string(row_of(job.state).key) +
                                     " to " + std::string(row_of(to).key));
  job.state = to;
  job.modified = now;
  // The transition before ends when this one begins; the last one of a terminal state begins and ends at once.
  if (!job.transitions.empty()) job.transitions.back().end = now;
  const bool last = is_terminal(to);
  job.transitions.push_back({std::string(row_of(to).secondary),
                             std::string(message.empty() ? row_of(to).message : message), now, last ? now : 0});
  // TrainingStartTime: the first of the two, since Downloading may be skipped.
  if (to == JobState::kDownloading || to == JobState::kTraining) job.started = job.started == 0 ? now : job.started;
  if (last) job.ended = now;
}

}  // namespace clary::training
