// SPDX-License-Identifier: Apache-2.0
// Whole trainings on pictures that the test makes up: learning, repeatability, resuming, several hosts, batches in
// parts.
#include "algorithms/image_classification/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "algorithms/image_classification/data/loader.h"
#include "algorithms/image_classification/image_classification.h"
#include "algorithms/image_classification/train/start.h"
#include "base/error.h"
#include "base/files.h"
#include "formats/archive.h"
#include "learning/nn/network.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;
using testing::HasSubstr;
using testing::Not;

constexpr std::int64_t kEdge = 8, kClasses = 3, kBytes = 3 * kEdge * kEdge;

/// Class c is brighter in colour c; or, with several labels, each label of 1 brightens its colour.
struct Made {
  std::vector<std::vector<std::uint8_t>> pixels;
  std::vector<std::vector<float>> labels;

  Made(std::int64_t count, unsigned seed, bool multi_label = false) {
    std::mt19937 random(seed);
    for (std::int64_t i = 0; i < count; ++i) {
      std::vector<float> ones(kClasses);
      for (float& one : ones) one = multi_label && random() % 2 == 0 ? 1 : 0;
      const auto label = static_cast<std::size_t>(i) % kClasses;
      if (!multi_label) ones[label] = 1;
      auto& picture = pixels.emplace_back();
      for (std::int64_t b = 0; b < kBytes; ++b)
        picture.push_back(static_cast<std::uint8_t>(random() % 128 + (ones[at(b) % 3] > 0 ? 90 : 0)));
      labels.push_back(multi_label ? ones : std::vector<float>{static_cast<float>(label)});
    }
  }
};

/// Pictures in memory. Training: another order in every epoch.
class Fake final : public Pictures {
 public:
  struct Behaviour {
    bool shuffles = false, streams = false, ends = false;  // ends: cannot be read once more after the last epoch
    std::int64_t skipped = 0;
    std::function<void(std::int64_t epoch, std::int64_t taken)> on_next = [](auto, auto) {};
  };
  Fake(Made made, Behaviour behaviour) : made_(std::move(made)), behaviour_(std::move(behaviour)) {}

  std::optional<std::int64_t> count() const override {
    if (behaviour_.streams && !read_once_) return std::nullopt;
    return std::ssize(made_.labels);
  }
  std::unique_ptr<Pass> pass(std::int64_t epoch) override { return std::make_unique<FakePass>(*this, epoch); }
  std::unique_ptr<Pass> stretched_pass(std::chrono::milliseconds) override {
    return behaviour_.ends ? nullptr : pass(0);
  }
  std::vector<std::string> class_names() const override { return {"red", "green", "blue"}; }

 private:
  class FakePass final : public Pass {
   public:
    FakePass(Fake& of, std::int64_t epoch) : of_(of), epoch_(epoch) {
      for (std::size_t i = 0; i < of.made_.labels.size(); ++i) order_.push_back(i);
      std::mt19937 random(static_cast<unsigned>(epoch));
      if (of.behaviour_.shuffles) std::shuffle(order_.begin(), order_.end(), random);
    }
    bool next(Batch& out, std::int64_t pictures) override {
      of_.behaviour_.on_next(epoch_, std::int64_t(at_));
      out.pixels.clear(), out.labels.clear();
      out.pictures = 0;
      for (; out.pictures < pictures && at_ < order_.size(); ++out.pictures, ++at_) {
        const auto& pixels = of_.made_.pixels[order_[at_]];
        const auto& labels = of_.made_.labels[order_[at_]];
        out.pixels.insert(out.pixels.end(), pixels.begin(), pixels.end());
        out.labels.insert(out.labels.end(), labels.begin(), labels.end());
      }
      if (at_ == order_.size()) of_.read_once_ = true;
      return out.pictures > 0;
    }
    std::int64_t enlarged() const override { return 0; }
    std::int64_t skipped() const override { return of_.behaviour_.skipped; }

   private:
    Fake& of_;
    std::int64_t epoch_;
    std::vector<std::size_t> order_;
    std::size_t at_ = 0;
  };

  Made made_;
  Behaviour behaviour_;
  bool read_once_ = false;
};

/// A job's folder, context and hyperparameters.
struct Job {
  TemporaryFolder folder;
  Hyperparameters hp;
  shell::TrainContext::Setup setup;
  std::string log;
  bool stop = false;

  Job() {
    hp.num_layers = 20, hp.image_shape = "3,8,8", hp.num_classes = kClasses, hp.num_training_samples = 48;
    hp.mini_batch_size = 16, hp.epochs = 3, hp.learning_rate = 0.05;
    setup.layout.root = folder.path();
    setup.channels = {{"train", {}}, {"validation", {}}};
    setup.threads = 1;
    setup.log = [this](std::string_view line) { log += line; };
    setup.stopped = [this] { return stop; };
    std::filesystem::create_directories(setup.layout.model_dir());
    std::filesystem::create_directories(setup.layout.config_dir());
  }

  void with_checkpoints() {
    const auto dir = folder.path() / "checkpoints";
    std::filesystem::create_directories(dir);
    write_file_atomically(setup.layout.checkpoint_config(),
                          R"({"S3Uri": "s3://b/c", "LocalPath": ")" + dir.string() + "\"}");
  }

  Model run(Made train = Made(48, 1), Made validation = Made(24, 2), Fake::Behaviour behaviour = {.shuffles = true},
            std::optional<std::int64_t> memory = std::nullopt) {
    shell::TrainContext context(ImageClassification::descriptor(), setup);
    const bool ends = behaviour.ends;
    Data data{std::make_unique<Fake>(std::move(train), std::move(behaviour)),
              std::make_unique<Fake>(std::move(validation), Fake::Behaviour{.ends = ends})};
    return image_classification::train(hp, context, std::move(data), random_start(hp, 1), memory);
  }

  std::vector<std::string> files() const {
    std::vector<std::string> out;
    for (const auto& entry : std::filesystem::directory_iterator(setup.layout.model_dir()))
      out.push_back(entry.path().filename().string());
    std::ranges::sort(out);
    return out;
  }
};

std::vector<float> numbers_of(const Model& model) {
  std::vector<float> out(model.parameters.values().begin(), model.parameters.values().end());
  out.insert(out.end(), model.parameters.statistics().begin(), model.parameters.statistics().end());
  return out;
}

TEST(Trainer, LearnsAndKeepsTheBestEpoch) {
  Job job;
  job.hp.epochs = 6;
  const Model model = job.run();
  EXPECT_GT(model.metrics.at("validation:accuracy").get<double>(), 0.9) << job.log;
  EXPECT_EQ(model.class_names, (std::vector<std::string>{"red", "green", "blue"}));
  const std::string name = fmt::format("image-classification-{:04}.params", model.epoch);
  EXPECT_EQ(job.files(), (std::vector<std::string>{name})) << "of several stored ones the best is left";
  EXPECT_THAT(job.log, HasSubstr("Epoch[0] Train-accuracy="));
  EXPECT_THAT(job.log,
              HasSubstr(fmt::format("Classes of the validation pictures, by the model of epoch {}:", model.epoch)));
  EXPECT_THAT(job.log, HasSubstr("class 2 (blue): recall="));
  EXPECT_FALSE(model.calibration.empty());
  EXPECT_THAT(job.log, HasSubstr("gives the class of float32 to 24 of 24 validation pictures."));
}

TEST(Trainer, EqualAccuracyIsNotStored) {
  Job job;
  job.hp.learning_rate = 0;  // statistics alone change: accuracies of an untrained network
  job.hp.epochs = 4;
  const Model model = job.run(Made(48, 1), Made(1, 2));  // one validation picture: 0 or 1
  std::size_t stored = 0;
  for (std::size_t from = 0; (from = job.log.find("Storing the best model", from)) != std::string::npos; ++from)
    ++stored;
  EXPECT_LE(stored, 2U);
}

TEST(Trainer, SameSeedGivesTheSameBytes) {
  Job a, b;
  a.hp.epochs = b.hp.epochs = 2;
  EXPECT_EQ(numbers_of(a.run()), numbers_of(b.run()));
}

class TrainerRule : public testing::TestWithParam<optim::Rule> {};

TEST_P(TrainerRule, ResumedJobEndsAsOneThatWasNotInterrupted) {
  Job whole, cut;
  for (Job* job : {&whole, &cut}) {
    job->hp.optimizer = GetParam();
    job->hp.learning_rate = GetParam() == optim::Rule::kAdam || GetParam() == optim::Rule::kRmsprop ? 0.003 : 0.05;
    job->hp.epochs = 4, job->hp.early_stopping = true;
    job->with_checkpoints();
  }
  const Model expected = whole.run();
  Fake::Behaviour killed{.shuffles = true};
  killed.on_next = [](std::int64_t epoch, std::int64_t taken) {
    if (epoch == 2 && taken == 16) throw Error(Kind::kInternal, "killed");
  };
  EXPECT_THROW(cut.run(Made(48, 1), Made(24, 2), killed), Error);
  const Model resumed = cut.run();
  EXPECT_THAT(cut.log, HasSubstr("Resuming after epoch 2"));
  EXPECT_EQ(numbers_of(resumed), numbers_of(expected));
  EXPECT_EQ(resumed.epoch, expected.epoch);
  EXPECT_EQ(resumed.metrics, expected.metrics);
  EXPECT_EQ(resumed.calibration, expected.calibration);
}

INSTANTIATE_TEST_SUITE_P(All, TrainerRule,
                         testing::Values(optim::Rule::kMomentum, optim::Rule::kNesterov, optim::Rule::kAdam,
                                         optim::Rule::kRmsprop));

TEST(Trainer, CheckpointFrequencyKeepsThoseEpochsAndTheBestIsOneOfThem) {
  Job job;
  job.hp.epochs = 5, job.hp.checkpoint_frequency = 2;
  const Model model = job.run();
  EXPECT_EQ(job.files(),
            (std::vector<std::string>{"image-classification-0002.params", "image-classification-0004.params"}));
  EXPECT_TRUE(model.epoch == 2 || model.epoch == 4);
  EXPECT_THAT(job.log, Not(HasSubstr("Storing the best model")));
  EXPECT_LT(job.log.find("Saved checkpoint"), job.log.find("Epoch[1] Validation-accuracy"));
}

TEST(Trainer, ResumedJobHasTheEpochsThatItKeptBefore) {
  Job job;
  job.hp.epochs = 4, job.hp.checkpoint_frequency = 2;
  job.with_checkpoints();
  Fake::Behaviour killed{.shuffles = true};
  killed.on_next = [](std::int64_t epoch, std::int64_t) {
    if (epoch == 2) throw Error(Kind::kInternal, "killed");
  };
  EXPECT_THROW(job.run(Made(48, 1), Made(24, 2), killed), Error);
  std::filesystem::remove_all(job.setup.layout.model_dir());
  std::filesystem::create_directories(job.setup.layout.model_dir());
  job.run();
  EXPECT_EQ(job.files(),
            (std::vector<std::string>{"image-classification-0002.params", "image-classification-0004.params"}));
}

TEST(Trainer, StopsEarlyWhenNothingImproves) {
  Job job;
  job.hp.epochs = 20, job.hp.learning_rate = 0, job.hp.momentum = 0;
  job.hp.early_stopping = true, job.hp.early_stopping_min_epochs = 2, job.hp.early_stopping_patience = 2;
  job.run(Made(48, 1), Made(3, 2));
  EXPECT_THAT(job.log, HasSubstr("Early stopping"));
  EXPECT_THAT(job.log, Not(HasSubstr("Epoch[19]")));
}

TEST(Trainer, StopRequestEndsTheEpochAndKeepsTheBest) {
  Job job;
  job.hp.epochs = 50;
  Fake::Behaviour stopping{.shuffles = true};
  stopping.on_next = [&](std::int64_t epoch, std::int64_t taken) { job.stop = epoch == 2 && taken == 16; };
  const Model model = job.run(Made(48, 1), Made(24, 2), stopping);
  EXPECT_LE(model.epoch, 2);
  EXPECT_THAT(job.log, HasSubstr("Epoch[1] Validation-accuracy"));
  EXPECT_THAT(job.log, Not(HasSubstr("Epoch[2]")));
}

TEST(Trainer, StopWhileItWaitsForAStreamKeepsTheBest) {
  Job job;
  Fake::Behaviour waiting{.shuffles = true};
  waiting.on_next = [&](std::int64_t epoch, std::int64_t) {
    if (epoch < 1) return;
    job.stop = true;
    throw Error(Kind::kCancelled, "stopped while waiting");
  };
  EXPECT_EQ(job.run(Made(48, 1), Made(24, 2), waiting).epoch, 1);
}

TEST(Trainer, StopInTheFirstEpochGivesTheModelOfThatMoment) {
  Job job;
  Fake::Behaviour stopping{.shuffles = true};
  stopping.on_next = [&](std::int64_t, std::int64_t taken) { job.stop = taken == 32; };
  const Model model = job.run(Made(48, 1), Made(24, 2), stopping);
  EXPECT_EQ(model.epoch, 1);
  EXPECT_NE(numbers_of(model), std::vector<float>());
}

TEST(Trainer, RateFallsAtTheListedEpochs) {
  Job job;
  job.hp.lr_scheduler_step = {1, 2};
  job.run();
  for (const char* rate : {"learning rate 0.05,", "learning rate 0.005", "learning rate 0.0005"})
    EXPECT_THAT(job.log, HasSubstr(rate));
}

TEST(Trainer, LastPictureAloneIsLeftOut) {
  Job job;
  job.hp.epochs = 1;
  job.run(Made(33, 1));
  EXPECT_THAT(job.log, HasSubstr("32 pictures"));
  Job few;
  few.hp.epochs = 1;
  few.run(Made(18, 1));
  EXPECT_THAT(few.log, HasSubstr("18 pictures")) << "a rest of two is learned from";
}

TEST(Trainer, WarnsOfAnotherNumberOfPictures) {
  Job job;
  job.hp.epochs = 1, job.hp.num_training_samples = 60;
  job.run();
  EXPECT_THAT(job.log, HasSubstr("num_training_samples is 60, but the train channel holds 48 pictures"));
  Job stream;
  stream.hp.epochs = 1, stream.hp.num_training_samples = 60;
  stream.run(Made(48, 1), Made(24, 2), {.streams = true});
  EXPECT_THAT(stream.log, HasSubstr("num_training_samples is 60, but the train channel holds 48 pictures"));
  Job close;
  close.hp.epochs = 1;
  close.run();
  EXPECT_THAT(close.log, Not(HasSubstr("num_training_samples is")));
}

TEST(Trainer, DivergenceInTheFirstEpochEndsTheJobThere) {
  Job job;
  job.hp.epochs = 1000, job.hp.learning_rate = 1e30;
  try {
    job.run();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    EXPECT_THAT(error.what(), HasSubstr("must be finite"));
    EXPECT_THAT(error.what(), HasSubstr("lower learning_rate"));
  }
  EXPECT_THAT(job.files(), testing::IsEmpty());
}

TEST(Trainer, DivergenceLaterKeepsTheEpochsBeforeAndNoOther) {
  for (const bool all : {false, true}) {
    Job job;
    job.hp.epochs = 1000, job.hp.lr_scheduler_step = {1}, job.hp.lr_scheduler_factor = 1e30;
    if (all) job.hp.checkpoint_frequency = 1;
    job.with_checkpoints();
    const Model model = job.run();
    EXPECT_EQ(model.epoch, 1);
    EXPECT_NO_THROW(model.check_finite(shell::FiniteCheck("image-classification", "lower learning_rate")));
    EXPECT_EQ(job.files(), std::vector<std::string>{"image-classification-0001.params"});
    EXPECT_THAT(job.log, HasSubstr("Training ends; the model of epoch 1 is kept."));
    EXPECT_THAT(job.log, Not(HasSubstr("Epoch[2]")));
  }
}

TEST(Trainer, SeveralLabelsAreLearnedWithAndWithoutWeights) {
  for (const bool weighted : {false, true}) {
    for (const bool streams : {false, true}) {
      Job job;
      job.hp.multi_label = true, job.hp.use_weighted_loss = weighted, job.hp.epochs = 8;
      const Model model = job.run(Made(48, 1, true), Made(24, 2, true), {.shuffles = true, .streams = streams});
      EXPECT_TRUE(model.multi_label);
      EXPECT_GT(model.metrics.at("validation:mean_average_precision").get<double>(), 0.9) << job.log;
      EXPECT_THAT(job.log, HasSubstr("Validation-mean_average_precision="));
      EXPECT_EQ(job.log.find("labels are counted in epoch 0") != std::string::npos, weighted && streams);
    }
  }
}

TEST(Trainer, TopKIsReported) {
  Job job;
  job.hp.epochs = 1, job.hp.top_k = 2;
  const Model model = job.run();
  EXPECT_THAT(job.log, HasSubstr("Epoch[0] Train-top_k_accuracy_2="));
  EXPECT_THAT(job.log, HasSubstr("Epoch[0] Validation-top_k_accuracy_2="));
  EXPECT_TRUE(model.metrics.contains("validation:top_k_accuracy"));
}

TEST(Trainer, TheBestModelIsScoredAsItWillBeServed) {
  Job job;
  const Model model = job.run();
  const double accuracy = model.metrics.at("validation:accuracy").get<double>();
  EXPECT_THAT(job.log, HasSubstr(fmt::format("Served-accuracy of the validation pictures: stretch={0:f} "
                                             "resize_crop={0:f}",
                                             accuracy)));
  EXPECT_EQ(model.metrics.at("served:accuracy:stretch"), accuracy);
}

TEST(Trainer, SaysThatAStreamWhichEndedIsNotScoredAsServed) {
  Job job;
  const Model model = job.run(Made(48, 1), Made(24, 2), {.ends = true});
  EXPECT_THAT(job.log, HasSubstr("Served-accuracy is not known: channel validation could not be read once more."));
  EXPECT_FALSE(model.metrics.contains("served:accuracy:stretch"));
}

TEST(Trainer, RefusesAnEmptyValidation) {
  Job job;
  EXPECT_THROW(job.run(Made(48, 1), Made(0, 2)), Error);
}

TEST(Start, AnArchiveOfTooManyFilesIsRefused) {
  Job job;
  const auto channel = job.setup.layout.channel_dir(kModelChannel);
  const TemporaryFolder many;
  for (int i = 0; i <= 10'000; ++i) write_file_atomically(many.path() / std::to_string(i), "");
  std::filesystem::create_directories(channel);
  formats::pack_tar_gz(many.path(), channel / "model.tar.gz");
  job.setup.channels[kModelChannel].content_type = "application/x-sagemaker-model";
  shell::TrainContext context(ImageClassification::descriptor(), job.setup);
  try {
    starting_point(job.hp, context);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("channel model: model.tar.gz: more than 10000 entries"));
  }
}

TEST(Start, AnArchiveWithoutAModelIsNamed) {
  Job job;
  const auto channel = job.setup.layout.channel_dir(kModelChannel);
  const TemporaryFolder nested;
  std::filesystem::create_directories(nested.path() / "model");
  write_file_atomically(nested.path() / "model/image-classification-0001.params", "");
  std::filesystem::create_directories(channel);
  formats::pack_tar_gz(nested.path(), channel / "model.tar.gz");
  job.setup.channels[kModelChannel].content_type = "application/x-sagemaker-model";
  shell::TrainContext context(ImageClassification::descriptor(), job.setup);
  try {
    starting_point(job.hp, context);
    FAIL();
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("channel model: model.tar.gz holds no image-classification-NNNN.params"));
  }
}

/// Every picture of `once` twice, so that both halves of each batch of 32 hold the same 16.
Made each_half_twice(const Made& once) {
  Made out(0, 1);
  for (std::size_t half = 0; half < 2; ++half)
    for (int copy = 0; copy < 2; ++copy)
      for (std::size_t i = half * 16; i < half * 16 + 16; ++i)
        out.pixels.push_back(once.pixels[i]), out.labels.push_back(once.labels[i]);
  return out;
}

double relative_difference(const Model& a, const Model& b) {
  const auto x = numbers_of(a), y = numbers_of(b);
  double difference = 0, size = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    difference += std::pow(static_cast<double>(x[i]) - static_cast<double>(y[i]), 2);
    size += std::pow(static_cast<double>(y[i]), 2);
  }
  return std::sqrt(difference / size);
}

/// Two hosts with the same pictures each against one host that has every picture twice in a batch of double size: batch
/// norms see the same distribution, so that only the order of sums differs.
TEST(Trainer, TwoHostsLearnAsOneWithTheDoubleBatch) {
  const Made once(32, 1);
  Job one;
  one.hp.mini_batch_size = 32, one.hp.epochs = 1;
  const Model expected = one.run(each_half_twice(once), Made(24, 2), {});

  Job two;
  two.hp.epochs = 1;
  std::vector<Model> models(2);
  std::vector<std::thread> hosts;
  for (std::size_t rank = 0; rank < 2; ++rank) {
    hosts.emplace_back([&, rank] {
      shell::TrainContext::Setup setup = two.setup;
      setup.resources.hosts = {"127.0.0.1", "127.0.0.2"};
      setup.resources.current_host = setup.resources.hosts[rank];
      setup.connect.port = 17'771;
      setup.log = [](std::string_view) {};
      shell::TrainContext context(ImageClassification::descriptor(), setup);
      Data data{std::make_unique<Fake>(once, Fake::Behaviour{}),
                std::make_unique<Fake>(Made(24, 2), Fake::Behaviour{})};
      models[rank] = image_classification::train(two.hp, context, std::move(data), random_start(two.hp, 1));
    });
  }
  for (std::thread& host : hosts) host.join();
  EXPECT_EQ(numbers_of(models[0]), numbers_of(models[1])) << "hosts hold the same bytes";
  EXPECT_LT(relative_difference(models[0], expected), 1e-3);
}

/// As above: halves of a batch have the statistics of the whole, except that the running ones move twice.
TEST(Trainer, ABatchInPartsMakesTheSameUpdate) {
  Job whole, parts;
  whole.hp.mini_batch_size = parts.hp.mini_batch_size = 32;
  whole.hp.epochs = parts.hp.epochs = 1;
  const nn::Network network(resnet(random_start(whole.hp, 1).description), {});
  const Model expected = whole.run(each_half_twice(Made(32, 1)), Made(24, 2), {});
  const Model found = parts.run(each_half_twice(Made(32, 1)), Made(24, 2), {},
                                network.memory_needed(16) + loader_memory(parts.hp.image(), 1, 32));
  EXPECT_THAT(parts.log, HasSubstr("gradients are added up over parts of 16 pictures"));
  EXPECT_THAT(whole.log, Not(HasSubstr("gradients are added up")));
  double difference = 0;
  for (std::size_t i = 0; i < expected.parameters.values().size(); ++i)
    difference = std::max(difference, std::abs(static_cast<double>(expected.parameters.values()[i]) -
                                               static_cast<double>(found.parameters.values()[i])));
  EXPECT_LT(difference, 1e-3);
}

TEST(Trainer, RefusesABatchWhosePixelsDoNotFitIntoMemory) {
  Job job;
  job.hp.mini_batch_size = 1'000'000;
  try {
    job.run(Made(48, 1), Made(24, 2), {.streams = true}, 100'000'000);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kLimit);
    EXPECT_THAT(error.what(), HasSubstr("the pixels of batches of 1000000 pictures of image_shape 3,8,8 need"));
    EXPECT_THAT(error.what(), HasSubstr("smaller mini_batch_size"));
  }
}

TEST(Trainer, RefusesANetworkThatDoesNotFitIntoMemory) {
  Job job;
  try {
    job.run(Made(48, 1), Made(24, 2), {}, 100'000);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kLimit);
    EXPECT_THAT(error.what(), HasSubstr("2 pictures of image_shape 3,8,8 in a network of num_layers 20 need"));
  }
}

}  // namespace
}  // namespace clary::image_classification
