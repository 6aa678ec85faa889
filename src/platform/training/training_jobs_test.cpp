// SPDX-License-Identifier: Apache-2.0
#include "platform/training/training_jobs.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/files.h"

namespace clary::training {
namespace {

TEST(JobState, TerminalStatesHaveNoWayOut) {
  for (int from = 0; from <= static_cast<int>(JobState::kMaxRuntimeExceeded); ++from) {
    bool any = false;
    for (int to = 0; to <= static_cast<int>(JobState::kMaxRuntimeExceeded); ++to)
      any |= can_move(static_cast<JobState>(from), static_cast<JobState>(to));
    EXPECT_EQ(any, !is_terminal(static_cast<JobState>(from))) << from;
    EXPECT_EQ(parse_state(row_of(static_cast<JobState>(from)).key), static_cast<JobState>(from));
  }
  EXPECT_THROW(parse_state("Nothing"), Error);
}

class TrainingJobsTest : public testing::Test {
 protected:
  bool create(const std::string& name, EpochMs created = 1000) {
    TrainingJob job;
    job.name = name;
    job.arn = "arn:" + name;
    job.request = {{"ResourceConfig", {{"InstanceCount", 2}}}};
    job.created = job.modified = created;
    job.transitions = {{"Starting", "x", created, 0}};
    return jobs.create(job, {{"k", "v"}});
  }
  std::vector<std::string> all_names(resources::ResourceQuery query) {
    std::vector<std::string> names;
    do {
      const JobPage page = jobs.list(query);
      for (const TrainingJob& job : page.items) names.push_back(job.name);
      query.token = page.next_token;
    } while (!query.token.empty());
    return names;
  }
  TemporaryFolder folder;
  store::Database database{folder.path() / "db"};
  resources::ResourceTags tags{database};
  TrainingJobs jobs{database};
};

TEST_F(TrainingJobsTest, NamesCollideWhateverTheirCase) {
  EXPECT_TRUE(create("Job-A"));
  EXPECT_FALSE(create("job-a"));
  EXPECT_TRUE(jobs.find("Job-A"));
  EXPECT_FALSE(jobs.find("job-a"));
  EXPECT_EQ(tags.list("arn:Job-A"), (resources::TagList{{"k", "v"}}));
}

TEST_F(TrainingJobsTest, PagesThroughEveryOrder) {
  for (int i = 0; i < 7; ++i) create("job-" + std::to_string(i), 1000 + (i * 5) % 7);
  EXPECT_EQ(all_names({.sort = resources::ResourceQuery::Sort::kName, .ascending = true, .limit = 2}),
            (std::vector<std::string>{"job-0", "job-1", "job-2", "job-3", "job-4", "job-5", "job-6"}));
  EXPECT_EQ(all_names({.limit = 3}).front(), "job-4");  // newest first
  EXPECT_EQ(all_names({.sort = resources::ResourceQuery::Sort::kStatus, .limit = 1}).size(), 7u);
  EXPECT_EQ(all_names({.name_contains = "B-3"}), std::vector<std::string>{"job-3"});
  EXPECT_EQ(all_names({.created_after = 1001, .created_before = 1003, .limit = 1}).size(), 1u);
  EXPECT_TRUE(all_names({.status = "Completed"}).empty());
  EXPECT_THROW(jobs.list({.token = "garbage"}), Error);
}

TEST_F(TrainingJobsTest, ADatabaseOfVersion010KeepsItsJobs) {
  const TemporaryFolder old_folder;
  store::Database old(old_folder.path() / "db");
  constexpr const char* kTags[] = {
      "CREATE TABLE tags (id INTEGER PRIMARY KEY, arn TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,"
      " UNIQUE (arn, key));"
      "INSERT INTO tags VALUES (3, 'arn:old', 'z', '1'), (7, 'arn:old', 'a', '2')"};
  constexpr const char* kJobs[] = {
      "CREATE TABLE training_jobs (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL, folded TEXT NOT NULL"
      " UNIQUE, arn TEXT NOT NULL, region TEXT NOT NULL, state TEXT NOT NULL, status TEXT NOT NULL, request TEXT NOT"
      " NULL, created INTEGER NOT NULL, modified INTEGER NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL,"
      " failure_reason TEXT NOT NULL, stop_reason TEXT NOT NULL, transitions TEXT NOT NULL, final_metrics TEXT NOT"
      " NULL, launched INTEGER NOT NULL, attempt INTEGER NOT NULL);"
      "INSERT INTO training_jobs VALUES (41, 'Old', 'old', 'arn:old', 'us-west-2', 'StoppingUploading', 'Stopping',"
      " '{\"ResourceConfig\":{\"InstanceCount\":3},\"n\":0.10}', 1000, 2000, 1500, 0, 'it \"broke\"', 'Stop',"
      " '[[\"Starting\",\"x\",1000,0]]', '[{\"Value\":0.5}]', 1600, 2)"};
  old.migrate("tags", kTags);
  old.migrate("training_jobs", kJobs);

  TrainingJobs migrated(old);
  const TrainingJob job = migrated.find("Old").value();
  EXPECT_EQ(job.id, 41);
  EXPECT_EQ(job.arn, "arn:old");
  EXPECT_EQ(job.region, "us-west-2");
  EXPECT_EQ(job.state, JobState::kStoppingUploading);
  EXPECT_EQ(job.instance_count(), 3);
  EXPECT_EQ(job.request["n"], 0.1);
  EXPECT_EQ(job.created, 1000);
  EXPECT_EQ(job.modified, 2000);
  EXPECT_EQ(job.started, 1500);
  EXPECT_EQ(job.ended, 0);
  EXPECT_EQ(job.failure_reason, "it \"broke\"");
  EXPECT_EQ(job.stop_reason, "Stop");
  ASSERT_EQ(job.transitions.size(), 1u);
  EXPECT_EQ(job.transitions[0].message, "x");
  EXPECT_EQ(job.final_metrics[0]["Value"], 0.5);
  EXPECT_EQ(job.launched, 1600);
  EXPECT_EQ(job.attempt, 2);
  EXPECT_EQ(resources::ResourceTags(old).list("arn:old"), (resources::TagList{{"z", "1"}, {"a", "2"}}));
  EXPECT_EQ(migrated.unfinished().size(), 1u);
}

TEST_F(TrainingJobsTest, OnlyAMoveChangesTheTimeOfTheLastModification) {
  create("j");
  jobs.update("j", [](TrainingJob& job) { job.launched = 5; });
  EXPECT_EQ(jobs.find("j")->modified, 1000);
  EXPECT_EQ(jobs.find("j")->launched, 5);
}

TEST_F(TrainingJobsTest, MovesStampTimesAndRefuseWhatTheTableForbids) {
  create("j");
  jobs.update("j", [](TrainingJob& job) {
    TrainingJobs::move(job, JobState::kTraining, 2000);
    TrainingJobs::move(job, JobState::kUploading, 3000);
    TrainingJobs::move(job, JobState::kCompleted, 4000);
  });
  const TrainingJob job = jobs.find("j").value();
  ASSERT_EQ(job.transitions.size(), 4u);
  EXPECT_EQ(job.transitions[1].end, 3000);
  EXPECT_EQ(job.started, 2000);
  EXPECT_EQ(job.ended, 4000);
  EXPECT_THROW(jobs.update("j", [](TrainingJob& j) { TrainingJobs::move(j, JobState::kTraining, 1); }), Error);
  EXPECT_EQ(jobs.find("j")->transitions.size(), 4u) << "a refused move changes nothing";
  EXPECT_TRUE(jobs.remove("j"));
  EXPECT_FALSE(tags.list("arn:j"));
  EXPECT_FALSE(jobs.update("j", [](TrainingJob&) {}));
}

}  // namespace
}  // namespace clary::training
