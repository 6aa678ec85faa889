// SPDX-License-Identifier: Apache-2.0
// Whole training runs through the shell's context: files and FIFOs, CSV and records, one host and two.
#include "algorithms/knn/train/trainer.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cstring>
#include <fstream>
#include <random>
#include <regex>
#include <thread>

#include "algorithms/knn/knn.h"
#include "base/error.h"
#include "base/files.h"
#include "formats/record_proto.h"

namespace clary::knn {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

/// Label r % classes, features near the label: any k-NN gets these right.
std::string csv_rows(int first, int rows, int classes = 3) {
  std::string out;
  for (int r = first; r < first + rows; ++r) {
    const int label = r % classes;
    out +=
        std::to_string(label) + "," + std::to_string(10 * label + r * .001) + "," + std::to_string(-10 * label) + "\n";
  }
  return out;
}

/// One host's tree under /opt/ml and what it runs with.
class Job {
 public:
  Job() {
    given_ = {{"feature_dim", "2"}, {"k", "3"}, {"predictor_type", "classifier"}, {"sample_size", "all"}};
    setup_.layout.root = folder_.path();
    setup_.threads = 2;
    setup_.log = [this](std::string_view line) { log_ += line; };
  }
  Job& set(const std::string& name, const std::string& value) { return given_[name] = value, *this; }
  Job& file(const std::string& channel, const std::string& name, const std::string& bytes,
            const std::string& type = "text/csv") {
    const auto dir = setup_.layout.channel_dir(channel);
    std::filesystem::create_directories(dir);
    std::ofstream(dir / name, std::ios::binary) << bytes;
    setup_.channels[channel].content_type = type;
    return *this;
  }
  Job& pipe(const std::string& channel, const std::string& bytes) {
    setup_.channels[channel] = {contract::InputMode::kPipe, "FullyReplicated", "None", "text/csv"};
    const auto path = setup_.layout.channel_fifo(channel, 0);
    std::filesystem::create_directories(path.parent_path());
    mkfifo(path.c_str(), 0600);
    writer_ = std::jthread([path, bytes] { std::ofstream(path, std::ios::binary) << bytes; });
    return *this;
  }
  Job& host(const std::string& name, const std::vector<std::string>& all, std::uint16_t port) {
    setup_.resources.current_host = name;
    setup_.resources.hosts = all;
    setup_.connect.port = port;
    setup_.connect.connect_timeout = std::chrono::seconds(20);
    for (auto& [channel, config] : setup_.channels) config.distribution = "ShardedByS3Key";
    return *this;
  }
  Model run() {
    setup_.hyperparameters = given_;
    const auto hp = schema().parse(given_);
    shell::TrainContext context(Knn::descriptor(), setup_);
    return train(hp, context);
  }
  std::string problem() {
    try {
      run();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
  const std::string& log() const { return log_; }
  std::filesystem::path path() const { return folder_.path(); }

 private:
  TemporaryFolder folder_;
  shell::TrainContext::Setup setup_;
  hyper::TextMap given_;
  std::string log_;
  std::jthread writer_;
};

TEST(KnnTrain, ScoresTheTestChannelAndLogsWhatAwsLogs) {
  Job job;
  job.file("train", "a.csv", csv_rows(0, 300)).file("test", "b.csv", csv_rows(300, 90)).set("mini_batch_size", "40");
  const Model model = job.run();
  EXPECT_EQ(model.rows(), 300);
  for (
      const char* line :
      {R"(\[\d\d/\d\d/\d{4} \d\d:\d\d:\d\d INFO \d+\] Using per-worker sample size = all \(Available virtual memory = \d+ bytes, GPU free memory = 0 bytes, number of workers = 1\)\. If an out-of-memory error occurs, choose a larger)",
       R"(#progress_metric: host=algo-1, completed 100\.0 % of epochs)",
       R"(#throughput_metric: host=algo-1, train throughput=\S+ records/second)",
       R"("Algorithm":"AWS/KNN".*"Meta":"training_data_iter".*"Total Records Seen":\{"sum":300)",
       R"(Got reservoir sample from algo-1: data=\(300, 2\), labels=\(300,\), NaNs=0)",
       R"(Finished training index in 0 second\(s\))", R"(Finished adding data to index in 0 second\(s\))",
       R"(#test_score \(algo-1\) : \('accuracy', 1\.0\))", R"(#test_score \(algo-1\) : \('macro_f_1\.000', 1\.0\))",
       R"(#test_accuracy_by_k : \{1: 1\.0, 2: 1\.0, 3: 1\.0\})", R"("Meta":"test_data_iter")"}) {
    EXPECT_TRUE(std::regex_search(job.log(), std::regex(line))) << line << "\n" << job.log();
  }
  for (const auto& metric : Knn::descriptor().metrics) {
    const bool absent = metric.name == "test:mse" || metric.name == "train:recall@10";
    EXPECT_EQ(std::regex_search(job.log(), std::regex(metric.regex)), !absent) << metric.name;
  }
  EXPECT_THAT(read_file(job.path() / "output/data/test_scores.json"), HasSubstr("\"accuracy_by_k\""));
}

TEST(KnnTrain, RegressorReportsMse) {
  Job job;
  job.file("train", "a.csv", csv_rows(0, 300))
      .file("test", "b.csv", csv_rows(300, 90))
      .set("predictor_type", "regressor");
  job.run();
  EXPECT_TRUE(std::regex_search(job.log(), std::regex(R"(#quality_metric: host=\S+, test mse <loss>=0\.0)")))
      << job.log();
  EXPECT_THAT(job.log(), HasSubstr("('mse', 0.0)"));
}

// sagemaker-python-sdk issue 1109: gzipped CSV in Pipe mode trained on a part of its rows.
TEST(KnnTrain, GzippedCsvThroughAPipeLosesNoRow) {
  const std::string one = gzipped(csv_rows(0, 1500)), two = gzipped(csv_rows(1500, 1500));
  for (const std::string& bytes : {gzipped(csv_rows(0, 3000)), one + two, csv_rows(0, 3000)}) {
    Job job;
    job.pipe("train", bytes).set("mini_batch_size", "7");
    const Model model = job.run();
    ASSERT_EQ(model.rows(), 3000);
    for (std::int64_t r = 0; r < 3000; ++r) ASSERT_EQ(model.label(r), static_cast<float>(r % 3)) << r;
  }
}

TEST(KnnTrain, Float64RecordsWithInt32LabelsAndThousandsOfClasses) {
  // One Record as Python's SDK writes NumPy's defaults: features["values"] Float64Tensor (field 3 of Value), label
  // ["values"] Int32Tensor (field 7).
  std::string file;
  for (int r = 0; r < 3000; ++r) {
    const double values[2] = {r * .5, 1};
    std::string packed(reinterpret_cast<const char*>(values), 16);
    const auto field = [](char tag, const std::string& body) {
      return std::string{tag, static_cast<char>(body.size())} + body;
    };
    std::string varint;
    for (unsigned v = static_cast<unsigned>(r); v != 0 || varint.empty(); v >>= 7) {
      varint += static_cast<char>((v & 127) | (v >= 128 ? 128 : 0));
    }
    const std::string features = field(0x0A, field(0x0A, "values") + field(0x12, field(0x1A, field(0x0A, packed))));
    const std::string label = field(0x12, field(0x0A, "values") + field(0x12, field(0x3A, field(0x0A, varint))));
    const std::string record = features + label;
    const std::uint32_t head[2] = {0xCED7230A, static_cast<std::uint32_t>(record.size())};
    file.append(reinterpret_cast<const char*>(head), 8) += record;
    file.append((4 - record.size() % 4) % 4, '\0');
  }
  Job job;
  job.file("train", "a.pbr", file, "application/x-recordio-protobuf").set("k", "1");
  const Model model = job.run();
  ASSERT_EQ(model.rows(), 3000);
  for (std::int64_t r = 0; r < 3000; ++r) ASSERT_EQ(model.label(r), static_cast<float>(r));
}

TEST(KnnTrain, SparseRecordsAreFilledWithZerosAndUidsKept) {
  std::string file;
  formats::RecordWriter writer(file);
  const float one = 1, two = 2;
  const std::int32_t column = 1;
  writer.write_sparse({&column, 1}, {&two, 1}, 2, {&one, 1}, "second column");
  writer.write_sparse({}, {}, 2, {&two, 1}, "nothing");
  Job job;
  job.file("train", "a.pbr", file, "application/x-recordio-protobuf");
  const Model model = job.run();
  Vectors query(2);
  query.append(std::vector<float>{0, 0});
  const Neighbours found = model.neighbours(std::move(query), 2, 1);
  EXPECT_EQ(found.distances, (std::vector<float>{0, 4}));
  EXPECT_EQ(model.id_text(found.ids[0]), "nothing");
}

TEST(KnnTrain, SamplesAndKeepsPositions) {
  Job job;
  job.file("train", "a.csv", csv_rows(0, 1000)).set("sample_size", "50").set("seed", "9");
  const Model model = job.run();
  ASSERT_EQ(model.rows(), 50);
  bool moved = false;
  for (std::int64_t i = 0; i < 50; ++i) {
    const int position = std::stoi(model.id_text(i));
    EXPECT_EQ(model.label(i), static_cast<float>(position % 3));
    moved = moved || position >= 50;
  }
  EXPECT_TRUE(moved);
}

TEST(KnnTrain, TrainsOnFewerRowsThanTheSample) {
  Job job;
  job.file("train", "a.csv", csv_rows(0, 200)).set("sample_size", "500").set("k", "500");
  const Model model = job.run();
  EXPECT_EQ(model.rows(), 200);
}

TEST(KnnTrain, IvfLogsRecallAndRaisesWidthsForPq) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::string rows;
  for (int r = 0; r < 1000; ++r) {
    rows += std::to_string(r % 2);
    for (int j = 0; j < 10; ++j) rows += "," + std::to_string(normal(random));
    rows += "\n";
  }
  for (const char* type : {"faiss.IVFFlat", "faiss.IVFPQ"}) {
    for (const char* reduction : {"", "sign", "fjlt"}) {
      Job job;
      job.file("train", "a.csv", rows).set("feature_dim", "10").set("index_type", type).set("faiss_index_pq_m", "4");
      if (*reduction != '\0') job.set("dimension_reduction_type", reduction).set("dimension_reduction_target", "5");
      const Model model = job.run();
      const bool pq = std::string(type) == "faiss.IVFPQ", reduced = *reduction != '\0';
      EXPECT_EQ(model.index().options().width, reduced ? (pq ? 8 : 5) : (pq ? 12 : 10));
      EXPECT_EQ(model.index().options().nlist, 31);
      std::smatch match;
      ASSERT_TRUE(std::regex_search(job.log(), match, std::regex(R"(train recall@10 <score>=(\S+))"))) << job.log();
      EXPECT_GT(std::stod(match[1]), .2);
      EXPECT_LE(std::stod(match[1]), 1);
      model.save(job.path() / "model");
      const Model loaded = Model::load(job.path() / "model");
      Vectors query(10);
      query.append(std::vector<float>(10, .5F));
      EXPECT_EQ(loaded.neighbours(query, 5, 31).ids, model.neighbours(query, 5, 31).ids);
    }
  }
}

TEST(KnnTrain, AutoFeatureDimIsWhatTheFirstRowHas) {
  Job job;
  job.file("train", "a.csv", csv_rows(0, 10)).set("feature_dim", "auto");
  EXPECT_EQ(job.run().feature_dim(), 2);
}

TEST(KnnTrain, NamesWhatIsWrongWithTheData) {
  struct Row {
    const char *name, *bytes, *says;
  };
  for (const Row& row : {Row{"ragged", "1,2,3\n1,2\n", "line 2"}, Row{"nan", "1,2,nan\n", "nan"},
                         Row{"empty file", "", "no rows"}, Row{"word", "1,2,x\n", "line 1"}}) {
    Job job;
    job.file("train", "a.csv", row.bytes);
    EXPECT_THAT(job.problem(), HasSubstr(row.says)) << row.name;
  }
  Job labels;
  labels.file("train", "a.csv", "1,2,3,4\n", "text/csv;label_size=2");
  EXPECT_THAT(labels.problem(), HasSubstr("2 labels"));
  Job few;
  few.file("train", "a.csv", csv_rows(0, 100)).set("index_type", "faiss.IVFPQ").set("faiss_index_pq_m", "2");
  EXPECT_THAT(few.problem(), HasSubstr("at least 256 rows"));
  Job memory;
  memory.pipe("train", csv_rows(0, 3)).set("sample_size", "1000000000000").set("feature_dim", "100000");
  EXPECT_THAT(memory.problem(), HasSubstr("decrease sample_size"));
  std::ifstream(memory.path() / "input/data/train_0").ignore(1 << 20);  // lets the writer finish
}

TEST(KnnTrain, RowsWhoseProjectionOverflowsFailTheJob) {
  std::string rows;
  for (int r = 0; r < 300; ++r) rows += std::to_string(r % 3) + ",3e38,3e38,3e38,3e38,3e38,3e38,3e38,3e38\n";
  for (const char* type : {"faiss.Flat", "faiss.IVFFlat", "faiss.IVFPQ"}) {
    Job job;
    job.file("train", "a.csv", rows).set("feature_dim", "8").set("index_type", type);
    job.set("dimension_reduction_type", "sign").set("dimension_reduction_target", "2");
    std::string problem;
    try {
      job.run().check_finite(shell::FiniteCheck(Knn::kName, Knn::kWhenNotFinite));
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kInvalid);
      problem = error.what();
    }
    EXPECT_THAT(problem, ::testing::StartsWith("knn: rows[")) << type;
    EXPECT_THAT(problem, HasSubstr("scale the features down")) << type;
  }
}

TEST(KnnTrain, WarnsOfLabelsBeyondFloat32) {
  Job job;
  job.file("train", "a.csv", "16777217,1,2\n3,1,2\n16777219,4,5\n");
  job.run();
  EXPECT_THAT(job.log(), HasSubstr("WARNING"));
  EXPECT_THAT(job.log(), HasSubstr("2^24"));
}

std::uint16_t free_port() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

TEST(KnnTrain, TwoHostsGatherTheirReservoirsOnTheFirst) {
  const std::vector<std::string> hosts = {"127.0.0.1", "127.0.0.2"};
  for (const bool second_is_empty : {false, true}) {
    const std::uint16_t port = free_port();
    Job jobs[2];
    Model models[2];
    std::string problems[2];
    {
      std::vector<std::jthread> threads;
      for (int rank = 0; rank < 2; ++rank) {
        Job& job = jobs[rank];
        if (rank == 1 && second_is_empty) {
          job.file("train", ".hidden", "").file("test", ".hidden", "");
        } else {
          job.file("train", "a.csv", csv_rows(1000 * rank, 1000))
              .file("test", "a.csv", csv_rows(500 * rank, 30 + rank));
        }
        job.set("sample_size", "101").host(hosts[static_cast<std::size_t>(rank)], hosts, port);
        threads.emplace_back([&, rank] {
          try {
            models[rank] = jobs[rank].run();
          } catch (const std::exception& error) {
            problems[rank] = error.what();
          }
        });
      }
    }
    ASSERT_EQ(problems[0] + problems[1], "");
    EXPECT_EQ(models[0].rows(), second_is_empty ? 51 : 101);
    EXPECT_EQ(models[1].rows(), 0);
    for (std::int64_t i = 0; i < models[0].rows(); ++i) {
      const int position = std::stoi(models[0].id_text(i));  // counted over both hosts
      EXPECT_EQ(position >= 1000, i >= 51) << i;
      EXPECT_EQ(models[0].label(i), static_cast<float>(position % 3));
    }
    EXPECT_THAT(jobs[0].log(), HasSubstr(second_is_empty ? R"("Total Records Seen":{"sum":30.0)"
                                                         : R"("Total Records Seen":{"sum":61.0)"));
    EXPECT_THAT(jobs[0].log(), HasSubstr("('accuracy', 1.0)"));
    EXPECT_THAT(jobs[1].log(), Not(HasSubstr("accuracy")));
  }
}

}  // namespace
}  // namespace clary::knn
