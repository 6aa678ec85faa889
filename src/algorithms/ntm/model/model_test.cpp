// SPDX-License-Identifier: Apache-2.0
// The artifact: what is written is read back to the same numbers, what is broken is refused, and what it answers.
#include "algorithms/ntm/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "algorithms/ntm/model/mxnet.h"
#include "algorithms/ntm/train/checkpoint.h"
#include "algorithms/ntm/train/testing_reference.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/zip_archive.h"

namespace clary::ntm {
namespace {

using ::testing::HasSubstr;

Model small_model(bool batch_norm = true, bool named = true) {
  const Shape shape{6, 3, {7, 5}, kernels::Activation::kTanh, batch_norm};
  Parameters p = testing_reference::random_parameters(shape, 3);
  for (auto& m : p.running_variance)
    for (std::int64_t c = 0; c < m.columns; ++c) m.at(0, c) = 0.5f + static_cast<float>(c);
  TopicReport report;
  report.top = top_words(p.decoder);
  report.uniqueness = topic_uniqueness(report.top);
  report.npmi = {0.1, 0.2, 0.3};
  std::vector<std::string> words;
  if (named) words = {"alpha", "beta", "gamma", "delta", "eps", "zeta"};
  return Model(std::move(p), words, report, {{"best_epoch", 3}});
}

formats::Batch dense(std::vector<float> values, std::int64_t width) {
  formats::Batch b;
  b.width = width;
  b.rows = static_cast<std::int64_t>(values.size()) / width;
  b.values = std::move(values);
  return b;
}

std::string refusal(const std::function<void()>& f) {
  try {
    f();
  } catch (const Error& e) {
    EXPECT_NE(e.kind(), Kind::kInternal) << e.what();
    return e.what();
  }
  return "accepted";
}

TEST(NtmModel, SavesAndLoadsTheSameAnswers) {
  for (const bool norm : {false, true}) {
    const TemporaryFolder folder;
    const Model model = small_model(norm);
    model.save_host(folder.path(), "algo-1");
    model.save_plain(folder.path());
    const Model back = Model::load(folder.path());
    const auto rows = dense({0, 0, 3, 1, 0, 0, 1, 0, 0, 0, 2, 2.5f, 0, 0, 0, 0, 0, 0}, 6);
    const auto a = model.predict(rows, {}), b = back.predict(rows, {});
    ASSERT_EQ(a.rows, 3);
    EXPECT_EQ(a.columns[0].name, "topic_weights");
    EXPECT_EQ(a.columns[0].numbers, b.columns[0].numbers);
    EXPECT_EQ(back.vocabulary(), model.vocabulary());
    EXPECT_EQ(back.meta()["best_epoch"], 3);
    for (const char* file : {"topics.json", "topics.csv", "topic_word.npy", "vocab.txt"}) {
      EXPECT_TRUE(std::filesystem::exists(folder.path() / file)) << file;
    }
  }
}

TEST(NtmModel, SameModelGivesSameBytes) {
  const TemporaryFolder a, b;
  small_model().save_host(a.path(), "algo-1");
  small_model().save_host(b.path(), "algo-1");
  EXPECT_EQ(read_file(a.path() / "model_algo-1"), read_file(b.path() / "model_algo-1"));
}

TEST(NtmModel, WeightsAreTheSoftmaxOfTheMeanAsPlainLoopsGiveIt) {
  const Model model = small_model();
  Documents d = testing_reference::random_documents(9, 6, 4, 1);
  const auto heads = testing_reference::encode(model.parameters(), testing_reference::all(d), false);
  const auto found = topic_weights(model.parameters(), testing_reference::all(d));
  for (std::size_t r = 0; r < heads.size(); ++r) {
    double sum = 0;
    for (std::size_t k = 0; k < 3; ++k) sum += std::exp(heads[r][k]);
    for (std::size_t k = 0; k < 3; ++k) EXPECT_NEAR(found[3 * r + k], std::exp(heads[r][k]) / sum, 1e-5);
  }
}

TEST(NtmModel, RawWordsAreCountedByTheArtifactsVocabulary) {
  const TemporaryFolder folder;
  small_model().save_host(folder.path(), "algo-1");
  const Model model = Model::load(folder.path());
  EXPECT_TRUE(model.accepts_tokens());
  formats::Batch words;
  words.sparse = true;
  words.width = 6;
  words.rows = 1;
  words.offsets = {0, 0};
  words.tokens = {{"gamma", "unknown", "Alpha", "gamma"}};
  const auto by_words = model.predict(words, {}), by_counts = model.predict(dense({1, 0, 2, 0, 0, 0}, 6), {});
  EXPECT_EQ(by_words.columns[0].numbers, by_counts.columns[0].numbers);
}

TEST(NtmModel, TopicWordsComeWhenAccepted) {
  const Model model = small_model();
  shell::ServeRequest request;
  request.accept = formats::parse_content_type("application/json; topics=true");
  const auto answer = model.predict(dense({0, 1, 0, 0, 0, 0}, 6), request);
  ASSERT_EQ(answer.columns.size(), 2u);
  EXPECT_EQ(answer.columns[1].name, "topics");
  EXPECT_EQ(answer.columns[1].texts_of(0).size(), 3u);
  EXPECT_THAT(answer.columns[1].texts_of(0)[0], HasSubstr("gamma"));
  ASSERT_TRUE(model.document("topics"));
  EXPECT_THAT(model.document("topics")->body, HasSubstr("topic_uniqueness"));
  EXPECT_FALSE(model.document("other"));
}

TEST(NtmModel, TopicWordsOfTooManyRowsAreRefused) {
  const Model model = small_model();
  shell::ServeRequest request;
  request.accept = formats::parse_content_type("application/json; topics=true");
  formats::Batch rows;
  rows.sparse = true;
  rows.width = 6;
  rows.rows = 3'000'000;
  rows.offsets.resize(static_cast<std::size_t>(rows.rows) + 1);
  EXPECT_THAT(refusal([&] { model.predict(rows, request); }),
              HasSubstr("topics=true for 3000000 rows would give more than 268435456 bytes of topics; send at most "));
}

TEST(NtmModel, NegativeCountsAreRefused) {
  const Model model = small_model();
  EXPECT_THAT(refusal([&] {
                model.predict(dense({0, 0, 0, 0, 0, 1, 0, 0, -2, 0, 0, 0}, 6), {});
              }),
              HasSubstr("row 2, word 2: count -2"));
}

TEST(NtmModel, ForeignFilesAreRefusedWithAReason) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal([&] { Model::load(folder.path()); }), HasSubstr("not an NTM model"));
  const auto with = [&](std::map<std::string, std::string> members) {
    write_file_atomically(folder.path() / "model_algo-1", artifact::write_zip({members.begin(), members.end()}));
    return refusal([&] { Model::load(folder.path()); });
  };
  small_model().save_host(folder.path(), "algo-1");
  const auto good = artifact::read_zip(read_file(folder.path() / "model_algo-1"));
  EXPECT_THAT(with({{"params", good.at("params")}}), HasSubstr("holds no meta.json"));
  auto members = good;
  members["vocab.txt"] = "one\n";
  EXPECT_THAT(with(members), HasSubstr("1 lines"));
  members = good;
  members["meta.json"] = R"({"feature_dim":1000000,"num_topics":1000,"encoder_layers":[1000000]})";
  EXPECT_THAT(with(members), HasSubstr("activation"));
  members["meta.json"] =
      R"({"feature_dim":1000000,"num_topics":1000,"encoder_layers":[1000000],"encoder_layers_activation":"tanh"})";
  EXPECT_THAT(with(members), HasSubstr("has not the shape"));
  members["meta.json"] = R"({"feature_dim":-1})";
  EXPECT_THAT(with(members), HasSubstr("feature_dim is -1"));
  write_file_atomically(folder.path() / "model_algo-1", "this is no zip");
  EXPECT_NE(refusal([&] { Model::load(folder.path()); }), "accepted");
}

TEST(NtmCheckpoint, RoundTripsAndIsRefusedForAnotherModel) {
  Hyperparameters hp;
  hp.feature_dim = 6;
  hp.num_topics = 3;
  Checkpoint c;
  c.epoch = 2;
  c.history = {7, 6.5};
  c.parameters = testing_reference::random_parameters(hp.shape(), 1);
  c.best = testing_reference::random_parameters(hp.shape(), 2);
  c.optimizer.steps = 9;
  c.optimizer.first = testing_reference::random_parameters(hp.shape(), 3);
  c.optimizer.second = testing_reference::random_parameters(hp.shape(), 4);
  const Checkpoint back = from_shell(to_shell(c), hp.shape());
  EXPECT_EQ(back.epoch, 2);
  EXPECT_EQ(back.history, c.history);
  EXPECT_EQ(back.parameters.decoder.values, c.parameters.decoder.values);
  EXPECT_EQ(back.optimizer.second.head.values, c.optimizer.second.head.values);
  EXPECT_EQ(back.optimizer.row_steps, std::vector<std::int64_t>(6, 9));
  const Json identity = checkpoint_identity(hp);
  hp.num_topics = 4;
  EXPECT_NE(checkpoint_identity(hp), identity);
  EXPECT_THROW(from_shell(to_shell(c), hp.shape()), Error);
  c.history.pop_back();
  EXPECT_THROW(from_shell(to_shell(c), c.parameters.shape), Error);
}

TEST(NtmSymbol, IsAGraphWhoseEveryInputComesBefore) {
  const Json g = parse_json(symbol_json({6, 3, {7, 5}, kernels::Activation::kRelu, true}));
  const auto nodes = g["nodes"];
  for (std::size_t i = 0; i < nodes.size(); ++i)
    for (const auto& in : nodes[i]["inputs"]) EXPECT_LT(in[0].get<std::size_t>(), i);
  EXPECT_EQ(nodes[g["heads"][0][0].get<std::size_t>()]["op"], "softmax");
  for (const auto& a : g["arg_nodes"]) EXPECT_EQ(nodes[a.get<std::size_t>()]["op"], "null");
}

}  // namespace
}  // namespace clary::ntm
