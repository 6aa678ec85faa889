// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/checkpoint.h"

#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "base/files.h"
#include "learning/shell/test_program.h"
#include "learning/shell/toy_algorithm.h"

namespace clary::shell {
namespace {

const Json kIdentity{{"features", 4}};

Checkpoint sample(std::int64_t progress = 3) {
  Checkpoint out;
  out.progress = progress;
  out.state = {{"history", {json_number(0.5), json_number(NAN), json_number(-INFINITY)}}};
  out.put("weight", std::vector<float>{1, -2, NAN});
  out.put("bias", std::vector<float>{7});
  return out;
}

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == Kind::kMalformed || error.kind() == Kind::kLimit) << error.what();
    return error.what();
  }
  return "";
}

TEST(Checkpoint, RoundTripsNumbersOfEveryKind) {
  const auto back = Checkpoint::from_bytes(sample().to_bytes(kIdentity), kIdentity);
  ASSERT_TRUE(back);
  EXPECT_EQ(back->progress, 3);
  const Json& history = back->state.at("history");
  EXPECT_EQ(number_of(history[0]), 0.5);
  EXPECT_TRUE(std::isnan(number_of(history[1])));
  EXPECT_EQ(number_of(history[2]), -INFINITY);
  std::vector<float> weight(3);
  back->take("weight", weight);
  EXPECT_EQ(weight[1], -2);
  EXPECT_TRUE(std::isnan(weight[2]));
}

TEST(Checkpoint, NamesWhatIsMissingOrOfAnotherSize) {
  const Checkpoint c = sample();
  EXPECT_EQ(refusal([&] { c.array("weights", 3); }), "checkpoint: array weights is missing");
  EXPECT_EQ(refusal([&] { c.array("weight", 4); }), "checkpoint: array weight has 3 numbers, 4 are expected");
  EXPECT_NE(refusal([&] { reading_state([&] { return c.state.at("epoch").get<int>(); }); }).find("epoch"),
            std::string::npos);
  EXPECT_NE(refusal([] { number_of(Json("many")); }).find("\"many\""), std::string::npos);
}

TEST(Checkpoint, OfAnotherJobIsNothing) {
  EXPECT_FALSE(Checkpoint::from_bytes(sample().to_bytes(kIdentity), {{"features", 5}}));
}

TEST(Checkpoint, CutOrChangedBytesAreRefusedOrTaken) {
  const std::string bytes = sample().to_bytes(kIdentity);
  std::mt19937 random(1);
  int refused = 0;
  for (std::size_t place = 0; place < bytes.size(); ++place) {
    std::string changed = bytes;
    changed[place] = static_cast<char>(random());
    for (const std::string& bad : {bytes.substr(0, place), changed})
      refused += !refusal([&] { Checkpoint::from_bytes(bad, kIdentity); }).empty();
  }
  EXPECT_GT(refused, 100);
}

/// A job's folder with a CheckpointConfig, and a context in it.
struct Host {
  JobFolder job;
  std::string log;

  TrainContext context(bool enabled = true) {
    if (enabled)
      write_file_atomically(job.layout.checkpoint_config(), contract::to_json(contract::CheckpointConfig{"s3://b/c"}));
    TrainContext::Setup setup;
    setup.layout = job.layout;
    setup.channels["train"].content_type = "text/csv";
    setup.log = [this](std::string_view line) { log += line; };
    return {toy::Toy::descriptor(), std::move(setup)};
  }
};

TEST(Checkpoints, AreOffWithoutACheckpointConfig) {
  Host host;
  TrainContext context = host.context(false);
  const Checkpoints checkpoints(context, "toy", kIdentity);
  EXPECT_FALSE(checkpoints.enabled());
  EXPECT_FALSE(checkpoints.load());
}

TEST(Checkpoints, TheLastOneIsLoaded) {
  Host host;
  TrainContext context = host.context();
  const Checkpoints checkpoints(context, "toy", kIdentity);
  EXPECT_FALSE(checkpoints.load());
  checkpoints.save(sample(1));
  checkpoints.save(sample(2));
  EXPECT_EQ(checkpoints.file().filename(), "toy_algo-1.checkpoint");
  EXPECT_EQ(checkpoints.load()->progress, 2);
  EXPECT_FALSE(Checkpoints(context, "toy", {{"features", 5}}).load());
  EXPECT_NE(host.log.find("The checkpoint is of a job with other data or hyperparameters"), std::string::npos);
}

}  // namespace
}  // namespace clary::shell
