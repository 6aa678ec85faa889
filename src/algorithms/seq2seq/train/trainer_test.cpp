// SPDX-License-Identifier: Apache-2.0
// Whole trainings on sequences that the test makes up (a target is its source backwards): learning, repeatability,
// going on after a stop, ends of a training, batches in parts.
#include "algorithms/seq2seq/train/trainer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "algorithms/seq2seq/seq2seq.h"
#include "algorithms/seq2seq/train/bleu_sample.h"
#include "base/error.h"
#include "base/files.h"
#include "formats/archive.h"

namespace clary::seq2seq {
namespace {

using testing::HasSubstr;
using testing::Not;

constexpr std::int32_t kWords = 8;

Vocabulary some_words(std::int32_t words = kWords) {
  Json text{{"<pad>", 0}, {"<unk>", 1}, {"<s>", 2}, {"</s>", 3}};
  for (std::int32_t i = 0; i < words; ++i) text["w" + std::to_string(i)] = kFirstWord + i;
  return Vocabulary::parse(dump_json(text), "vocab.src.json");
}

/// Sources of 1 to 6 words, and the same backwards.
PairData reversed(std::int64_t count, unsigned seed) {
  PairData out;
  std::mt19937 random(seed);
  double ratios = 0, squares = 0;
  for (std::int64_t i = 0; i < count; ++i) {
    std::vector<std::int32_t> words(1 + random() % 6);
    for (std::int32_t& word : words) word = kFirstWord + static_cast<std::int32_t>(random() % kWords);
    out.pairs.source.add(words);
    std::ranges::reverse(words);
    out.pairs.target.add(words);
    const double ratio = static_cast<double>(words.size() + 1) / static_cast<double>(words.size());
    ratios += ratio, squares += ratio * ratio;
  }
  const auto n = static_cast<double>(count);
  out.records = count;
  out.length_ratio_mean = ratios / n;
  out.length_ratio_std = std::sqrt(std::max(squares / n - out.length_ratio_mean * out.length_ratio_mean, 0.0));
  return out;
}

Data reversal(std::int64_t train = 256, std::int64_t validation = 48) {
  return {{some_words(), some_words()}, reversed(train, 1), reversed(validation, 2)};
}

/// A job's folder, context and hyperparameters: 8 batches an epoch.
struct Job {
  TemporaryFolder folder;
  Hyperparameters hp;
  shell::TrainContext::Setup setup;
  std::string log;
  int stop_after = -1;  // questions whether the job shall stop; one comes after every update
  int asked = 0;

  Job() {
    hp.rnn_num_hidden = 16, hp.num_embed_source = hp.num_embed_target = 8;
    hp.rnn_cell_type = Cell::kGru;
    hp.batch_size = 32, hp.bucketing_enabled = false, hp.learning_rate = 0.005;
    hp.checkpoint_frequency_num_batches = 4, hp.max_num_batches = 12;
    hp.max_seq_len_source = hp.max_seq_len_target = 10;
    setup.layout.root = folder.path();
    setup.channels = {{"train", {}}, {"validation", {}}, {"vocab", {}}};
    setup.threads = 1;
    setup.log = [this](std::string_view line) { log += line; };
    setup.stopped = [this] { return stop_after >= 0 && ++asked > stop_after; };
    std::filesystem::create_directories(setup.layout.model_dir());
    std::filesystem::create_directories(setup.layout.config_dir());
  }

  void with_checkpoints() {
    const auto dir = folder.path() / "checkpoints";
    std::filesystem::create_directories(dir);
    write_file_atomically(setup.layout.checkpoint_config(),
                          R"({"S3Uri": "s3://b/c", "LocalPath": ")" + dir.string() + "\"}");
  }

  Model run(Data data = reversal(), std::optional<std::int64_t> memory = std::nullopt) {
    shell::TrainContext context(Seq2Seq::descriptor(), setup);
    return seq2seq::train(hp, context, std::move(data), memory);
  }

  std::string problem(Data data = reversal(), std::optional<std::int64_t> memory = std::nullopt) {
    try {
      run(std::move(data), memory);
    } catch (const Error& error) {
      return error.what();
    }
    return "";
  }
};

std::int64_t updates(const Model& model) { return model.training.at("updates").get<std::int64_t>(); }
std::int64_t checkpoints(const Model& model) { return std::ssize(model.training.at("history")); }

/// All files of the artifact.
std::string bytes(const Model& model) {
  const TemporaryFolder folder;
  model.save(folder.path());
  std::string out;
  for (const char* name : {"model.safetensors", "model.json", "metrics.tsv", "vocab.src.json", "vocab.trg.json"})
    out += read_file(folder.path() / name, 1 << 24);
  return out;
}

TEST(Trainer, LearnsToReverseSequences) {
  Job job;
  job.hp.rnn_num_hidden = 32, job.hp.num_embed_source = job.hp.num_embed_target = 16;
  job.hp.checkpoint_frequency_num_batches = 200, job.hp.max_num_batches = 1200;
  job.hp.bleu_sample_size = 20, job.hp.bucketing_enabled = true, job.hp.bucket_width = 3;
  const Model model = job.run(reversal(2048));
  const Json best = model.training.at("best");
  EXPECT_GT(best.at("validation:accuracy").get<double>(), 0.95) << job.log;
  EXPECT_LT(best.at("validation:perplexity").get<double>(), 1.3);
  EXPECT_GT(best.at("validation:bleu").get<double>(), 0.9);
}

TEST(Trainer, SameSeedSameBytes) {
  Job a, b, other;
  other.setup.hyperparameters["seed"] = "2";
  a.hp.embed_dropout_source = b.hp.embed_dropout_source = 0.2;
  const std::string first = bytes(a.run());
  EXPECT_EQ(first, bytes(b.run()));
  EXPECT_NE(first, bytes(other.run()));
}

TEST(Trainer, MakesACheckpointEverySoManyUpdatesAndAFinalOne) {
  Job job;
  job.hp.max_num_batches = 10;
  const Model model = job.run();
  EXPECT_EQ(updates(model), 10);
  std::vector<std::int64_t> made;
  for (const Json& one : model.training.at("history")) made.push_back(one.at("updates").get<std::int64_t>());
  EXPECT_EQ(made, (std::vector<std::int64_t>{4, 8, 10}));
  EXPECT_THAT(job.log, HasSubstr("Maximum # of updates (10) or epochs (None) reached."));
  EXPECT_THAT(job.log, HasSubstr("Training finished. Best checkpoint: "));
}

TEST(Trainer, ARunShorterThanACheckpointStillGivesAModel) {
  Job job;
  job.hp.max_num_batches = -1, job.hp.max_num_epochs = 1, job.hp.checkpoint_frequency_num_batches = 1000;
  const Model model = job.run();
  EXPECT_EQ(updates(model), 8) << "one whole epoch, its last batch included";
  EXPECT_EQ(checkpoints(model), 1);
  EXPECT_EQ(model.training.at("best_checkpoint"), 1);
  EXPECT_THAT(job.log, HasSubstr("Hint: an epoch has 8 batches, a checkpoint is made every 1000"));
}

TEST(Trainer, NoSecondCheckpointWhenOneIsDueAtTheLastUpdate) {
  Job job;
  job.hp.max_num_batches = 8;
  EXPECT_EQ(checkpoints(job.run()), 2);
}

/// No update changes anything.
Hyperparameters without_progress(Hyperparameters hp) {
  hp.optimizer_type = optim::Rule::kMomentum, hp.learning_rate = 1e-35;
  hp.max_num_batches = 60;
  return hp;
}

TEST(Trainer, StopsAfterCheckpointsWithoutImprovement) {
  Job job;
  job.hp = without_progress(job.hp);
  const Model model = job.run();
  EXPECT_EQ(updates(model), 4 * (1 + 3));
  EXPECT_EQ(model.training.at("best_checkpoint"), 1);
  EXPECT_THAT(job.log, HasSubstr("Model has not improved for 3 checkpoints"));
  EXPECT_THAT(job.log, HasSubstr("Maximum number of not improved checkpoints (3) reached: 3"));
}

TEST(Trainer, DoesNotStopBeforeItsLeastEpochsNorWithMaxNumEpochs) {
  Job least;
  least.hp = without_progress(least.hp);
  least.hp.min_num_epochs = 3;
  EXPECT_EQ(updates(least.run()), 3 * 8) << "at the checkpoint that ends the third epoch";
  Job goes_on;
  goes_on.hp = without_progress(goes_on.hp);
  goes_on.hp.max_num_epochs = 5;
  EXPECT_EQ(updates(goes_on.run()), 5 * 8);
  EXPECT_THAT(goes_on.log, HasSubstr("max_num_epochs is given: training does not stop early"));
}

TEST(Trainer, PlateauLowersTheRate) {
  Job job;
  job.hp = without_progress(job.hp);
  job.hp.plateau_reduce_lr_threshold = 2, job.hp.plateau_reduce_lr_factor = 0.5, job.hp.checkpoint_threshold = 5;
  std::vector<double> rates;
  const Model model = job.run();
  for (const Json& one : model.training.at("history")) rates.push_back(one.at("learning_rate").get<double>() / 1e-35);
  EXPECT_THAT(rates, testing::ElementsAre(1, 1, 1, 0.5, 0.5, 0.25));
  EXPECT_THAT(job.log, HasSubstr("2 checkpoints since improvement or rate scaling, lowering learning rate: 1.00e-35 -> "
                                 "5.00e-36"));
}

TEST(Trainer, FixedRatesFallWithTheUpdates) {
  for (const auto& [type, expected] :
       {std::pair(RateSchedule::kFixedRateInvT, 0.005 / (1 + 5 / 4.0)),
        std::pair(RateSchedule::kFixedRateInvSqrtT, 0.005 / std::sqrt(1 + 3 * 5 / 4.0))}) {
    Job job;
    job.hp.lr_scheduler_type = type, job.hp.fixed_rate_lr_half_life = 1;
    EXPECT_DOUBLE_EQ(job.run().training.at("history").at(0).at("learning_rate").get<double>(), expected)
        << "of the fifth update, which is next";
  }
}

TEST(Trainer, EveryOptimizerLearns) {
  for (const optim::Rule rule : {optim::Rule::kAdam, optim::Rule::kMomentum, optim::Rule::kRmsprop}) {
    Job job;
    job.hp.optimizer_type = rule, job.hp.max_num_batches = 60, job.hp.checkpoint_frequency_num_batches = 30;
    if (rule == optim::Rule::kMomentum) job.hp.learning_rate = 0.5, job.hp.momentum = 0.5;
    const Json history = job.run().training.at("history");
    EXPECT_LT(history.at(1).at("train:perplexity"), history.at(0).at("train:perplexity")) << name_of(rule);
    EXPECT_LT(history.at(1).at("validation:perplexity").get<double>(), 9) << name_of(rule);
  }
}

TEST(Trainer, GoesOnAfterAStopAsIfThereHadBeenNone) {
  Job whole;
  whole.hp.embed_dropout_target = 0.2;
  const std::string expected = bytes(whole.run());
  for (const int stop_after : {0, 2, 5, 8, 11, 15}) {
    Job job;
    job.hp = whole.hp;
    job.with_checkpoints();
    job.stop_after = stop_after;
    const Model stopped = job.run();
    EXPECT_LT(updates(stopped), 12) << stop_after;
    EXPECT_FALSE(bytes(stopped).empty());
    job.stop_after = -1;
    EXPECT_EQ(bytes(job.run()), expected) << stop_after;
    EXPECT_THAT(job.log, HasSubstr("Resuming after update")) << stop_after;
  }
}

TEST(Trainer, GoesOnAfterItWasKilledAtACheckpoint) {
  Job whole;
  whole.hp.lr_scheduler_type = RateSchedule::kFixedRateInvT;
  const std::string expected = bytes(whole.run());
  Job job;
  job.hp = whole.hp;
  job.with_checkpoints();
  const auto keep = job.setup.log;
  job.setup.log = [&](std::string_view line) {
    if (line.find("Checkpoint [2]\tValidation-accuracy") != line.npos) throw std::runtime_error("killed");
    keep(line);
  };
  EXPECT_THROW(job.run(), std::runtime_error);
  job.setup.log = keep;
  EXPECT_EQ(bytes(job.run()), expected);
  EXPECT_THAT(job.log, HasSubstr("Resuming after update 4"));
}

TEST(Trainer, AJobThatIsOverGivesItsModelAgain) {
  Job job;
  job.with_checkpoints();
  const std::string first = bytes(job.run());
  EXPECT_EQ(bytes(job.run()), first);
  job.hp.max_num_batches = 16;
  EXPECT_EQ(updates(job.run()), 16) << "a higher limit goes on";
}

TEST(Trainer, AJobThatStoppedEarlyGoesOnUnderAHigherThreshold) {
  Job job;
  job.hp.learning_rate = 1e-35, job.hp.checkpoint_threshold = 2, job.hp.max_num_batches = -1;
  job.with_checkpoints();
  EXPECT_EQ(updates(job.run()), 12);
  EXPECT_EQ(updates(job.run()), 12) << "the same limits";
  job.hp.checkpoint_threshold = 4;
  EXPECT_EQ(updates(job.run()), 20);
  job.hp.max_num_epochs = 3;
  EXPECT_EQ(updates(job.run()), 24) << "max_num_epochs turns early stopping off";
}

TEST(Trainer, CheckpointsOfOtherPairsAreNotUsed) {
  Job job;
  job.with_checkpoints();
  job.run();
  job.log.clear();
  job.run(reversal(224));
  EXPECT_THAT(job.log, HasSubstr("training starts anew"));
}

TEST(Trainer, AStopBeforeTheFirstCheckpointGivesAModel) {
  Job job;
  job.stop_after = 1;
  const Model model = job.run();
  EXPECT_EQ(updates(model), 2);
  EXPECT_EQ(checkpoints(model), 1) << "the time is enough for the scores";
}

TEST(Trainer, BleuIsComputedForASampleThatIsAlwaysTheSame) {
  Job job;
  job.hp.optimized_metric = Metric::kBleu, job.hp.bleu_sample_size = 10;
  const Model model = job.run();
  for (const Json& one : model.training.at("history")) EXPECT_GE(one.at("validation:bleu").get<double>(), 0);
  EXPECT_THAT(job.log, HasSubstr("BLEU is computed for 10 validation pairs"));
  EXPECT_THAT(job.log, HasSubstr("Early stopping by optimizing 'bleu'"));
  EXPECT_THAT(job.log, HasSubstr("Validation-bleu improved to"));
  const PairData pairs = reversed(100, 3);
  EXPECT_EQ(BleuSample(pairs.pairs, 7).size(), 7);
  EXPECT_EQ(BleuSample(pairs.pairs, -1).size(), 100);
  EXPECT_EQ(BleuSample(pairs.pairs, 1000).size(), 100);
}

TEST(Trainer, EveryMetricOfTheDescriptorIsInTheLog) {
  Job job;
  job.hp.bleu_sample_size = 5, job.hp.max_num_batches = 50, job.hp.training_metric = Metric::kAccuracy;
  job.run();
  for (const shell::MetricSpec& metric : Seq2Seq::descriptor().metrics)
    EXPECT_TRUE(std::regex_search(job.log, std::regex(metric.regex))) << metric.name;
  EXPECT_TRUE(std::regex_search(
      job.log, std::regex(R"(Epoch\[6\] Batch \[50\]\tSpeed: [0-9.]+ samples/sec\tperplexity=[0-9.]+\taccuracy=0)")))
      << job.log;
}

TEST(Trainer, WarnsAboutSettingsWithoutEffect) {
  Job job;
  job.hp.clip_gradient = 0, job.hp.momentum = 0.9, job.hp.cnn_hidden_dropout = 1, job.hp.beam_size = 50;
  const Model model = job.run();
  EXPECT_EQ(model.beam_size, kFirstWord + kWords);
  EXPECT_THAT(job.log, HasSubstr("clip_gradient is 0: gradients are not limited"));
  EXPECT_THAT(job.log, HasSubstr("momentum 0.9 has an effect with optimizer_type sgd only; optimizer_type is adam"));
  EXPECT_THAT(job.log, HasSubstr("cnn_hidden_dropout 1 drops nearly everything"));
  EXPECT_THAT(job.log, HasSubstr("beam_size 50 exceeds the target vocabulary: 12 is used"));
  EXPECT_THAT(job.log, HasSubstr("it is never used lowered"));
}

TEST(Trainer, BatchesThatDoNotFitIntoMemoryAreLearnedInParts) {
  Job whole, parts;
  whole.hp.max_num_batches = parts.hp.max_num_batches = 4;
  const Model a = whole.run();
  const std::int64_t one = Network::bytes(a.architecture, 9, 7, 7);
  const Model b = parts.run(reversal(), (7 * a.parameters.learned() * 4 + one) * 10 / 9 + 10);
  EXPECT_NE(bytes(a), bytes(b)) << "sums in another order";
  for (std::size_t i = 0; i < a.parameters.values().size(); ++i)
    ASSERT_NEAR(a.parameters.values()[i], b.parameters.values()[i], 2e-4) << i;
}

TEST(Trainer, SaysWhatToLowerWhereMemoryIsNotEnough) {
  Job job;
  EXPECT_THAT(job.problem(reversal(), 1000), HasSubstr("lower num_embed_source, num_embed_target, rnn_num_hidden"));
  const std::int64_t parameters = Parameters::learned(job.hp.architecture(12, 12));
  EXPECT_THAT(job.problem(reversal(), 8 * parameters * 4), HasSubstr("lower max_seq_len_source or max_seq_len_target"));
}

TEST(Trainer, ATrainingThatDivergesAtOnceIsAnError) {
  Job job;
  job.hp.clip_gradient = -1, job.hp.learning_rate = 1e38;
  EXPECT_THAT(job.problem(), HasSubstr("lower learning_rate"));
}

/// A finished job's artifact as the channel `model` of another.
void give_model(Job& job, const Model& model) {
  const auto dir = job.setup.layout.channel_dir("model");
  std::filesystem::create_directories(dir);
  const TemporaryFolder folder;
  model.save(folder.path());
  formats::pack_tar_gz(folder.path(), dir / "model.tar.gz");
  job.setup.channels["model"] = {};
}

TEST(Trainer, GoesOnFromAModelChannel) {
  Job first;
  const Model model = first.run();
  Job second;
  second.hp = without_progress(second.hp);
  second.hp.max_num_batches = 1;
  give_model(second, model);
  const Model same = second.run();
  EXPECT_TRUE(std::ranges::equal(same.parameters.values(), model.parameters.values()));
  EXPECT_THAT(second.log, HasSubstr("Training goes on from the model in channel model."));
}

TEST(Trainer, NamesWhatDiffersFromTheModelChannel) {
  Job first;
  const Model model = first.run();
  Job second;
  second.hp.rnn_num_hidden = 20, second.hp.rnn_cell_type = Cell::kLstm, second.hp.cnn_num_hidden = 99;
  second.hp.rnn_decoder_state_init = StateInit::kAvg;
  give_model(second, model);
  EXPECT_EQ(second.problem(),
            "channel model: rnn_cell_type of the model is gru, of the job lstm; rnn_num_hidden of the model is 16, of "
            "the job 20; rnn_decoder_state_init of the model is last, of the job avg; rnn_attention_num_hidden of the "
            "model is 16, of the job 20; they must agree");
  Job third;
  give_model(third, model);
  Data data = reversal();
  data.words.target = some_words(kWords + 1);
  EXPECT_THAT(third.problem(data),
              HasSubstr("word 12 of vocab.trg.json is '<unk>' in the model, 'w8' in channel vocab"));
}

TEST(Trainer, AModelChannelWithoutAModelIsTheUsersMistake) {
  Job job;
  std::filesystem::create_directories(job.setup.layout.channel_dir("model"));
  job.setup.channels["model"] = {};
  EXPECT_THAT(job.problem(), HasSubstr("channel model: "));
}

}  // namespace
}  // namespace clary::seq2seq
