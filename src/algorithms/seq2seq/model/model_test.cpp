// SPDX-License-Identifier: Apache-2.0
// A model from its folder to an answer.
#include "algorithms/seq2seq/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>

#include "algorithms/seq2seq/model/testing_models.h"
#include "base/error.h"
#include "base/files.h"
#include "formats/words.h"

namespace clary::seq2seq {
namespace {

using ::testing::HasSubstr;

struct Hosted {
  TemporaryFolder folder;
  Model model;

  explicit Hosted(Architecture a) {
    Model made = testing_model(a);
    made.beam_size = 3;
    made.save(folder.path());
    model = Model::load(folder.path());
  }
  Json ask(const std::string& body) const {
    const shell::Answer answer = model.answer({"application/json", "", "", body});
    EXPECT_EQ(answer.status, 200) << answer.body;
    return Json::parse(answer.body);
  }
};

std::size_t count_words(const std::string& text) {
  std::size_t out = 0;
  formats::for_each_word(text, [&](std::string_view) { ++out; });
  return out;
}

TEST(Seq2SeqModel, AnswersFromItsFolderWithMatricesOfTheRightSize) {
  for (const NetworkType type : {NetworkType::kRnn, NetworkType::kCnn}) {
    Architecture a = testing_architecture();
    a.encoder = a.decoder = type;
    const Hosted hosted(a);
    const Json answer =
        hosted.ask(R"({"instances": [{"data": "s4 s5 s6", "configuration": {"attention_matrix": "true", "n_best": 2}},
                                                     {"data": "s4 s5 s6"}, {"data": ""}]})");
    const Json& first = answer["predictions"][0];
    EXPECT_EQ(first["matrix"].size(), count_words(first["target"]));
    for (const Json& row : first["matrix"]) {
      EXPECT_EQ(row.size(), 3U);
      double sum = 0;
      for (const Json& weight : row) sum += weight.get<double>();
      EXPECT_NEAR(sum, 1, 1e-4);
    }
    EXPECT_EQ(first["n_best"].size(), 2U);
    EXPECT_LE(first["n_best"][0]["score"], first["n_best"][1]["score"]);
    EXPECT_EQ(answer["predictions"][1]["target"], first["target"]) << "batch mates do not matter";
    EXPECT_EQ(answer["predictions"][2]["target"], "");
  }
}

TEST(Seq2SeqModel, IdsWithoutAWordAreNeverChosen) {
  Architecture a = testing_architecture();
  Model made = testing_model(a);
  std::string text = made.target.text();
  text.replace(text.find("    \"t5\": 5,\n"), std::string_view("    \"t5\": 5,\n").size(), "");
  made.target = Vocabulary::parse(text, "vocab.trg.json");
  made.parameters.of(made.parameters.tensor("output.bias"))[5] = 100;
  const TemporaryFolder folder;
  made.save(folder.path());
  const Model model = Model::load(folder.path());
  EXPECT_EQ(model.decode_limits().never, std::vector<std::int32_t>{5});
  const shell::Answer answer = model.answer({"application/json", "", "", R"({"instances": [{"data": "s4 s5"}]})"});
  EXPECT_THAT(answer.body, ::testing::Not(HasSubstr("<unk> <unk>")));
}

TEST(Seq2SeqModel, PrecisionIsAWordOfTheEnvironment) {
  Architecture a = testing_architecture();
  const TemporaryFolder folder;
  testing_model(a).save(folder.path());
  ::setenv("CLARY_INFERENCE_PRECISION", "Int8", 1);
  EXPECT_NO_THROW(Model::load(folder.path()));
  ::setenv("CLARY_INFERENCE_PRECISION", "int4", 1);
  try {
    Model::load(folder.path());
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "CLARY_INFERENCE_PRECISION: 'int4' is not one of float32, bfloat16, int8");
  }
  ::unsetenv("CLARY_INFERENCE_PRECISION");
}

}  // namespace
}  // namespace clary::seq2seq
