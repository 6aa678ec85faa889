// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/checkpoint.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "base/error.h"

namespace clary::seq2seq {
namespace {

constexpr std::int64_t kBatches = 5;  // of an epoch

Hyperparameters small() {
  Hyperparameters hp;
  hp.rnn_num_hidden = 4, hp.num_embed_source = hp.num_embed_target = 3;
  return hp;
}

/// A training after 12 updates, its learned numbers and its optimizer.
struct Training {
  numeric::Team team{1, numeric::Team::Shared{}};
  Hyperparameters hp = small();
  Parameters now{hp.architecture(6, 7)};
  Optimizer optimizer{hp, now, team};
  State state;

  explicit Training(float first_value) {
    std::iota(now.values().begin(), now.values().end(), first_value);
    std::ranges::fill(optimizer.first(), first_value + 1);
    std::ranges::fill(optimizer.second(), first_value + 2);
  }
};

void make_12_updates(Training& out) {
  out.optimizer.restore(12);
  State& state = out.state;
  state.position = {.epoch = 2, .batch = 2, .updates = 12, .samples = 700};
  state.checkpoints = 3, state.checkpoint_update = 9;
  state.since_checkpoint = {.nats = 12.5, .labels = 30, .correct = 7};
  state.rate = 0.1, state.plateau_idle = 1;
  state.selected = Selection::Best{.value = 3.25, .perplexity = 3.5}, state.selection_idle = 2;
  state.history = Json::array({Json{{"checkpoint", 1}}});
  state.best = Best{.checkpoint = 1, .scores = {{"validation:bleu", 0.5}}, .parameters = out.now};
  std::ranges::fill(state.best->parameters.values(), 2.0F);
}

TEST(Seq2SeqCheckpoint, GivesBackEverything) {
  Training from(0.5F), to(0);
  make_12_updates(from);
  const shell::Checkpoint checkpoint = to_shell(from.state, from.now, from.optimizer);
  EXPECT_EQ(checkpoint.progress, 12);
  const State state = from_shell(checkpoint, kBatches, to.now, to.optimizer);
  EXPECT_TRUE(std::ranges::equal(to.now.values(), from.now.values()));
  EXPECT_TRUE(std::ranges::equal(to.optimizer.first(), from.optimizer.first()));
  EXPECT_TRUE(std::ranges::equal(to.optimizer.second(), from.optimizer.second()));
  EXPECT_EQ(to.optimizer.steps(), 12);
  EXPECT_TRUE(std::ranges::equal(state.best->parameters.values(), from.state.best->parameters.values()));
  EXPECT_EQ(state.best->scores, from.state.best->scores);
  EXPECT_EQ(state.selected->value, 3.25);
  EXPECT_EQ(state.selected->perplexity, 3.5);
  const shell::Checkpoint again = to_shell(state, to.now, to.optimizer);
  EXPECT_EQ(again.state, checkpoint.state);
  EXPECT_EQ(again.to_bytes({}), checkpoint.to_bytes({}));
}

TEST(Seq2SeqCheckpoint, TakesARateThatFellToZero) {
  Training from(0.5F), to(0);
  make_12_updates(from);
  from.state.rate = 0;
  EXPECT_EQ(from_shell(to_shell(from.state, from.now, from.optimizer), kBatches, to.now, to.optimizer).rate, 0);
}

TEST(Seq2SeqCheckpoint, RefusesStatesThatCannotBe) {
  Training from(0.5F);
  make_12_updates(from);
  const shell::Checkpoint good = to_shell(from.state, from.now, from.optimizer);
  const std::pair<const char*, Json> changes[] = {{"/position/updates", 13},
                                                  {"/position/epoch", 1},
                                                  {"/position/batch", 3},
                                                  {"/position/batch", -1},
                                                  {"/position/samples", -1},
                                                  {"/steps", 11},
                                                  {"/checkpoint_update", 13},
                                                  {"/checkpoints", -1},
                                                  {"/rate", -0.1},
                                                  {"/plateau_idle", -1},
                                                  {"/best/checkpoint", 4},
                                                  {"/best/checkpoint", 0},
                                                  {"/history", "x"},
                                                  {"/position", Json()},
                                                  {"/rate", "fast"},
                                                  {"/best/value", Json()},
                                                  {"/stopped_early", "true"},
                                                  {"/selection_idle", -2},
                                                  {"/since_checkpoint/nats", "x"}};
  for (const auto& [where, value] : changes) {
    shell::Checkpoint bad = good;
    bad.state[Json::json_pointer(where)] = value;
    try {
      from_shell(bad, kBatches, from.now, from.optimizer);
      ADD_FAILURE() << where;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed) << where;
    }
  }
}

TEST(Seq2SeqCheckpoint, IdentityDependsOnPairsAndSettingsButNotOnLimits) {
  Pairs pairs, others;
  for (Pairs* p : {&pairs, &others}) p->source.add(std::vector<std::int32_t>{4, 5});
  pairs.target.add(std::vector<std::int32_t>{4});
  others.target.add(std::vector<std::int32_t>{5});
  const auto words = [](const std::string& word) {
    const std::string text = R"({"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, ")" + word + R"(": 4})";
    return Vocabularies{Vocabulary::parse(text, "source"), Vocabulary::parse(text, "target")};
  };
  const hyper::TextMap given{{"batch_size", "64"}, {"max_num_epochs", "3"}};
  const Json identity = checkpoint_identity(given, words("a"), pairs, others);
  EXPECT_EQ(checkpoint_identity({{"batch_size", "64"}, {"max_num_epochs", "9"}}, words("a"), pairs, others), identity);
  EXPECT_NE(checkpoint_identity({{"batch_size", "32"}, {"max_num_epochs", "3"}}, words("a"), pairs, others), identity);
  EXPECT_NE(checkpoint_identity(given, words("a"), others, others), identity);
  EXPECT_NE(checkpoint_identity(given, words("a"), pairs, pairs), identity) << "the best so far has other scores";
  EXPECT_NE(checkpoint_identity(given, words("b"), pairs, others), identity) << "the same ids, other words";
}

}  // namespace
}  // namespace clary::seq2seq
