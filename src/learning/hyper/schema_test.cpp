// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/schema.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace clary::hyper {
namespace {

enum class Task { kClassifier, kRegressor };

struct Toy {
  std::int64_t k = 0;
  std::int64_t sample_size = 0;
  std::int64_t nlists = 0;
  double clip = kInfinite;
  double rate = 0.01;
  Task task = Task::kClassifier;
  bool norm = false;
  std::vector<std::int64_t> layers;
  std::string note = "hello";
};

const Schema<Toy>& schema() {
  static const Schema<Toy> s{
      "toy",
      {
          integer("k", &Toy::k, 1, 1000).required().tunable(1, 100).about("Neighbours."),
          integer("sample_size", &Toy::sample_size, 1).required().about("Rows kept."),
          integer("nlists", &Toy::nlists, 1).literal("auto", "0").about("Cells."),
          continuous("clip", &Toy::clip, 1e-3).literal("Inf", "inf").about("Bound."),
          continuous("rate", &Toy::rate, 1e-6, 1.0).tunable(1e-4, 0.1, Scaling::kLogarithmic).about("Step."),
          categorical("task", &Toy::task, {{"classifier", Task::kClassifier}, {"regressor", Task::kRegressor}})
              .literal("regression", "regressor")
              .about("What to predict."),
          boolean("norm", &Toy::norm).about("Normalise."),
          integer_list("layers", &Toy::layers, 1).literal("auto", "").about("Layer sizes."),
          free_text("note", &Toy::note).about("Words."),
          ignored<Toy>("_kvstore", "auto_gpu"),
      },
      {{"k must not exceed sample_size", [](const Toy& t) { return t.k <= t.sample_size; }}}};
  return s;
}

std::string problem(const TextMap& given) {
  try {
    schema().parse(given);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "";
}

TextMap with(std::string name, std::string value) {
  TextMap given{{"k", "5"}, {"sample_size", "100"}};
  given[std::move(name)] = std::move(value);
  return given;
}

TEST(Schema, FillsTheStruct) {
  const Toy toy = schema().parse({{"k", "5"},
                                  {"sample_size", "100"},
                                  {"task", "regression"},
                                  {"norm", "True"},
                                  {"layers", "[100, 50]"},
                                  {"rate", "1e-3"},
                                  {"clip", "Inf"},
                                  {"nlists", "auto"},
                                  {"note", "None"},
                                  {"_kvstore", "dist_async"},
                                  {"seed", "7"}});
  EXPECT_EQ(toy.k, 5);
  EXPECT_EQ(toy.task, Task::kRegressor);
  EXPECT_TRUE(toy.norm);
  EXPECT_EQ(toy.layers, (std::vector<std::int64_t>{100, 50}));
  EXPECT_DOUBLE_EQ(toy.rate, 1e-3);
  EXPECT_TRUE(std::isinf(toy.clip));
  EXPECT_EQ(toy.nlists, 0);
  EXPECT_EQ(toy.note, "None");
}

TEST(Schema, KeepsDefaultsForAbsentAndNone) {
  const Toy toy = schema().parse(with("rate", "None"));
  EXPECT_DOUBLE_EQ(toy.rate, 0.01);
  EXPECT_EQ(toy.note, "hello");
}

TEST(Schema, AcceptsEverySpellingOfTheTypes) {
  for (const char* text : {"True", "true", "1"}) EXPECT_TRUE(schema().parse(with("norm", text)).norm) << text;
  for (const char* text : {"False", "false", "0"}) EXPECT_FALSE(schema().parse(with("norm", text)).norm) << text;
  for (const char* text : {"128,64", "[128, 64]", "(128, 64)", " [128,64] "})
    EXPECT_EQ(schema().parse(with("layers", text)).layers, (std::vector<std::int64_t>{128, 64})) << text;
  for (const char* text : {"7", "7.0", " 7 ", "+7"}) EXPECT_EQ(schema().parse(with("nlists", text)).nlists, 7) << text;
}

TEST(Schema, RefusesEachBadValueByNameValueAndRule) {
  EXPECT_EQ(problem(with("k", "0")),
            "toy: k: '0' is not valid under any of the given schemas: expected an integer from 1 to 1000");
  EXPECT_EQ(
      problem(with("nlists", "0")),
      "toy: nlists: '0' is not valid under any of the given schemas: expected an integer of at least 1 or 'auto'");
  EXPECT_EQ(
      problem(with("task", "clustering")),
      "toy: task: 'clustering' is not valid under any of the given schemas: expected one of classifier, regressor");
  EXPECT_NE(problem(with("norm", "maybe")).find("expected true or false"), std::string::npos);
  for (const char* text : {"", "nan", "inf", "1.5", "abc", "1e-9", "0.1x"})
    EXPECT_NE(problem(with("rate", text)), "") << text;
  for (const char* text : {"", "1.5", "abc", "99999999999999999999", "1 2"})
    EXPECT_NE(problem(with("k", text)), "") << text;
  for (const char* text : {"[]", "[1,]", "1,,2", "0", "[1", "a"}) EXPECT_NE(problem(with("layers", text)), "") << text;
}

TEST(Schema, ReportsAllProblemsInOneError) {
  const std::string text = problem({{"K", "5"}, {"rate", "2"}, {"sampel_size", "10"}});
  EXPECT_EQ(
      text,
      "toy: 4 problems with the hyperparameters: (1) No value(s) were specified for 'k', 'sample_size' which are "
      "required hyperparameter(s). (2) Additional properties are not allowed ('K' was unexpected). (3) Additional "
      "properties are not allowed ('sampel_size' was unexpected); did you mean 'sample_size'?. (4) rate: '2' is "
      "not valid under any of the given schemas: expected a number from 1e-06 to 1.");
}

TEST(Schema, ChecksRulesWithTheValues) {
  EXPECT_EQ(problem({{"k", "7"}, {"sample_size", "5"}}),
            "toy: k must not exceed sample_size (given k=7, sample_size=5)");
}

TEST(Schema, DescribesInSageMakersWords) {
  const Json table = schema().describe();
  ASSERT_EQ(table.size(), 11u);
  EXPECT_EQ(table[0]["Name"], "k");
  EXPECT_EQ(table[0]["Type"], "Integer");
  EXPECT_EQ(table[0]["Range"]["IntegerParameterRangeSpecification"]["MaxValue"], "1000");
  EXPECT_EQ(table[0]["IsRequired"], true);
  EXPECT_FALSE(table[0].contains("DefaultValue"));
  EXPECT_EQ(table[2]["DefaultValue"], "auto");
  EXPECT_EQ(table[3]["DefaultValue"], "Inf");
  EXPECT_EQ(table[4]["TunableRange"]["ScalingType"], "Logarithmic");
  EXPECT_EQ(table[5]["Range"]["CategoricalParameterRangeSpecification"]["Values"], Json({"classifier", "regressor"}));
  EXPECT_EQ(table[7]["DefaultValue"], "auto");
  EXPECT_EQ(table[9]["IsInternal"], true);
  EXPECT_EQ(table[10]["Name"], "seed");
}

TEST(Schema, EveryDefaultIsAcceptedBack) {
  TextMap given = schema().defaults();
  given["k"] = "1", given["sample_size"] = "2";
  EXPECT_EQ(problem(given), "");
}

TEST(Schema, MarkdownShowsEveryVisibleRow) {
  const std::string text = schema().to_markdown();
  EXPECT_NE(text.find("| `nlists` | no | an integer of at least 1 or 'auto' | `auto` | no | Cells. |"),
            std::string::npos);
  EXPECT_EQ(text.find("_kvstore"), std::string::npos);
  EXPECT_NE(text.find("`seed`"), std::string::npos);
}

struct Optional {
  std::optional<std::int64_t> width;
  std::optional<double> rate = 0.5;
  std::optional<bool> norm;
};

TEST(Schema, AutoLeavesAnOptionalEmpty) {
  const Schema<Optional> s{"o",
                           {integer("width", &Optional::width, 1), boolean("norm", &Optional::norm),
                            continuous("rate", &Optional::rate, 0, 1).above_min().below_max()}};
  EXPECT_EQ(s.defaults(), (TextMap{{"width", "auto"}, {"norm", "auto"}, {"rate", "0.5"}, {"seed", "1"}}));
  EXPECT_EQ(s.parse({}).rate, 0.5);
  EXPECT_EQ(s.parse({{"rate", "AUTO"}}).rate, std::nullopt);
  const Optional given = s.parse({{"width", "7"}, {"rate", "1e-2"}, {"norm", "False"}});
  EXPECT_EQ(given.width, 7);
  EXPECT_EQ(given.rate, 0.01);
  EXPECT_EQ(given.norm, false);
  for (const TextMap& bad : {TextMap{{"width", "0"}}, {{"width", ""}}, {{"rate", "0"}}, {{"rate", "1"}}, {{"norm", "?"}}})
    EXPECT_THROW(s.parse(bad), Error) << bad.begin()->first;
  EXPECT_NE(s.to_markdown().find("| a number above 0 and below 1 or 'auto' |"), std::string::npos);
  EXPECT_NE(s.to_markdown().find("| true or false or 'auto' |"), std::string::npos);
}

TEST(Problems, PythonReprEscapes) {
  EXPECT_EQ(python_repr({{"a", "1"}, {"b", "it's\n"}}), "{'a': '1', 'b': 'it\\'s\\n'}");
}

}  // namespace
}  // namespace clary::hyper
