// SPDX-License-Identifier: Apache-2.0
// Whole training runs through the shell's context. That the evaluation lines are those of Python's xgboost is tested in
// tests/integration/test_xgboost.py, on real data.
#include "algorithms/xgboost/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmath>
#include <fstream>
#include <map>
#include <set>

#include "algorithms/xgboost/data/stacking.h"
#include "algorithms/xgboost/model/model_file.h"
#include "algorithms/xgboost/train/cross_validation.h"
#include "algorithms/xgboost/xgboost.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace clary::xgboost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr Tag kNew{1, 7};

/// y = x0 + noise of a kind, so that more rounds than a few do not help on other rows.
std::string rows(int first, int count, bool classes = false) {
  std::string out;
  for (int i = first; i < first + count; ++i) {
    const double x = std::sin(i * 1.7), noise = std::sin(i * i * 12.9898) * .5, y = x + noise;
    out += fmt::format("{:.4f},{:.4f},{:.4f}\n", classes ? static_cast<double>(y > 0) : y, x, std::cos(i * .37));
  }
  return out;
}

class Job {
 public:
  Job() {
    setup_.layout.root = folder_.path();
    setup_.threads = 1;
    setup_.log = [this](std::string_view line) { log += line; };
    std::filesystem::create_directories(setup_.layout.model_dir());
    std::filesystem::create_directories(setup_.layout.output_data_dir());
    given_["num_round"] = "8";
    given_["max_depth"] = "3";
  }
  Job& set(const std::string& name, const std::string& value) { return given_[name] = value, *this; }
  Job& file(const std::string& channel, const std::string& bytes) {
    std::filesystem::create_directories(setup_.layout.channel_dir(channel));
    std::ofstream(setup_.layout.channel_dir(channel) / "part.csv") << bytes;
    setup_.channels[channel].content_type = "text/csv";
    setup_.channels[channel].distribution = "ShardedByS3Key";
    return *this;
  }
  Job& type(const std::string& type) {
    for (auto& [name, config] : setup_.channels) config.content_type = type;
    return *this;
  }
  Job& usual() { return file("train", rows(0, 200)).file("validation", rows(200, 100)); }
  Job& checkpoints() {
    std::filesystem::create_directories(setup_.layout.config_dir());
    std::ofstream(setup_.layout.checkpoint_config()) << R"({"LocalPath": "/opt/ml/checkpoints"})";
    return *this;
  }
  /// Stops when asked for the nth time.
  Job& stop_after(int asked) {
    setup_.stopped = [asked, count = std::make_shared<int>(0)] { return ++*count > asked; };
    return *this;
  }
  Job& dies_after(int asked) {
    setup_.stopped = [asked, count = std::make_shared<int>(0)] {
      if (++*count > asked) _exit(0);
      return false;
    };
    return *this;
  }
  Job& host(int number, int hosts) {
    setup_.resources.hosts.clear();
    for (int h = 1; h <= hosts; ++h) setup_.resources.hosts.push_back(address(h));
    setup_.resources.current_host = address(number);
    setup_.connect.connect_timeout = setup_.connect.timeout = std::chrono::seconds(60);
    return *this;
  }

  /// Trains and saves; the model file's bytes, without model "".
  std::string run() {
    shell::TrainContext context(Xgboost::descriptor(), setup_);
    train(parse(given_, kNew), context).save(context.model_dir(), context);
    const auto file = context.model_dir() / kModelFileName;
    return std::filesystem::exists(file) ? read_file(file) : "";
  }
  std::string problem() {
    try {
      run();
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }

  /// "[3]\t..." lines of the log.
  std::vector<std::string> evaluations() const {
    std::vector<std::string> out;
    for (const std::string_view line : split(log, '\n'))
      if (line.starts_with('[') && line.find("]\t") != std::string_view::npos) out.emplace_back(line);
    return out;
  }
  const std::filesystem::path& root() const { return folder_.path(); }

  std::string log;

 private:
  /// In a loopback network of this run's own: its processes are children of one.
  static std::string address(int host) {
    return fmt::format("127.{}.{}.{}", 1 + getppid() / 250 % 250, 1 + getppid() % 250, host);
  }

  TemporaryFolder folder_;
  hyper::TextMap given_;
  shell::TrainContext::Setup setup_;
};

TEST(XgboostTrain, WritesAModelAndALineARound) {
  Job job;
  const Booster booster = read_model(job.usual().run());
  EXPECT_EQ(booster.boosted_rounds(), 8);
  EXPECT_EQ(booster.attribute("best_iteration"), "7");
  EXPECT_EQ(booster.attribute("best_ntree_limit"), "8");
  const auto lines = job.evaluations();
  ASSERT_EQ(lines.size(), 8u);
  EXPECT_THAT(lines[7], ::testing::MatchesRegex("\\[7\\]\ttrain-rmse:0\\.[0-9]{5}\tvalidation-rmse:0\\.[0-9]{5}"));
}

TEST(XgboostTrain, LogLinesComeInTheContainersOrder) {
  Job job;
  job.usual().set("silent", "0").set("objective", "reg:squarederror").run();
  std::size_t at = 0;
  for (const char* text :
       {"Imported framework sagemaker_xgboost_container.training", "to Json.\nReturning the value itself",
        "No GPUs detected", "Running XGBoost Sagemaker in algorithm mode", "silent",
        "Determined delimiter of CSV input is ','", "Determined 0 GPU(s) available on the instance.",
        "Single node training.", "Train matrix has 200 rows and 2 columns", "Validation matrix has 100 rows",
        "[0]\ttrain-rmse"}) {
    const auto found = job.log.find(text, at);
    ASSERT_NE(found, std::string::npos) << text << "\n" << job.log;
    at = found;
  }
}

TEST(XgboostTrain, SameJobSameModel) {
  EXPECT_EQ(Job().usual().set("subsample", ".6").run(), Job().usual().set("subsample", ".6").run());
  EXPECT_NE(Job().usual().set("subsample", ".6").run(), Job().usual().set("subsample", ".6").set("seed", "5").run());
}

double value_of(const std::string& line, const std::string& name) {
  const auto at = line.find(name + ":");
  return at == std::string::npos ? NAN : std::stod(line.substr(at + name.size() + 1));
}

TEST(XgboostTrain, EarlyStoppingKeepsTheBestRounds) {
  for (const char* booster : {"gbtree", "dart", "gblinear"}) {
    SCOPED_TRACE(booster);
    Job job;
    job.usual().set("num_round", "200").set("early_stopping_rounds", "4").set("booster", booster).set("eta", "1");
    if (booster == std::string("gblinear")) job.set("updater", "coord_descent").set("eta", ".5").set("lambda", "1e-9");
    const Booster model = read_model(job.run());
    const auto lines = job.evaluations();
    std::size_t best = 0;
    const int round = std::stoi(*model.attribute("best_iteration"));
    EXPECT_EQ(static_cast<int>(lines.size()), round + 5);  // the best one and four that were no better
    for (std::size_t i = 0; i < lines.size(); ++i)
      if (value_of(lines[i], "validation-rmse") < value_of(lines[best], "validation-rmse")) best = i;
    EXPECT_NEAR(value_of(lines[best], "validation-rmse"),
                value_of(lines[static_cast<std::size_t>(round)], "validation-rmse"), 1.1e-5);
    EXPECT_EQ(model.attribute("best_ntree_limit"), std::to_string(round + 1));
    if (booster != std::string("gblinear")) {
      EXPECT_EQ(model.boosted_rounds(), round + 1);
    }
  }
}

TEST(XgboostTrain, EarlyStoppingMaximisesWhatIsBetterWhenHigher) {
  Job job;
  job.file("train", rows(0, 200, true)).file("validation", rows(200, 100, true)).set("objective", "binary:logistic");
  job.set("eval_metric", "logloss,accuracy").set("num_round", "100").set("early_stopping_rounds", "3");
  const int best = std::stoi(*read_model(job.run()).attribute("best_iteration"));
  const auto lines = job.evaluations();
  for (const std::string& line : lines)
    EXPECT_LE(value_of(line, "validation-accuracy"),
              value_of(lines[static_cast<std::size_t>(best)], "validation-accuracy"));
  EXPECT_EQ(static_cast<int>(lines.size()), best + 4);
}

TEST(XgboostTrain, EarlyStoppingWithoutValidationIsSaid) {
  Job job;
  job.file("train", rows(0, 50)).set("early_stopping_rounds", "1").run();
  EXPECT_THAT(job.log, HasSubstr("early_stopping_rounds has no effect without a validation channel."));
  EXPECT_EQ(job.evaluations().size(), 8u);
}

TEST(XgboostTrain, ResumedIsUninterrupted) {
  for (const char* method : {"exact", "hist", "approx"}) {
    SCOPED_TRACE(method);
    Job whole, first, second;
    for (Job* job : {&whole, &first, &second})
      job->usual().set("tree_method", method).set("num_round", "12").set("early_stopping_rounds", "9").set("eta", ".9");
    const std::string expected = whole.run();
    first.checkpoints().set("num_round", "7").run();
    EXPECT_EQ(read_model(read_file(first.root() / "checkpoints/xgboost-checkpoint.6")).boosted_rounds(), 7);
    EXPECT_FALSE(std::filesystem::exists(first.root() / "checkpoints/xgboost-checkpoint.1"));
    second.checkpoints();
    std::filesystem::copy(first.root() / "checkpoints", second.root() / "checkpoints");
    EXPECT_EQ(second.run(), expected);
    EXPECT_THAT(second.log, HasSubstr("Resuming from iteration 7"));
    auto lines = first.evaluations();
    for (const std::string& line : second.evaluations()) lines.push_back(line);
    EXPECT_EQ(lines, whole.evaluations());
  }
}

TEST(XgboostTrain, ACheckpointOfTheLastRoundIsTheModel) {
  Job first, second;
  for (Job* job : {&first, &second}) job->usual().checkpoints().set("early_stopping_rounds", "3").set("eta", "1");
  const std::string expected = first.set("num_round", "40").run();
  ASSERT_LT(first.evaluations().size(), 40u);
  std::filesystem::copy(first.root() / "checkpoints", second.root() / "checkpoints");
  EXPECT_EQ(second.set("num_round", std::to_string(first.evaluations().size())).run(), expected);
  EXPECT_TRUE(second.evaluations().empty());
}

TEST(XgboostTrain, ABrokenCheckpointGivesWayToAnOlderOne) {
  Job first, second;
  first.usual().checkpoints().set("num_round", "4").run();
  second.usual().checkpoints();
  std::filesystem::copy(first.root() / "checkpoints", second.root() / "checkpoints");
  std::ofstream(second.root() / "checkpoints/xgboost-checkpoint.3") << "{\"not\": \"a model\"}";
  second.run();
  EXPECT_THAT(second.log, HasSubstr("xgboost-checkpoint.3 cannot be read"));
  EXPECT_THAT(second.log, HasSubstr("Resuming from iteration 3"));
}

TEST(XgboostTrain, AStopKeepsTheModelOfTheMoment) {
  Job job;
  job.usual().set("num_round", "1000").stop_after(12);
  const int rounds = read_model(job.run()).boosted_rounds();
  EXPECT_GT(rounds, 0);
  EXPECT_LT(rounds, 13);
}

TEST(XgboostTrain, SavesEveryRoundWhenAsked) {
  Job job;
  job.usual().set("save_model_on_termination", "true").set("num_round", "3");
  EXPECT_EQ(read_model(job.run()).boosted_rounds(), 3);
}

TEST(XgboostTrain, MistakesAreNamed) {
  EXPECT_THAT(Job().usual().set("objective", "binary:logistic").problem(),
              HasSubstr("label must be in [0,1] for logistic regression"));
  EXPECT_THAT(Job().file("train", "7,1\n1,2\n").set("objective", "multi:softmax").set("num_class", "3").problem(),
              HasSubstr("label must be in [0, num_class)"));
  EXPECT_EQ(Job().problem(), "Missing required channel: train");
  EXPECT_THAT(Job().usual().file("test", "1,2\n").problem(), HasSubstr("Extraneous channel found: test"));
}

TEST(XgboostTrain, UnusedParametersAreTheLibrarysToReport) {
  Job job;
  job.usual().set("rate_drop", ".5").run();
  EXPECT_THAT(job.log, HasSubstr("rate_drop"));
}

TEST(XgboostTrain, AftTakesTheLabelAsBothBounds) {
  std::string data;
  for (int i = 1; i < 100; ++i) data += fmt::format("{},{}\n", i % 10 + 1, i % 10);
  Job job;
  job.file("train", data).set("objective", "survival:aft").run();
  const auto lines = job.evaluations();
  EXPECT_LT(value_of(lines.back(), "train-aft-nloglik"), value_of(lines.front(), "train-aft-nloglik"));
}

TEST(Folds, AreEvenAndStratified) {
  std::vector<float> labels;
  for (int i = 0; i < 103; ++i) labels.push_back(i % 10 == 0 ? 1.F : 0.F);
  const auto folds = folds_of(103, labels, 5, 1);
  std::map<int, int> sizes, ones;
  for (std::size_t i = 0; i < folds.size(); ++i) ++sizes[folds[i]], ones[folds[i]] += labels[i] > 0;
  for (int fold = 0; fold < 5; ++fold) {
    EXPECT_GE(sizes[fold], 20);
    EXPECT_LE(sizes[fold], 21);
    EXPECT_GE(ones[fold], 2);
    EXPECT_LE(ones[fold], 3);
  }
  EXPECT_EQ(folds, folds_of(103, labels, 5, 1));
  EXPECT_NE(folds, folds_of(103, labels, 5, 2));
}

TEST(XgboostTrain, CrossValidationJudgesRowsThatWereNotLearned) {
  Job job;
  job.file("train", rows(0, 90, true))
      .file("validation", rows(90, 30, true))
      .set("_kfold", "3")
      .set("_num_cv_round", "2");
  job.set("objective", "binary:logistic").set("num_round", "5").run();
  for (int i = 0; i < 6; ++i)
    EXPECT_TRUE(std::filesystem::exists(job.root() / "model" / ("xgboost-model-" + std::to_string(i))));
  EXPECT_THAT(job.log, HasSubstr("Run 2-round of 3-fold cross validation with 120 rows"));
  EXPECT_THAT(job.log, HasSubstr("Train cross validation fold 3"));
  EXPECT_EQ(job.evaluations().size(), 2u * (3 * 5 + 1));
  EXPECT_THAT(job.evaluations().back(), ::testing::StartsWith("[5]\ttrain-logloss:"));
  const std::string csv = read_file(job.root() / "output/data/predictions.csv");
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 120);
  EXPECT_THAT(csv.substr(0, csv.find('\n')), ::testing::MatchesRegex("[01]\\.000000,0\\.[0-9]{6},[01]\\.000000"));
}

/// A stop before the first fold wrote a prediction of 0 / 0 for every row, and a model without a booster.
TEST(XgboostTrain, CrossValidationThatIsStoppedEarlyWritesNoPredictions) {
  for (int asked = 0; asked < 8; ++asked) {
    Job job;
    job.file("train", rows(0, 90, true)).set("_kfold", "3").set("objective", "binary:logistic").stop_after(asked);
    const std::string problem = job.problem();
    EXPECT_FALSE(std::filesystem::exists(job.root() / "output/data/predictions.csv")) << asked;
    EXPECT_NE(problem.empty(), std::filesystem::is_empty(job.root() / "model")) << asked << ": " << problem;
  }
}

TEST(Stacking, KeepsRowsLabelsAndWeights) {
  const float nan = std::nanf("");
  Matrix a = Matrix::from_dense(std::vector<float>{1, nan, 3, 4}, 2, 2, 1);
  a.set_labels(std::vector<float>{1, 2});
  a.set_weights(std::vector<float>{.5, .25});
  Matrix b = Matrix::from_dense(std::vector<float>{5, 6, nan}, 1, 3, 1);
  b.set_labels(std::vector<float>{3});
  const Matrix* const parts[] = {&a, &b};
  const Matrix all = stacked(parts, 4, 1);
  EXPECT_EQ(all.rows(), 3);
  EXPECT_EQ(all.columns(), 4);
  EXPECT_THAT(all.labels(), ElementsAre(1, 2, 3));
  EXPECT_THAT(all.weights(), ElementsAre(.5, .25, 1));
  EXPECT_THAT(all.csr().values, ElementsAre(1, 3, 4, 5, 6));
  EXPECT_THAT(all.csr().columns, ElementsAre(0, 0, 1, 0, 1));
}

/// Runs `body` for each host in a process of its own, since the library's collective is one per process: this program
/// again, with this test alone. (A fork without exec inherits OpenMP threads that no longer exist, and waits for them.)
void run_on_hosts(int hosts, const std::function<int(int host)>& body) {
  if (const char* host = std::getenv("CLARY_TEST_HOST")) {
    alarm(90);  // hosts that wait for each other for ever fail the test
    int code = 99;
    try {
      code = body(std::atoi(host));
    } catch (const std::exception& error) {
      std::fprintf(stderr, "host %s: %s\n", host, error.what());
    }
    _exit(code);
  }
  const auto* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string filter = fmt::format("--gtest_filter={}.{}", test->test_suite_name(), test->name());
  std::vector<pid_t> children;
  for (int host = 1; host <= hosts; ++host) {
    const pid_t child = fork();
    if (child == 0) {
      setenv("CLARY_TEST_HOST", std::to_string(host).c_str(), 1);
      execl("/proc/self/exe", "xgboost_test", filter.c_str(), nullptr);
      _exit(98);
    }
    children.push_back(child);
  }
  for (const pid_t child : children) {
    int status = 0;
    waitpid(child, &status, 0);
    EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
  }
}

TEST(XgboostTrain, HostsTrainTogetherAndTheFirstOneWrites) {
  run_on_hosts(2, [](int number) {
    Job job;
    job.file("train", rows(number * 100, 100)).file("validation", rows(number * 100 + 300, 50)).host(number, 2);
    job.set("eval_metric", "rmse,r2").set("tree_method", "hist");
    const bool wrote = !job.run().empty();
    if (wrote != (number == 1) || job.evaluations().size() != (wrote ? 8u : 0u)) return 1;
    return job.log.find("Train matrix has 100 rows and 2 columns") == std::string::npos ? 2 : 0;
  });
}

TEST(XgboostTrain, HostsAgreeOnTheColumnsOfSparseRows) {
  run_on_hosts(2, [](int number) {
    std::string data;
    for (int i = 0; i < 60; ++i) data += fmt::format("{} 0:{} {}:1\n", i % 7, i % 7, number == 1 ? 2 : 5);
    Job job;
    job.file("train", data).type("text/libsvm").host(number, 2).set("tree_method", "hist");
    const std::string model = job.run();
    if (job.log.find("Train matrix has 60 rows and 6 columns") == std::string::npos) return 1;
    return number == 1 && read_model(model).num_features() != 6 ? 2 : 0;
  });
}

TEST(XgboostTrain, HostsWithoutDataAreLeftOut) {
  run_on_hosts(3, [](int number) {
    Job job;
    job.file("train", number == 1 ? "" : rows(number * 100, 100)).host(number, 3).set("tree_method", "hist");
    if (number == 1) std::filesystem::remove(job.root() / "input/data/train/part.csv");
    const bool wrote = !job.run().empty();
    if (wrote != (number == 2)) return 1;
    return (number == 1) == (job.log.find("not being used for distributed training.") == std::string::npos) ? 2 : 0;
  });
}

TEST(XgboostTrain, AHostThatDiesEndsTheTraining) {
  run_on_hosts(2, [](int number) {
    Job job;
    job.file("train", rows(number * 100, 100)).host(number, 2).set("tree_method", "hist").set("num_round", "100000");
    if (number == 2) job.dies_after(40);
    return job.problem().find("another host of the job was lost") == std::string::npos ? 1 : 0;
  });
}

TEST(XgboostTrain, ExactDoesNotWorkOnSeveralHosts) {
  run_on_hosts(2, [](int number) {
    Job job;
    job.file("train", rows(number * 100, 100)).host(number, 2).set("tree_method", "exact");
    return job.problem().find("doesn't support distributed training") == std::string::npos ? 1 : 0;
  });
}

}  // namespace
}  // namespace clary::xgboost
