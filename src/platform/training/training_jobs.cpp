// SPDX-License-Identifier: Apache-2.0
#include "platform/training/training_jobs.h"

#include "base/error.h"
#include "base/hash.h"
#include "base/text.h"

namespace clary::training {

namespace {

constexpr const char* kSteps[] = {
    "CREATE TABLE training_jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folded TEXT NOT NULL UNIQUE,"
    " arn TEXT NOT NULL, region TEXT NOT NULL, state TEXT NOT NULL, status TEXT NOT NULL, request TEXT NOT NULL,"
    " created INTEGER NOT NULL, modified INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,"
    " failure_reason TEXT NOT NULL, stop_reason TEXT NOT NULL, transitions TEXT NOT NULL, final_metrics TEXT NOT NULL,"
    " launched INTEGER NOT NULL, attempt INTEGER NOT NULL);"
    "CREATE INDEX training_jobs_by_created ON training_jobs (created, id);"
    "CREATE INDEX training_jobs_by_status ON training_jobs (status, id)",
};

#define CLARY_JOB_COLUMNS                                                                                   \
  "id, name, arn, region, state, request, created, modified, started, ended, failure_reason, stop_reason, " \
  "transitions, final_metrics, launched, attempt "

Json to_json(const std::vector<Transition>& transitions) {
  Json list = Json::array();
  for (const Transition& t : transitions) list.push_back({t.status, t.message, t.start, t.end});
  return list;
}

TrainingJob row(const store::Statement& s) {
  TrainingJob job;
  job.id = s.column<std::int64_t>(0);
  job.name = s.column<std::string>(1);
  job.arn = s.column<std::string>(2);
  job.region = s.column<std::string>(3);
  job.state = parse_state(s.column<std::string>(4));
  job.request = parse_json(s.column<std::string>(5));
  job.created = s.column<EpochMs>(6);
  job.modified = s.column<EpochMs>(7);
  job.started = s.column<EpochMs>(8);
  job.ended = s.column<EpochMs>(9);
  job.failure_reason = s.column<std::string>(10);
  job.stop_reason = s.column<std::string>(11);
  for (const Json& t : parse_json(s.column<std::string>(12)))
    job.transitions.push_back({t.at(0), t.at(1), t.at(2), t.at(3)});
  job.final_metrics = parse_json(s.column<std::string>(13));
  job.launched = s.column<EpochMs>(14);
  job.attempt = s.column<std::int64_t>(15);
  return job;
}

std::optional<TrainingJob> find_in(store::Connection& connection, std::string_view name) {
  auto statement = connection.prepare("SELECT " CLARY_JOB_COLUMNS "FROM training_jobs WHERE name = ?1");
  statement.bind(name);
  if (!statement.step()) return std::nullopt;
  return row(statement);
}

void store_row(store::Connection& connection, const TrainingJob& job) {
  connection
      .prepare(
          "UPDATE training_jobs SET state = ?2, status = ?3, request = ?4, modified = ?5, started = ?6, ended = ?7,"
          " failure_reason = ?8, stop_reason = ?9, transitions = ?10, final_metrics = ?11, launched = ?12,"
          " attempt = ?13 WHERE id = ?1")
      .bind(job.id, row_of(job.state).key, row_of(job.state).status, dump_json(job.request), job.modified, job.started,
            job.ended, job.failure_reason, job.stop_reason, dump_json(to_json(job.transitions)),
            dump_json(job.final_metrics), job.launched, job.attempt)
      .exec();
}

}  // namespace

int TrainingJob::instance_count() const {
  const Json& resources = request.at("ResourceConfig");
  if (resources.contains("InstanceCount")) return resources["InstanceCount"].get<int>();
  int count = 0;
  for (const Json& group : resources.value("InstanceGroups", Json::array())) count += group.value("InstanceCount", 0);
  return count;
}

TrainingJobs::TrainingJobs(store::Database& database) : database_(database) {
  database.migrate("training_jobs", kSteps);
}

bool TrainingJobs::create(TrainingJob& job, const resources::TagList& tags) {
  return database_.write([&](store::Connection& connection) {
    auto existing = connection.prepare("SELECT " CLARY_JOB_COLUMNS "FROM training_jobs WHERE folded = ?1");
    existing.bind(lower(job.name));
    if (existing.step()) {
      job = row(existing);
      return false;
    }
    connection
        .prepare(
            "INSERT INTO training_jobs (name, folded, arn, region, state, status, request, created, modified,"
            " started, ended, failure_reason, stop_reason, transitions, final_metrics, launched, attempt)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?8, 0, 0, '', '', ?9, '[]', 0, 0)")
        .bind(job.name, lower(job.name), job.arn, job.region, row_of(job.state).key, row_of(job.state).status,
              dump_json(job.request), job.created, dump_json(to_json(job.transitions)))
        .exec();
    job.id = connection.last_insert_id();
    resources::TagTable::add(connection, job.arn, tags);
    return true;
  });
}

std::optional<TrainingJob> TrainingJobs::find(std::string_view name) {
  return database_.read([&](store::Connection& connection) { return find_in(connection, name); });
}

std::vector<TrainingJob> TrainingJobs::unfinished() {
  return database_.read([&](store::Connection& connection) {
    std::vector<TrainingJob> jobs;
    auto statement = connection.prepare("SELECT " CLARY_JOB_COLUMNS
                                        "FROM training_jobs WHERE status IN ('InProgress', 'Stopping') ORDER BY id");
    while (statement.step()) jobs.push_back(row(statement));
    return jobs;
  });
}

std::optional<TrainingJob> TrainingJobs::update(std::string_view name,
                                                const std::function<void(TrainingJob&)>& change) {
  return database_.write([&](store::Connection& connection) {
    std::optional<TrainingJob> job = find_in(connection, name);
    if (!job) return job;
    change(*job);
    store_row(connection, *job);
    return job;
  });
}

bool TrainingJobs::remove(std::string_view name) {
  return database_.write([&](store::Connection& connection) {
    const std::optional<TrainingJob> job = find_in(connection, name);
    if (!job || !is_terminal(job->state)) return false;
    connection.prepare("DELETE FROM training_jobs WHERE id = ?1").bind(job->id).exec();
    resources::TagTable::remove_all(connection, job->arn);
    return true;
  });
}

void TrainingJobs::move(TrainingJob& job, JobState to, EpochMs now, std::string_view message) {
  if (!can_move(job.state, to))
    throw Error(Kind::kInternal, "training job " + job.name + " cannot go from " + std::string(row_of(job.state).key) +
                                     " to " + std::string(row_of(to).key));
  job.state = to;
  job.modified = now;
  if (!job.transitions.empty()) job.transitions.back().end = now;
  const bool last = is_terminal(to);
  job.transitions.push_back({std::string(row_of(to).secondary),
                             std::string(message.empty() ? row_of(to).message : message), now, last ? now : 0});
  if (to == JobState::kDownloading || to == JobState::kTraining) job.started = job.started == 0 ? now : job.started;
  if (last) job.ended = now;
}

namespace {

/// One page's place: the sort value and id of its last row. Opaque to clients, valid for ever.
struct Place {
  std::string sort_value;
  std::int64_t id = 0;
};

std::string encode(const Place& place) { return to_base64(dump_json({place.sort_value, place.id})); }

Place decode(const std::string& token) {
  try {
    const Json json = parse_json(from_base64(token).value_or(""));
    return {json.at(0).get<std::string>(), json.at(1).get<std::int64_t>()};
  } catch (const std::exception&) {
    throw Error(Kind::kInvalid, "Invalid pagination token because \"it was not made by this operation\".");
  }
}

std::string sort_column(JobListQuery::Sort sort) {
  switch (sort) {
    case JobListQuery::Sort::kName:
      return "folded";
    case JobListQuery::Sort::kStatus:
      return "status";
    case JobListQuery::Sort::kCreationTime:
      break;
  }
  return "printf('%020d', created)";
}

}  // namespace

JobPage TrainingJobs::list(const JobListQuery& query) {
  const std::string column = sort_column(query.sort);
  const std::string compare = query.ascending ? ">" : "<", order = query.ascending ? "ASC" : "DESC";
  std::optional<Place> place;
  if (!query.token.empty()) place = decode(query.token);
  return database_.read([&](store::Connection& connection) {
    // Six texts in all, so the statement cache stays small.
    auto statement = connection.prepare(
        "SELECT " CLARY_JOB_COLUMNS ", " + column +
        " AS sort_value FROM training_jobs WHERE (?1 IS NULL OR created > ?1) AND (?2 IS NULL OR created < ?2)"
        " AND (?3 IS NULL OR modified > ?3) AND (?4 IS NULL OR modified < ?4)"
        " AND (?5 = '' OR instr(folded, ?5) > 0) AND (?6 = '' OR status = ?6)"
        " AND (?7 IS NULL OR (sort_value, id) " +
        compare + " (?7, ?8)) ORDER BY sort_value " + order + ", id " + order + " LIMIT ?9");
    statement.bind(query.created_after, query.created_before, query.modified_after, query.modified_before,
                   lower(query.name_contains), query.status,
                   place ? std::optional<std::string>(place->sort_value) : std::nullopt, place ? place->id : 0,
                   query.limit + 1);
    JobPage page;
    Place last;
    while (statement.step()) {
      if (static_cast<int>(page.jobs.size()) == query.limit) {
        page.next_token = encode(last);
        break;
      }
      page.jobs.push_back(row(statement));
      last = {statement.column<std::string>(16), page.jobs.back().id};
    }
    return page;
  });
}

}  // namespace clary::training
