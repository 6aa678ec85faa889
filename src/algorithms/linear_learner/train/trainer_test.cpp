// SPDX-License-Identifier: Apache-2.0
// Whole trainings through the shell's context: what they find, files and FIFOs, checkpoints, one host and two.
#include "algorithms/linear_learner/train/trainer.h"

#include <arpa/inet.h>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include <cmath>
#include <fstream>
#include <random>
#include <thread>

#include "algorithms/linear_learner/linear_learner.h"
#include "algorithms/linear_learner/train/checkpoint.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::linear_learner {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

/// y = 3 + 2 a - b + 0.5 c + noise on features of very different size; label as the type wants it.
std::string csv_rows(int rows, unsigned seed, const std::string& type = "regressor", bool sorted = false) {
  std::mt19937 random(seed);
  std::normal_distribution<double> draw;
  std::vector<std::pair<double, std::string>> out;
  for (int r = 0; r < rows; ++r) {
    const double a = draw(random), b = 100 + 50 * draw(random), c = 1e-3 * draw(random);
    const double y = 3 + 2 * a - 0.02 * b + 500 * c + 0.1 * draw(random);
    const double label = type == "regressor" ? y : type == "binary_classifier" ? (y > 1) : (y > 2.5) + (y > 0);
    out.emplace_back(label, fmt::format("{:.6g},{:.6g},{:.6g},{:.6g},7\n", label, a, b, c));
  }
  if (sorted) std::stable_sort(out.begin(), out.end(), [](const auto& l, const auto& r) { return l.first < r.first; });
  std::string text;
  for (const auto& [label, row] : out) text += row;
  return text;
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

/// One host's tree under /opt/ml and what it runs with.
class Job {
 public:
  explicit Job(const std::string& type = "regressor") {
    given_ = {{"predictor_type", type}};
    if (type == "multiclass_classifier") given_["num_classes"] = "3";
    setup_.layout.root = folder_.path();
    setup_.threads = 2;
    setup_.log = [this](std::string_view line) { log_ += line; };
  }
  Job& set(const std::string& name, const std::string& value) { return given_[name] = value, *this; }
  Job& threads(int n) { return setup_.threads = n, *this; }
  Job& file(const std::string& channel, const std::string& bytes) {
    const auto dir = setup_.layout.channel_dir(channel);
    std::filesystem::create_directories(dir);
    std::ofstream(dir / "rows.csv", std::ios::binary) << bytes;
    setup_.channels[channel].content_type = "text/csv";
    return *this;
  }
  Job& empty(const std::string& channel) {
    std::filesystem::create_directories(setup_.layout.channel_dir(channel));
    setup_.channels[channel].content_type = "text/csv";
    return *this;
  }
  Job& pipe(const std::string& channel, const std::string& bytes) {
    setup_.channels[channel] = {contract::InputMode::kPipe, "FullyReplicated", "None", "text/csv"};
    const auto path = setup_.layout.channel_fifo(channel, 0);
    std::filesystem::create_directories(path.parent_path());
    mkfifo(path.c_str(), 0600);
    writers_.emplace_back([path, bytes] { std::ofstream(path, std::ios::binary) << bytes; });
    return *this;
  }
  Job& host(const std::string& name, const std::vector<std::string>& all, std::uint16_t port) {
    setup_.resources.current_host = name;
    setup_.resources.hosts = all;
    setup_.connect.port = port;
    setup_.connect.connect_timeout = std::chrono::seconds(20);
    setup_.channels["train"].distribution = "ShardedByS3Key";
    return *this;
  }
  Job& checkpoints() {
    std::filesystem::create_directories(setup_.layout.checkpoint_config().parent_path());
    std::ofstream(setup_.layout.checkpoint_config())
        << R"({"S3Uri": "s3://b/", "LocalPath": ")" << (folder_.path() / "checkpoints").string() << "\"}";
    return *this;
  }
  /// Asks to stop when the log first holds the text.
  Job& stop_at(const std::string& text) {
    setup_.stopped = [this, text] { return log_.find(text) != std::string::npos; };
    return *this;
  }
  Job& go_on() {
    setup_.stopped = [] { return false; };
    log_.clear();
    return *this;
  }
  Model run() {
    setup_.hyperparameters = given_;
    const auto hp = schema().parse(given_);
    shell::TrainContext context(descriptor(), setup_);
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
  std::vector<std::jthread> writers_;
};

double metric(const Model& model, const std::string& channel, const std::string& name) {
  for (const ChannelMetrics& c : model.record.metrics) {
    if (c.channel != channel) continue;
    for (const NamedMetric& m : c.metrics) {
      if (m.name == name) return m.value;
    }
  }
  ADD_FAILURE() << "no metric " << name << " of " << channel;
  return NAN;
}

void expect_same(const Model& a, const Model& b) {
  EXPECT_EQ(a.weights().weight, b.weights().weight);
  EXPECT_EQ(a.weights().bias, b.weights().bias);
  EXPECT_EQ(a.threshold(), b.threshold());
}

TEST(LinearLearnerTrain, RegressionFindsTheRawCoefficients) {
  Job job;
  job.file("train", csv_rows(2000, 1)).file("validation", csv_rows(500, 2)).file("test", csv_rows(500, 3));
  const Model model = job.run();
  const auto& w = model.weights().weight;
  EXPECT_NEAR(w[0], 2, 0.02);
  EXPECT_NEAR(w[1], -0.02, 0.0005);
  EXPECT_NEAR(w[2], 500, 10);  // the penalty shrinks it a little
  EXPECT_NEAR(model.weights().bias[0] + 7 * w[3], 3, 0.05) << "the constant column may share the bias";
  EXPECT_LT(metric(model, "test", "mse"), 0.0115) << "the noise is 0.01";
  EXPECT_TRUE(model.record.polished);
  EXPECT_EQ(model.record.candidates.size(), 32u);
}

TEST(LinearLearnerTrain, ClassesAreFoundAlsoWhenTheFileIsSortedByThem) {
  for (const char* type : {"binary_classifier", "multiclass_classifier"}) {
    Job job(type);
    job.file("train", csv_rows(3000, 1, type, true)).file("test", csv_rows(1000, 3, type));
    const Model model = job.run();
    const bool binary = model.predictor_type() == PredictorType::kBinary;
    EXPECT_GT(metric(model, "test", binary ? "binary_classification_accuracy" : "multiclass_accuracy"), 0.94) << type;
  }
}

TEST(LinearLearnerTrain, EveryRegressionLossFitsTheLine) {
  for (const char* loss : {"squared_loss", "absolute_loss", "eps_insensitive_squared_loss",
                           "eps_insensitive_absolute_loss", "quantile_loss", "huber_loss"}) {
    Job job;
    job.file("train", csv_rows(2000, 1)).file("test", csv_rows(500, 3)).set("loss", loss);
    EXPECT_LT(metric(job.run(), "test", "mse"), 0.0125) << loss;
  }
}

TEST(LinearLearnerTrain, QuantileLossIsAboveThatShareOfTheLabels) {
  Job job;
  job.file("train", csv_rows(4000, 1)).set("loss", "quantile_loss").set("quantile", "0.9");
  const Model model = job.run();
  EXPECT_NEAR(model.weights().bias[0] + 7 * model.weights().weight[3], 3 + 0.128, 0.03)
      << "1.28 deviations of the noise above the mean";
}

TEST(LinearLearnerTrain, HingeAndOptimizersAndOneModelWork) {
  for (const char* optimizer : {"sgd", "rmsprop", "adam"}) {
    Job job("binary_classifier");
    job.file("train", csv_rows(3000, 1, "binary_classifier")).file("test", csv_rows(1000, 3, "binary_classifier"));
    job.set("optimizer", optimizer).set("loss", "hinge_loss").set("num_models", "1");
    EXPECT_GT(metric(job.run(), "test", "binary_classification_accuracy"), 0.94) << optimizer;
  }
}

TEST(LinearLearnerTrain, WeightsBeyondFloat32DoNotPassTheCheckBeforeSaving) {
  std::string rows;  // y = 1e50 x
  for (int r = 0; r < 300; ++r) rows += fmt::format("{0}e30,{0}e-20\n", r % 17 - 8);
  Job job;
  job.file("train", rows).set("num_models", "1");
  const Model model = job.run();
  try {
    model.check_finite(shell::FiniteCheck(LinearLearner::kName, LinearLearner::kWhenNotFinite));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("linear-learner: fc0_weight[0] of the trained model is inf"));
    EXPECT_THAT(error.what(), HasSubstr("lower learning_rate, raise wd, or scale features and labels"));
  }
}

TEST(LinearLearnerTrain, SameSeedAndThreadsSameModel) {
  const auto once = [](int threads, const char* seed) {
    Job job("binary_classifier");
    job.file("train", csv_rows(1500, 1, "binary_classifier")).threads(threads).set("seed", seed).set("epochs", "3");
    return job.run();
  };
  expect_same(once(2, "5"), once(2, "5"));
  EXPECT_NE(once(2, "5").weights().weight, once(2, "6").weights().weight);
}

TEST(LinearLearnerTrain, AnInterruptedJobEndsWithTheModelOfAnUninterruptedOne) {
  for (const char* models : {"32", "1"}) {
    const auto prepare = [&](Job& job) {
      job.file("train", csv_rows(1500, 1, "multiclass_classifier"))
          .file("validation", csv_rows(300, 2, "multiclass_classifier"));
      job.set("epochs", "5").set("early_stopping_patience", "9").set("num_models", models).checkpoints();
    };
    Job straight("multiclass_classifier"), cut("multiclass_classifier");
    prepare(straight), prepare(cut);
    const Model whole = straight.run();
    cut.stop_at("epoch=2, criteria").run();
    EXPECT_THAT(cut.log(), Not(HasSubstr("epoch=3, criteria")));
    const Model resumed = cut.go_on().run();
    EXPECT_THAT(cut.log(), HasSubstr("Resuming after epoch"));
    EXPECT_THAT(cut.log(), Not(HasSubstr("epoch=1, criteria")));
    expect_same(whole, resumed);
    EXPECT_EQ(whole.record.best_epoch, resumed.record.best_epoch);
  }
}

TEST(LinearLearnerTrain, ACheckpointOfAnotherJobIsLeftAlone) {
  Job job;
  job.file("train", csv_rows(500, 1)).set("epochs", "2").checkpoints();
  job.run();
  job.file("train", csv_rows(400, 1));
  EXPECT_EQ(job.problem(), "");
  EXPECT_THAT(job.log(), HasSubstr("The checkpoint is of a job with other data or hyperparameters"));
}

TEST(LinearLearnerTrain, CutAndChangedCheckpointsAreRefusedOrTaken) {
  Job job;
  job.file("train", csv_rows(300, 1)).set("epochs", "1").set("num_models", "2").checkpoints();
  job.run();
  const auto file = job.path() / "checkpoints/linear_learner_algo-1.checkpoint";
  const std::string bytes = read_file(file);
  TrainingData data;
  data.features = 4, data.rows_everywhere = 300, data.batch_rows = 16;
  Hyperparameters hp;
  const Json identity = checkpoint_identity(hp, data, 2, 2);
  const auto parse = [&](const std::string& text) {
    const auto found = shell::Checkpoint::from_bytes(text, identity);
    if (!found) return false;
    Checkpoint c = from_shell(*found, 2, 4, 1);
    take_slice(*found, Lanes::of(2, 1), 4, c);
    return true;
  };
  ASSERT_TRUE(parse(bytes));
  std::mt19937 random(1);
  int refused = 0;
  for (std::size_t cut = 0; cut < bytes.size(); cut += 7) {
    for (int change = 0; change < 2; ++change) {
      std::string bad = change == 0 ? bytes.substr(0, cut) : bytes;
      if (change == 1) bad[cut] = static_cast<char>(random());
      try {
        parse(bad);
      } catch (const Error& e) {
        ++refused;
        EXPECT_TRUE(e.kind() == Kind::kMalformed || e.kind() == Kind::kLimit) << e.what();
      }
    }
  }
  EXPECT_GT(refused, 50);
}

TEST(LinearLearnerTrain, PipeModeIsReadOnceAndKept) {
  Job file, pipe;
  file.file("train", csv_rows(1000, 1)).set("epochs", "3");
  pipe.pipe("train", csv_rows(1000, 1)).set("epochs", "3");
  expect_same(file.run(), pipe.run());
}

TEST(LinearLearnerTrain, RowsBeyondMemoryAreReadAgainEveryEpoch) {
  Job job;
  job.file("train", csv_rows(20000, 1)).file("test", csv_rows(500, 3)).set("mini_batch_size", "300");
  ::setenv("CLARY_LINEAR_LEARNER_MEMORY", "1000000", 1);  // a quarter holds the first 8,192 rows and no more
  const Model model = job.run();
  ::unsetenv("CLARY_LINEAR_LEARNER_MEMORY");
  EXPECT_THAT(job.log(), HasSubstr("they are read again every epoch"));
  EXPECT_THAT(job.log(), HasSubstr("\"Number of Records Since Last Reset\":{\"sum\":20000"));
  EXPECT_FALSE(model.record.polished);
  EXPECT_LT(metric(model, "test", "mse"), 0.02);
}

TEST(LinearLearnerTrain, StoppedInTheFirstEpochItStillHasAModel) {
  Job job;
  job.file("train", csv_rows(1000, 1)).stop_at("Scaling model");
  EXPECT_EQ(job.run().weights().features, 4);
}

TEST(LinearLearnerTrain, ConstantLabelsAndZeroColumnsAreHarmless) {
  std::string rows;
  for (int r = 0; r < 200; ++r) rows += fmt::format("1,{},0\n", r % 7);
  for (const char* type : {"regressor", "binary_classifier", "multiclass_classifier"}) {
    Job job(type);
    job.file("train", rows);
    const Model model = job.run();
    for (const float w : model.weights().weight) EXPECT_TRUE(std::isfinite(w)) << type;
    EXPECT_EQ(model.weights().weight.back() * 0, 0);
  }
}

TEST(LinearLearnerTrain, BadDataIsNamed) {
  const auto problem = [](const std::string& type, const std::string& rows, const std::string& dim = "auto") {
    Job job(type);
    job.file("train", rows).set("feature_dim", dim);
    return job.problem();
  };
  EXPECT_THAT(problem("regressor", "1,2,3\n2,3,4\n", "4"),
              HasSubstr("cannot copy sequence with size 2 to array axis with dimension 4"));
  EXPECT_THAT(problem("binary_classifier", "1,2\n3,4\n"), HasSubstr("label 3"));
  EXPECT_THAT(problem("regressor", "1,2\n3,nan\n"), HasSubstr("nan"));
  EXPECT_THAT(problem("regressor", "1,2\n3,4,5\n"), HasSubstr("2"));
}

TEST(LinearLearnerTrain, ValidationOfAnotherWidthIsRefused) {
  Job job;
  job.file("train", "1,2,3\n2,3,4\n").file("validation", "1,2,3,4\n");
  EXPECT_THAT(job.problem(), HasSubstr("cannot copy sequence with size 3 to array axis with dimension 2"));
}

/// The models of two hosts that each have a share of the rows (the second maybe none).
std::vector<Model> on_two_hosts(const std::string& first, const std::string& second) {
  const std::vector<std::string> hosts{"127.0.0.1", "127.0.0.2"};
  const std::uint16_t port = free_port();
  std::vector<std::optional<Model>> models(2);
  std::vector<std::string> problems(2);
  std::vector<std::thread> threads;
  for (std::size_t rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      try {
        Job job("binary_classifier");
        const std::string& rows = rank == 0 ? first : second;
        if (rows.empty()) {
          job.empty("train");
        } else {
          job.file("train", rows);
        }
        job.file("validation", csv_rows(300, 9, "binary_classifier"));
        models[rank] = job.threads(1).host(hosts[rank], hosts, port).set("epochs", "4").run();
      } catch (const std::exception& e) {
        problems[rank] = e.what();
      }
    });
  }
  for (std::thread& t : threads) t.join();
  EXPECT_EQ(problems[0] + problems[1], "");
  std::vector<Model> out;
  for (auto& m : models) {
    if (m) out.push_back(std::move(*m));
  }
  return out;
}

TEST(LinearLearnerTrain, TwoHostsHoldTheSameModelAndItIsAsGoodAsOneHosts) {
  const std::string a = csv_rows(900, 1, "binary_classifier"), b = csv_rows(700, 2, "binary_classifier");
  const auto models = on_two_hosts(a, b);
  ASSERT_EQ(models.size(), 2u);
  expect_same(models[0], models[1]);
  Job one("binary_classifier");
  one.file("train", a + b).file("validation", csv_rows(300, 9, "binary_classifier")).set("epochs", "4");
  const Model alone = one.run();
  const auto loss = [](const Model& m) {
    return metric(m, "validation", "binary_classification_cross_entropy_objective");
  };
  EXPECT_NEAR(loss(models[0]), loss(alone), 0.02);
}

TEST(LinearLearnerTrain, AHostWithoutRowsTakesPart) {
  const auto models = on_two_hosts(csv_rows(900, 1, "binary_classifier"), "");
  ASSERT_EQ(models.size(), 2u);
  expect_same(models[0], models[1]);
}

}  // namespace
}  // namespace clary::linear_learner
