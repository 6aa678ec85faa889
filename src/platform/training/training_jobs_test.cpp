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
  std::vector<std::string> all_names(JobListQuery query) {
    std::vector<std::string> names;
    do {
      const JobPage page = jobs.list(query);
      for (const TrainingJob& job : page.jobs) names.push_back(job.name);
      query.token = page.next_token;
    } while (!query.token.empty());
    return names;
  }
  TemporaryFolder folder;
  store::Database database{folder.path() / "db"};
  resources::TagTable tags{database};
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
  EXPECT_EQ(all_names({.sort = JobListQuery::Sort::kName, .ascending = true, .limit = 2}),
            (std::vector<std::string>{"job-0", "job-1", "job-2", "job-3", "job-4", "job-5", "job-6"}));
  EXPECT_EQ(all_names({.limit = 3}).front(), "job-4");  // newest first
  EXPECT_EQ(all_names({.sort = JobListQuery::Sort::kStatus, .limit = 1}).size(), 7u);
  EXPECT_EQ(all_names({.name_contains = "B-3"}), std::vector<std::string>{"job-3"});
  EXPECT_EQ(all_names({.created_after = 1001, .created_before = 1003, .limit = 1}).size(), 1u);
  EXPECT_TRUE(all_names({.status = "Completed"}).empty());
  EXPECT_THROW(jobs.list({.token = "garbage"}), Error);
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
  EXPECT_TRUE(tags.list("arn:j").empty());
  EXPECT_FALSE(jobs.update("j", [](TrainingJob&) {}));
}

TEST(Tags, RefusesReservedAndRepeatedKeys) {
  EXPECT_THROW(resources::parse_tags(parse_json(R"([{"Key":"aws:x","Value":"1"}])")), Error);
  EXPECT_THROW(resources::parse_tags(parse_json(R"([{"Key":"x","Value":"1"},{"Key":"x","Value":"2"}])")), Error);
}

}  // namespace
}  // namespace clary::training
