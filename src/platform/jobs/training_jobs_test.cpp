// SPDX-License-Identifier: Apache-2.0
#include "platform/jobs/training_jobs.h"

#include <gtest/gtest.h>

#include <set>

#include "base/error.h"
#include "base/files.h"
#include "platform/jobs/instance_types.h"
#include "platform/jobs/line_relay.h"
#include "platform/jobs/metric_extractor.h"

namespace clary::jobs {
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
  TagTable tags{database};
  TrainingJobs jobs{database};
};

TEST_F(TrainingJobsTest, NamesCollideWhateverTheirCase) {
  EXPECT_TRUE(create("Job-A"));
  EXPECT_FALSE(create("job-a"));
  EXPECT_TRUE(jobs.find("Job-A"));
  EXPECT_FALSE(jobs.find("job-a"));
  EXPECT_EQ(tags.list("arn:Job-A"), (TagList{{"k", "v"}}));
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
  EXPECT_THROW(parse_tags(parse_json(R"([{"Key":"aws:x","Value":"1"}])")), Error);
  EXPECT_THROW(parse_tags(parse_json(R"([{"Key":"x","Value":"1"},{"Key":"x","Value":"2"}])")), Error);
}

TEST(InstanceTypes, AreClippedToTheMachine) {
  constexpr std::uint64_t kGiB = 1ULL << 30U;
  EXPECT_EQ(instance_resources("ml.c4.xlarge").vcpus, 4);
  EXPECT_EQ(instance_resources("ml.c4.xlarge").memory_bytes, 8 * kGiB);
  EXPECT_EQ(instance_resources("ml.m5.24xlarge").vcpus, 96);
  EXPECT_EQ(instance_resources("ml.r5.large").memory_bytes, 16 * kGiB);
  EXPECT_EQ(instance_resources("nonsense").vcpus, 2);
  const Resources machine{2, 4 * kGiB};
  const Resources job = job_resources("ml.c4.xlarge", 2, machine);
  EXPECT_EQ(job.vcpus, 2);
  EXPECT_EQ(instance_share(job, 2).vcpus, 1);
  EXPECT_EQ(instance_share(job, 8).vcpus, 1);
  EXPECT_TRUE(job.fits_in(machine));
  EXPECT_FALSE(job.fits_in({1, 4 * kGiB}));
}

TEST(MetricExtractor, TakesTheFirstGroupAndIgnoresWhatIsNoNumber) {
  const MetricExtractor extractor(
      {{"loss", "loss=(\\S+)"}, {"whole", "[0-9]+ rows"}, {"bad", "("}, {"n", "^([0-9]+) "}});
  std::vector<MetricPoint> points;
  extractor.extract("7 rows loss=0.25, more", 5, points);
  ASSERT_EQ(points.size(), 2u);
  EXPECT_EQ(points[0].name, "loss");
  EXPECT_EQ(points[0].sum, 0.25);
  EXPECT_EQ(points[1].sum, 7);
  points.clear();
  extractor.extract("loss=nan", 5, points);
  EXPECT_TRUE(points.empty());
  extractor.extract("loss=3#011other=4", 5, points);
  ASSERT_EQ(points.size(), 1u);
  EXPECT_EQ(points[0].sum, 3);
  EXPECT_TRUE(regex_problem("("));
  EXPECT_FALSE(regex_problem("(a*)*b"));
}

TEST(LineRelay, StoresTabsAsCloudWatchShowsThem) {
  const TemporaryFolder folder;
  {
    LineRelay relay(folder.path() / "log", folder.path() / "metrics",
                    MetricExtractor({{"rmse", R"(.*\[[0-9]+\].*#011validation-rmse:(\S+))"}, {"own", "loss:\\s([0-9.]+)"}}));
    relay.add("[0]\ttrain-rmse:1\tvalidation-rmse:2.5\nloss:\t0.5\n");
    relay.finish();
  }
  const std::string log = read_file(folder.path() / "log");
  EXPECT_NE(log.find("[0]#011train-rmse:1#011validation-rmse:2.5"), std::string::npos) << log;
  EXPECT_NE(log.find("loss:#0110.5"), std::string::npos) << log;
  const std::string metrics = read_file(folder.path() / "metrics");
  EXPECT_NE(metrics.find("rmse"), std::string::npos) << metrics;
  EXPECT_NE(metrics.find("own"), std::string::npos) << metrics;  // an expression for the line as it was printed
}

}  // namespace
}  // namespace clary::jobs
