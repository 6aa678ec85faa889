// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/data/loader.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <fstream>
#include <thread>

#include "algorithms/xgboost/model/objectives.h"
#include "base/error.h"
#include "base/files.h"
#include "formats/record_proto.h"

namespace clary::xgboost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

/// A job's tree with channels of files or pipes.
class Job {
 public:
  Job() {
    setup_.layout.root = folder_.path();
    setup_.threads = 2;
    setup_.log = [this](std::string_view line) { log += line; };
  }
  Job& file(const std::string& name, const std::string& bytes) {
    const auto path = setup_.layout.channel_dir("x").parent_path() / name;
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
    setup_.channels[name.substr(0, name.find('/'))];
    return *this;
  }
  Job& type(const std::string& channel, const std::string& type) {
    setup_.channels[channel].content_type = type;
    return *this;
  }
  Job& empty(const std::string& channel) {
    std::filesystem::create_directories(setup_.layout.channel_dir(channel));
    setup_.channels[channel];
    return *this;
  }
  Job& pipe(const std::string& channel, const std::string& bytes, const std::string& type) {
    setup_.channels[channel] = {contract::InputMode::kPipe, "FullyReplicated", "None", type};
    if (bytes.empty()) return *this;
    const auto path = setup_.layout.channel_fifo(channel, 0);
    std::filesystem::create_directories(path.parent_path());
    mkfifo(path.c_str(), 0600);
    writer_ = std::jthread([path, bytes] { std::ofstream(path, std::ios::binary) << bytes; });
    return *this;
  }
  Job& host(int number, int hosts) {
    setup_.resources.hosts.clear();
    for (int h = 1; h <= hosts; ++h) setup_.resources.hosts.push_back("algo-" + std::to_string(h));
    setup_.resources.current_host = "algo-" + std::to_string(number);
    return *this;
  }
  LoadedData load(LoadOptions options = {}) {
    shell::Descriptor descriptor;
    descriptor.distributed = true;
    for (const char* name : {"train", "validation"}) {
      shell::ChannelSpec spec;
      spec.name = name;
      spec.content_types.clear();
      spec.default_content_type = "text/libsvm";
      descriptor.channels.push_back(spec);
    }
    shell::TrainContext context(descriptor, setup_);
    return load_data(context, options);
  }
  std::string failure(LoadOptions options = {}) {
    try {
      load(options);
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  std::string root() const { return folder_.path().string(); }

  std::string log;

 private:
  TemporaryFolder folder_;
  shell::TrainContext::Setup setup_;
  std::jthread writer_;
};

TEST(Loader, ReadsCsvWithLabelsFirst) {
  Job job;
  const auto data =
      job.file("train/a.csv", "1,2,3\n0,,5\n").file("train/b.csv", "1,nan,NA\n").type("train", "text/csv").load();
  ASSERT_TRUE(data.train);
  EXPECT_EQ(data.train->rows, 3);
  EXPECT_EQ(data.train->columns, 2);
  EXPECT_THAT(data.train->matrix.labels(), ElementsAre(1, 0, 1));
  EXPECT_EQ(data.train->matrix.non_missing(), 3);
  EXPECT_FALSE(data.validation);
  EXPECT_THAT(job.log, HasSubstr("Determined delimiter of CSV input is ','"));
}

TEST(Loader, ReadsWeightsOfTheSecondColumn) {
  const auto data = Job().file("train/a.csv", "1;0.5;3\n0;2;5\n").type("train", "csv").load({.csv_weights = true});
  EXPECT_EQ(data.train->columns, 1);
  EXPECT_THAT(data.train->matrix.labels(), ElementsAre(1, 0));
  EXPECT_THAT(data.train->matrix.weights(), ElementsAre(0.5F, 2));
}

TEST(Loader, ReadsHeaderNamesAndNamedColumns) {
  const auto data = Job()
                        .file("train/a.csv", "age,\"query\",height,y,w\n30,1,1.8,0,2\n40,1,1.7,1,3\n20,4,1.6,0,5\n")
                        .type("train",
                              "text/csv;header=present;label_column=y;group_column=query;weight_column=w;"
                              "categorical=age")
                        .load();
  EXPECT_EQ(data.train->columns, 2);
  EXPECT_THAT(data.train->matrix.labels(), ElementsAre(0, 1, 0));
  EXPECT_THAT(data.train->matrix.weights(), ElementsAre(2, 5));  // one a query
  EXPECT_THAT(data.train->matrix.feature_names(), ElementsAre("age", "height"));
  EXPECT_THAT(data.train->matrix.feature_types(), ElementsAre("c", "q"));
}

TEST(Loader, ReadsLibsvmAndMakesBothChannelsEquallyWide) {
  const auto data = Job()
                        .file("train/a", "1 0:1 3:2\n0:0.5 1:1\n")
                        .file("validation/v", "1 7:1\n")
                        .type("train", "text/x-libsvm")
                        .load();
  EXPECT_EQ(data.train->columns, 8);
  EXPECT_EQ(data.validation->columns, 8);
  EXPECT_THAT(data.train->matrix.weights(), ElementsAre(1, 0.5F));
}

TEST(Loader, ReadsRecords) {
  std::string bytes;
  formats::RecordWriter writer(bytes);
  for (int r = 0; r < 3; ++r) {
    const std::vector<float> values{1, static_cast<float>(r)}, label{static_cast<float>(r % 2)};
    writer.write_dense(values, label);
  }
  const auto data = Job().file("train/a.pbr", bytes).type("train", "application/x-recordio-protobuf").load();
  EXPECT_EQ(data.train->rows, 3);
  EXPECT_EQ(data.train->columns, 2);
  EXPECT_EQ(data.train->matrix.non_missing(), 6);
  EXPECT_EQ(Job().file("train/a.pbr", bytes).load().train->rows, 3);  // sniffed
}

TEST(Loader, SniffsTheTypeAndSaysSo) {
  Job csv;
  EXPECT_EQ(csv.file("train/a.csv", "1,2,3\n").load().train->columns, 2);
  EXPECT_THAT(csv.log, HasSubstr("No ContentType given for channel 'train': assuming 'text/csv' from the start of file "
                                 "'train/a.csv'."));
  Job libsvm;
  EXPECT_EQ(libsvm.file("train/a", "1 2:3\n").load().train->columns, 3);
  EXPECT_THAT(libsvm.log, HasSubstr("assuming 'text/libsvm'"));
}

/// Spark writes an empty _SUCCESS, and empty parts, beside its data; names with "_" come first.
TEST(Loader, TheTypeIsGuessedFromTheFirstFileWithContent) {
  std::string records;
  formats::RecordWriter(records).write_dense(std::vector<float>{1, 2}, std::vector<float>{1});
  for (const std::string& data : {std::string("1,2,3\n"), records, std::string("1 1:3\n")}) {
    Job job;
    const auto loaded = job.file("train/_SUCCESS", "").file("train/part-0", "").file("train/part-1", data).load();
    EXPECT_EQ(loaded.train->rows, 1);
    EXPECT_EQ(loaded.train->columns, 2);
    EXPECT_THAT(job.log, HasSubstr("from the start of file 'train/part-1'"));
  }
  EXPECT_THAT(Job().file("train/_SUCCESS", "").file("train/p", "PAR1.....").failure(), HasSubstr("Parquet"));
  const auto header =
      Job().file("train/_SUCCESS", "").file("train/p", "y;x\n1;2\n").type("train", "text/csv;header=present").load();
  EXPECT_THAT(header.train->matrix.feature_names(), ElementsAre("x"));
}

TEST(Loader, BinaryFilesAreNoText) {
  EXPECT_THAT(Job().file("train/a", "PAR1\x15\x04\x15").type("train", "text/csv").failure(),
              HasSubstr("train/a: line 1: this is a Parquet file, not text"));
  EXPECT_THAT(Job().file("train/a", "PK\x03\x04rest").type("train", "text/csv").failure(),
              HasSubstr("this is a zip archive (an Excel workbook, perhaps), not text"));
  EXPECT_THAT(Job().file("train/a", std::string("1,2\n\0\n", 6)).type("train", "text/csv").failure(),
              HasSubstr("byte 5 is 0: this is a binary file, not text"));
}

/// 600 files of 15 numbers once reserved 16 MiB of address space each, and ended as "out of memory".
TEST(Loader, ManySmallFilesTakeLittleMemory) {
  Job job;
  for (int i = 0; i < 600; ++i) job.file(fmt::format("train/part-{:05}", i), "1,2,3,4\n0,2,3,4\n");
  job.type("train", "text/csv");
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_DATA, &before), 0);
  const rlimit lower{1ULL << 30, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_DATA, &lower), 0);
  std::int64_t rows = 0;
  EXPECT_NO_THROW(rows = job.load().train->rows);
  setrlimit(RLIMIT_DATA, &before);
  EXPECT_EQ(rows, 1200);
}

TEST(Loader, LabelsThatTheObjectiveCannotHaveAreNamed) {
  const auto failure = [](const char* objective, int classes, const std::string& csv, bool weights = false) {
    return Job()
        .file("train/a.csv", csv)
        .type("train", "text/csv")
        .failure({.csv_weights = weights, .label_rule = label_rule_of(objective, classes)});
  };
  EXPECT_EQ(failure("binary:logistic", 0, "1,2\n-1,3\n"),
            "train/a.csv: line 2: column 1: label -1 is not valid: label must be in [0,1] for logistic regression "
            "(objective binary:logistic)");
  EXPECT_EQ(failure("multi:softmax", 3, "7,3\n"),
            "train/a.csv: line 1: column 1: label 7 is not valid: label must be in [0, num_class) and whole; num_class "
            "is 3 (objective multi:softmax)");
  EXPECT_THAT(failure("multi:softprob", 3, "0.5,3\n"),
              HasSubstr("label 0.5 is not valid: label must be in [0, num_class) and whole"));
  EXPECT_THAT(failure("reg:gamma", 0, "0,3\n"),
              HasSubstr("label 0 is not valid: GammaRegression: label must be positive"));
  EXPECT_THAT(failure("count:poisson", 0, "-2,3\n"),
              HasSubstr("label -2 is not valid: PoissonRegression: label must be nonnegative"));
  EXPECT_THAT(failure("reg:squaredlogerror", 0, "-1,3\n"),
              HasSubstr("label -1 is not valid: label must be greater than -1 for rmsle"));
  EXPECT_THAT(failure("binary:logistic", 0, "1,1,3\n2,1,3\n", true),
              HasSubstr("channel train: row 2: label 2 is not valid: label must be in [0,1]"));
  EXPECT_EQ(failure("reg:squarederror", 0, "-7.5,3\n"), "no error");
  EXPECT_EQ(failure("reg:tweedie", 0, "0,3\n"), "no error");
}

TEST(Loader, RefusesHeadersQuotesInfinityAndRaggedRows) {
  EXPECT_EQ(Job().file("train/a.csv", "y,x\n1,2\n").type("train", "text/csv").failure(),
            "train/a.csv: line 1: column 1: \"y\" is not a number (if this line is a header, say "
            "text/csv;header=present)");
  EXPECT_EQ(Job().file("train/a.csv", "1,2\n1,\"2\"\n").type("train", "text/csv").failure(),
            "train/a.csv: line 2: column 2: \"\"2\"\" is in quotes, expected a plain number");
  EXPECT_EQ(Job().file("train/a.csv", "1,2\n1,inf\n").type("train", "text/csv").failure(),
            "train/a.csv: line 2: column 2: \"inf\" is infinite or outside the range of float32");
  EXPECT_EQ(Job().file("train/a.csv", "1,2\n1,2,3\n").type("train", "text/csv").failure(),
            "train/a.csv: line 2: the row has 3 columns, expected 2");
  EXPECT_EQ(Job().file("train/a.csv", "1,2\n,2\n").type("train", "text/csv").failure(),
            "train/a.csv: line 2: column 1: \"\" is a missing label or weight, expected a number");
}

TEST(Loader, RefusesWhatIsNotLibsvm) {
  EXPECT_EQ(Job().file("train/a.csv", "1,2,3\n").type("train", "text/libsvm").failure(),
            "First line '1,2,3...' of file 'train/a.csv' is not 'LIBSVM' format. Please ensure the file is in 'LIBSVM' "
            "format.");
  setenv("CLARY_IMAGE", "123.dkr.ecr.us-east-1.amazonaws.com/xgboost:1", 1);
  EXPECT_THAT(Job().file("train/a.csv", "1,2,3\n").type("train", "text/libsvm").failure(),
              StartsWith("Blankspace and colon not found in firstline '1,2,3...' of file 'train/a.csv'"));
  unsetenv("CLARY_IMAGE");
  Job sparse;
  sparse.file("train/a", "1\n0 1:2\n").type("train", "libsvm").load();
  EXPECT_THAT(sparse.log, HasSubstr("has no feature in its first line"));
}

TEST(Loader, NamesTypesThatItDoesNotTake) {
  EXPECT_THAT(Job().file("train/a", "x").type("train", "application/x-parquet").failure(), HasSubstr("Parquet"));
  EXPECT_THAT(Job().file("train/a", "PAR1....").failure(), HasSubstr("Parquet"));
  EXPECT_THAT(Job().file("train/a", "x").type("train", "application/json").failure(),
              HasSubstr("is not an accepted ContentType"));
  EXPECT_EQ(Job().file("train/a", "1,2\n").type("train", "text/csv;label_size=2").failure(),
            "text/csv;label_size=2 is not an accepted csv ContentType. Optional parameter label_size must be equal to "
            "1");
  EXPECT_EQ(Job().pipe("train", "", "text/libsvm").failure(), "Pipe mode not supported for LibSVM.");
}

TEST(Loader, EmptyChannelsAreNamed) {
  EXPECT_THAT(Job().empty("train").failure(), StartsWith("No data in training channel path "));
  EXPECT_THAT(Job().file("train/a", "1,2\n").empty("validation").type("train", "text/csv").failure(),
              StartsWith("No data in validation channel path "));
  EXPECT_THAT(Job().file("train/a", "\n\n").type("train", "text/csv").failure(),
              testing::EndsWith("channel 'train': no row in 'train/a'"));
  EXPECT_THAT(Job().file("train/_SUCCESS", "").file("train/part-0", "").failure(),
              testing::EndsWith("channel 'train': no row in 'train/_SUCCESS', 'train/part-0'"));
  EXPECT_THAT(Job().empty("train").failure(), testing::EndsWith("channel 'train': there is no file"));
  const auto data = Job().host(2, 2).empty("train").load();
  EXPECT_FALSE(data.train);
}

TEST(Loader, SkipsHiddenFilesArchivesAndDeepFolders) {
  Job job;
  const auto data = job.file("train/a.csv", "1,2\n")
                        .file("train/one/two/b.csv", "1,2\n")
                        .file("train/one/two/three/c.csv", "1,2\n")
                        .file("train/.DS_Store", "x")
                        .file("train/job/output/model.tar.gz", "x")
                        .file("train/_SUCCESS", "")
                        .file("validation/a.csv", "1,3\n")
                        .type("train", "text/csv")
                        .load();
  EXPECT_EQ(data.train->rows, 2);
  EXPECT_THAT(job.log, HasSubstr("Hidden file found in the data path! Remove that before training."));
  EXPECT_THAT(job.log, HasSubstr("Skipping train/job/output/model.tar.gz"));
  EXPECT_THAT(job.log, HasSubstr("train/one/two/three exceeds the limit 3"));
  EXPECT_THAT(job.log, HasSubstr("Suspected identical files found. (train/a.csv and validation/a.csv"));
}

TEST(Loader, ReadsPipes) {
  const auto data = Job().pipe("train", "1,2\n0,3\n", "text/csv").load();
  EXPECT_EQ(data.train->rows, 2);
}

TEST(Loader, QueriesBecomeGroups) {
  const auto data = Job().file("train/a", "1 qid:1 0:1\n0 qid:1 1:1\n2 qid:2 0:2\n").type("train", "libsvm").load();
  EXPECT_EQ(data.train->rows, 3);
  EXPECT_THAT(Job().file("train/a", "1 qid:1 0:1\n0 qid:2 1:1\n2 qid:1 0:2\n").type("train", "libsvm").failure(),
              HasSubstr("query 1 comes again after others"));
}

TEST(Loader, ReplicatedRowsAreSharedAmongHosts) {
  std::int64_t rows = 0;
  for (int host = 1; host <= 2; ++host) {
    const auto data = Job().host(host, 2).file("train/a.csv", "0,1\n1,1\n2,1\n").type("train", "text/csv").load();
    rows += data.train->rows;
    EXPECT_THAT(data.train->matrix.labels(), host == 1 ? testing::Matcher<std::vector<float>>(ElementsAre(0, 2))
                                                       : testing::Matcher<std::vector<float>>(ElementsAre(1)));
  }
  EXPECT_EQ(rows, 3);
}

TEST(Loader, WidthsOfChannelsMustAgree) {
  EXPECT_EQ(Job().file("train/a.csv", "1,2,3\n").file("validation/a.csv", "1,2\n").type("train", "text/csv").failure(),
            "channel validation: the rows have 1 features, those of channel train 2");
}

}  // namespace
}  // namespace clary::xgboost
