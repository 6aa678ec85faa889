// SPDX-License-Identifier: Apache-2.0
// The toy algorithm as a real process under the container contract: File, Pipe, failures, stop, two hosts.
#include "learning/shell/train.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>

#include <functional>
#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "formats/record_proto.h"
#include "learning/shell/test_program.h"

namespace clary::shell {
namespace {

using contract::ChannelConfig;
using contract::InputMode;

const ChannelConfig kCsv{InputMode::kFile, "FullyReplicated", "None", "text/csv;label_size=1"};

double mean_of(const JobFolder& job) { return parse_json(read_file(job.layout.model_dir() / "mean.json"))["mean"]; }

/// A job on three CSV rows; mean label 2.
void fill(JobFolder& job, const contract::Hyperparameters& given = {{"feature_dim", "2"}}) {
  job.hyperparameters(given);
  job.channel("train", kCsv);
  job.data("train", "a.csv", "1,0.5,0.5\n2,1,1\n");
  job.data("train", "b/c.csv", "3,7,8\n");
}

TEST(Train, ReadsFilesWritesModelAndLogsLikeAws) {
  JobFolder job;
  fill(job, {{"feature_dim", "2"}, {"epochs", "2"}, {"offset", "0.5"}});
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), 0) << child.output();
  EXPECT_DOUBLE_EQ(mean_of(job), 2.5);
  const std::string log = child.output();
  EXPECT_NE(log.find("Final configuration: {'epochs': '2', 'feature_dim': '2', 'offset': '0.5', 'seed': '1'}"),
            std::string::npos)
      << log;
  EXPECT_NE(log.find("Reading default configuration"), std::string::npos);
  EXPECT_NE(log.find("#quality_metric: host=algo-1, epoch=1, train label <score>=2.0"), std::string::npos);
  EXPECT_NE(log.find("#progress_metric: host=algo-1, completed 100.0 % of epochs"), std::string::npos);
  EXPECT_EQ(job.failure(), "");
}

TEST(Train, ReadsRecordsWhenNoContentTypeIsGiven) {
  JobFolder job;
  job.hyperparameters({{"feature_dim", "2"}});
  job.channel("train", {});
  std::string bytes;
  formats::RecordWriter writer(bytes);
  for (const float label : {4.0F, 8.0F}) writer.write_dense(std::vector<float>{1, 2}, std::vector<float>{label});
  job.data("train", "matrix_0.pbr", bytes);
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), 0) << child.output();
  EXPECT_DOUBLE_EQ(mean_of(job), 6);
}

TEST(Train, PipeModeReadsOneFifoPerPassAndWaitsForTheNext) {
  JobFolder job;
  job.hyperparameters({{"feature_dim", "1"}, {"epochs", "3"}});
  job.channel("train", {InputMode::kPipe, "FullyReplicated", "None", "text/csv;label_size=1"});
  std::filesystem::create_directories(job.layout.data_dir());
  Child child(job, {"train"});
  for (int pass = 0; pass < 3; ++pass) {
    const auto fifo = job.layout.channel_fifo("train", pass);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));  // the program must wait for the path
    ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
    const UniqueFd out = open_file(fifo, O_WRONLY);
    write_all(out.get(), pass == 2 ? "10,1\n20,1\n" : "1,1\n", "fifo");
  }
  EXPECT_EQ(child.wait(), 0) << child.output();
  EXPECT_DOUBLE_EQ(mean_of(job), 15);
}

TEST(Train, StopWhileWaitingForDataEndsWell) {
  JobFolder job;
  job.hyperparameters({{"feature_dim", "1"}});
  job.channel("train", {InputMode::kPipe, "FullyReplicated", "None", "text/csv"});
  std::filesystem::create_directories(job.layout.data_dir());
  Child child(job, {"train"});
  ASSERT_TRUE(child.says("Checkpoint loading")) << child.output();
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0) << child.output();
  EXPECT_EQ(job.failure(), "");
}

TEST(Train, StopKeepsTheModelOfTheMoment) {
  JobFolder job;
  fill(job, {{"feature_dim", "2"}, {"epochs", "1000000000"}});
  Child child(job, {"train"});
  ASSERT_TRUE(child.says("epoch=3,")) << child.output();
  child.signal(SIGTERM);
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(child.output().ends_with("Training was stopped; the model of this moment is saved.\n"));
  EXPECT_DOUBLE_EQ(mean_of(job), 2);
}

TEST(Train, CheckpointFolderIsBelowTheRoot) {
  JobFolder job;
  fill(job);
  write_file_atomically(job.layout.checkpoint_config(), contract::to_json(contract::CheckpointConfig{"s3://b/c"}));
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), 0);
  EXPECT_TRUE(std::filesystem::is_directory(job.layout.checkpoint_dir()));
}

struct Mistake {
  std::string name, failure;
  std::function<void(JobFolder&)> make;
};

class TrainMistake : public testing::TestWithParam<Mistake> {};

TEST_P(TrainMistake, EndsAsClientErrorThatNamesIt) {
  JobFolder job;
  fill(job);
  GetParam().make(job);
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), contract::kExitClientError);
  EXPECT_EQ(job.failure().substr(0, GetParam().failure.size()), GetParam().failure) << job.failure();
  EXPECT_NE(child.output().find(GetParam().failure), std::string::npos) << child.output();
  EXPECT_FALSE(std::filesystem::exists(job.layout.model_dir() / "mean.json"));
}

ChannelConfig typed(const std::string& type) { return {InputMode::kFile, "FullyReplicated", "None", type}; }

INSTANTIATE_TEST_SUITE_P(
    All, TrainMistake,
    testing::Values(
        Mistake{
            "hyperparameters",
            "ClientError: toy: 3 problems with the hyperparameters: (1) No value(s) were specified for 'feature_dim' "
            "which are required hyperparameter(s). (2) Additional properties are not allowed ('epoch' was "
            "unexpected); did you mean 'epochs'?. (3) offset: '1000' is not valid",
            [](JobFolder& job) {
              job.hyperparameters({{"epoch", "3"}, {"offset", "1000"}});
            }},
        Mistake{"bad_config", "ClientError: hyperparameters.json: ",
                [](JobFolder& job) { write_file_atomically(job.layout.hyperparameters(), "{\"a\":"); }},
        Mistake{"rule",
                "ClientError: toy: epochs must not exceed 10 when feature_dim is 1 (given epochs=11, feature_dim=1)",
                [](JobFolder& job) {
                  job.hyperparameters({{"feature_dim", "1"}, {"epochs", "11"}});
                }},
        Mistake{"undeclared_channel", "ClientError: channel tset: not known; the channels are train",
                [](JobFolder& job) { job.channel("tset", kCsv); }},
        Mistake{"missing_channel", "ClientError: channel train: missing, but required",
                [](JobFolder& job) { write_file_atomically(job.layout.input_data_config(), "{}"); }},
        Mistake{"content_type",
                "ClientError: channel train: content type 'image/png' is not supported; expected one of "
                "application/x-recordio-protobuf, text/csv",
                [](JobFolder& job) { job.channel("train", typed("image/png")); }},
        Mistake{"empty_channel", "ClientError: channel train: holds no files",
                [](JobFolder& job) { std::filesystem::remove_all(job.layout.channel_dir("train")); }},
        Mistake{"wrapper", "ClientError: channel train: RecordWrapperType RecordIO is for files without rows",
                [](JobFolder& job) {
                  job.channel("train", {InputMode::kPipe, "FullyReplicated", "RecordIO", "text/csv"});
                }},
        Mistake{"nan", "ClientError: ", [](JobFolder& job) { job.data("train", "a.csv", "1,nan,2\n"); }},
        Mistake{"ragged", "ClientError: ", [](JobFolder& job) { job.data("train", "a.csv", "1,1,2\n1,1\n"); }},
        Mistake{"no_label", "ClientError: channel train: rows need one label each",
                [](JobFolder& job) {
                  job.channel("train", typed("text/csv;label_size=0"));
                  std::filesystem::remove_all(job.layout.channel_dir("train"));
                  job.data("train", "a.csv", "1,2\n");
                }}),
    [](const auto& row) { return row.param.name; });

TEST(Train, RaggedFileIsNamedWithLine) {
  JobFolder job;
  fill(job);
  job.data("train", "a.csv", "1,1,2\n1,1\n");
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), contract::kExitClientError);
  EXPECT_NE(job.failure().find("train/a.csv"), std::string::npos) << job.failure();
  EXPECT_NE(job.failure().find("2"), std::string::npos) << job.failure();
}

TEST(Train, ModelThatIsNotFiniteFailsTheJobAndIsNotSaved) {
  JobFolder job;
  job.hyperparameters({{"feature_dim", "2"}});
  job.channel("train", kCsv);
  job.data("train", "a.csv", "\n");  // no row: the mean is 0 / 0
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), contract::kExitClientError) << child.output();
  EXPECT_TRUE(job.failure().starts_with("ClientError: toy: mean[0] of the trained model is ")) << job.failure();
  EXPECT_TRUE(job.failure().ends_with("the model is not saved: give at least one row")) << job.failure();
  EXPECT_FALSE(std::filesystem::exists(job.layout.model_dir() / "mean.json"));
}

TEST(Train, InternalProblemIsAlgorithmError) {
  JobFolder job;
  fill(job);
  std::filesystem::create_directories(job.layout.model_dir() / "mean.json");  // the model cannot be written there
  Child child(job, {"train"});
  EXPECT_EQ(child.wait(), contract::kExitAlgorithmError);
  EXPECT_TRUE(job.failure().starts_with("AlgorithmError: ")) << job.failure();
}

TEST(FailureText, IsCutToWholeCharacters) {
  std::string text;
  for (int i = 0; i < 2000; ++i) text += "\xc3\xa4";
  const auto failure = failure_text(std::make_exception_ptr(Error(Kind::kInvalid, text)));
  EXPECT_EQ(failure.size(), 13 + 2 * (contract::kMaxFailureChars - 13));
  EXPECT_EQ(failure.substr(failure.size() - 2), "\xc3\xa4");
  EXPECT_TRUE(failure_text(std::make_exception_ptr(std::bad_alloc())).starts_with("AlgorithmError: out of memory"));
  EXPECT_EQ(failure_text(std::make_exception_ptr(3)), "AlgorithmError: unknown exception");
}

TEST(Train, TwoHostsShareTheWork) {
  JobFolder jobs[2];
  const contract::ResourceConfig both{"", {"127.0.1.1", "127.0.1.2"}, "lo", "", ""};
  for (int rank = 0; rank < 2; ++rank) {
    fill(jobs[rank]);
    jobs[rank].data("train", "d.csv", rank == 0 ? "6,0,0\n" : "16,0,0\n8,1,1\n");
    auto resources = both;
    resources.current_host = both.hosts[static_cast<std::size_t>(rank)];
    jobs[rank].resources(resources);
  }
  Child first(jobs[0], {"train"}), second(jobs[1], {"train"});
  EXPECT_EQ(first.wait(), 0) << first.output();
  EXPECT_EQ(second.wait(), 0) << second.output();
  EXPECT_DOUBLE_EQ(mean_of(jobs[0]), (6 + 6 + 6 + 16 + 8) / 9.0);
  EXPECT_FALSE(std::filesystem::exists(jobs[1].layout.model_dir() / "mean.json"));  // host 1 writes the model
  EXPECT_NE(second.output().find("host=127.0.1.2"), std::string::npos);
}

TEST(Train, AStopOfOneHostStopsAll) {
  JobFolder jobs[2];
  for (int rank = 0; rank < 2; ++rank) {
    fill(jobs[rank], {{"feature_dim", "2"}, {"epochs", "1000000000"}});
    const std::string self = rank == 0 ? "127.0.2.1" : "127.0.2.2";
    jobs[rank].resources({self, {"127.0.2.1", "127.0.2.2"}, "lo", "", ""});
  }
  Child first(jobs[0], {"train"}), second(jobs[1], {"train"});
  ASSERT_TRUE(first.says("epoch=3,")) << first.output();
  second.signal(SIGTERM);
  EXPECT_EQ(first.wait(), 0) << first.output();
  EXPECT_EQ(second.wait(), 0) << second.output();
  EXPECT_DOUBLE_EQ(mean_of(jobs[0]), 2);
}

TEST(Describe, PrintsWhatTheServerReads) {
  JobFolder job;
  Child child(job, {"describe"});
  EXPECT_EQ(child.wait(), 0);
  const Json json = parse_json(child.output());
  EXPECT_EQ(json["Name"], "toy");
  EXPECT_EQ(json["Images"], Json({"toy"}));
  EXPECT_EQ(json["HyperParameters"].size(), 4u);
  EXPECT_EQ(json["Channels"][0]["IsRequired"], true);
  EXPECT_EQ(json["Metrics"][0]["Name"], "train:label");
  EXPECT_EQ(json["Distributed"], true);
}

TEST(Describe, MarkdownAndHelpListEveryHyperparameter) {
  JobFolder job;
  Child markdown(job, {"describe", "--markdown"}), help(job, {"--help"}), wrong(job, {"fly"}), none(job, {});
  EXPECT_EQ(markdown.wait(), 0);
  EXPECT_EQ(help.wait(), 0);
  EXPECT_NE(wrong.wait(), 0);
  EXPECT_NE(none.wait(), 0);
  for (const char* name : {"feature_dim", "epochs", "offset", "seed"}) {
    EXPECT_NE(markdown.output().find(name), std::string::npos);
    EXPECT_NE(help.output().find(name), std::string::npos);
  }
  EXPECT_NE(wrong.output().find("'fly' is not understood"), std::string::npos);
}

}  // namespace
}  // namespace clary::shell
