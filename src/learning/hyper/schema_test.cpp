// SPDX-License-Identifier: Apache-2.0
#include "learning/hyper/schema.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "learning/hyper/python_text.h"

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
  for (const TextMap& bad :
       {TextMap{{"width", "0"}}, {{"width", ""}}, {{"rate", "0"}}, {{"rate", "1"}}, {{"norm", "?"}}})
    EXPECT_THROW(s.parse(bad), Error) << bad.begin()->first;
  EXPECT_NE(s.to_markdown().find("| a number above 0 and below 1 or 'auto' |"), std::string::npos);
  EXPECT_NE(s.to_markdown().find("| true or false or 'auto' |"), std::string::npos);
}

/// Every form that a library's own parameters and a container with versions need.
struct Library {
  std::int32_t rounds = 0;
  std::optional<std::int64_t> classes;
  std::vector<std::string> metrics;
  std::string goal = "squares";
  bool weights = false, verbose = false;
  TextMap passed;  // to the library
};

/// "1x2"; both numbers below 10.
Read<std::string> read_grid(std::string_view text) {
  if (text.size() != 3 || text[1] != 'x') return {};
  if (text[0] == '9') return {Verdict::kOutside, "", "grid: 9 rows are too many"};
  return {Verdict::kTaken, std::string(text)};
}

std::optional<std::string> threshold_problem(std::string_view metric) {
  if (metric.find('@') == metric.npos) return std::nullopt;
  return metric == "error@0.5" ? "" : "threshold of " + std::string(metric);
}

std::vector<Field<Library>> library_fields() {
  return {integer("rounds", &Library::rounds, 1).required().about("Rounds."),
          integer("classes", &Library::classes, 2).also_in(&Library::passed).about("Classes."),
          word_list("metrics", &Library::metrics, {"rmse", "auc", "error"}, threshold_problem)
              .choice_offered("auc", {.since = {1, 2}})
              .about("Metrics."),
          one_of("goal", &Library::goal, {"squares", "classes"}).also_in(&Library::passed).about("Goal."),
          one_of("method", &Library::passed, {"exact", "hist"}).or_else("exact").about("Method."),
          word_list("steps", &Library::passed, {"grow", "prune", "sync"}).about("Steps."),
          continuous("eta", &Library::passed, 0, 1).above_min().alias("learning_rate").or_else("0.3").about("Step."),
          integer("seed", &Library::passed, -5, 5).above_min().below_max().or_else("0").about("Seed."),
          integer("weights", &Library::weights, 0, 1).offered({.until = {1, 7}}).about("Weights."),
          categorical("verbose", &Library::verbose, {{"true", true}, {"false", false}}).any_case().about("Lines."),
          formed_text("grid", &Library::passed, read_grid).about("Grid.")};
}

const Schema<Library>& toolkit() {
  static const Schema<Library> s{
      "library",
      library_fields(),
      {{"classes are required", [](const Library& l) { return l.goal != "classes" || l.classes; }},
       Rule<Library>([](const Library& l) { return l.metrics.size() > 1 ? "only one of " + show(l.metrics) : ""; })},
      Dialect::kToolkit,
      {{"GPUs are not supported", [](const TextMap& texts, const std::optional<Version>& version) {
          return !version || *version >= Version{1, 2} || !texts.contains("method") ||
                 texts.find("method")->second != "gpu";
        }}}};
  return s;
}

std::string toolkit_problem(TextMap given, std::optional<Version> version = std::nullopt) {
  given.try_emplace("rounds", "1");
  try {
    toolkit().parse(given, version);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "";
}

TEST(SchemaForLibraries, CollectsWhatWasGivenAsText) {
  const Library l = toolkit().parse({{"rounds", " +5 "},
                                     {"classes", "3"},
                                     {"goal", "classes"},
                                     {"metrics", "['rmse']"},
                                     {"steps", "grow, prune"},
                                     {"learning_rate", ".50"},
                                     {"weights", "1"},
                                     {"verbose", " True"},
                                     {"grid", "2x3"}});
  EXPECT_EQ(l.rounds, 5);
  EXPECT_EQ(l.classes, 3);
  EXPECT_EQ(l.metrics, std::vector<std::string>{"rmse"});
  EXPECT_TRUE(l.weights);
  EXPECT_TRUE(l.verbose);
  EXPECT_EQ(l.passed,
            (TextMap{{"classes", "3"}, {"goal", "classes"}, {"steps", "grow,prune"}, {"eta", "0.5"}, {"grid", "2x3"}}));
}

TEST(SchemaForLibraries, ShowsDefaultsThatNoMemberHolds) {
  EXPECT_EQ(toolkit().defaults(), (TextMap{{"classes", ""},
                                           {"metrics", ""},
                                           {"goal", "squares"},
                                           {"method", "exact"},
                                           {"steps", ""},
                                           {"eta", "0.3"},
                                           {"seed", "0"},
                                           {"weights", "0"},
                                           {"verbose", "false"},
                                           {"grid", ""}}));
  EXPECT_EQ(toolkit().configuration({{"learning_rate", "0.2"}})["eta"], "0.2");
  EXPECT_FALSE(toolkit().describe()[1].contains("AlsoAccepted"));  // no "auto"
}

TEST(SchemaForLibraries, AnAliasCountsBeforeTheNameItself) {
  EXPECT_EQ(toolkit().parse({{"rounds", "1"}, {"eta", "0.1"}, {"learning_rate", "0.2"}}).passed.at("eta"), "0.2");
  EXPECT_EQ(toolkit_problem({{"learning_rate", "2"}}), "Hyperparameter eta: 2.0 is not in (0, 1]");
}

TEST(SchemaInToolkitWords, NamesTheFirstProblem) {
  const auto unreadable = [](const std::string& name, const std::string& text, const std::string& rule) {
    return "Hyperparameter " + name + ": could not parse value (caused by ValueError): '" + text + "' " + rule;
  };
  EXPECT_EQ(toolkit_problem({{"foo", "1"}}), "Extraneous hyperparameter found: foo");
  for (const char* text : {"5.0", "1e3", "None", "auto", "", "+-5", "99999999999999999999"})
    EXPECT_EQ(toolkit_problem({{"classes", text}}), unreadable("classes", text, "is not an integer")) << text;
  EXPECT_EQ(toolkit_problem({{"eta", "x"}}), unreadable("eta", "x", "is not a number"));
  EXPECT_EQ(toolkit_problem({{"grid", "2"}}), unreadable("grid", "2", "is not of its form"));
  EXPECT_EQ(toolkit_problem({{"eta", "0"}}), "Hyperparameter eta: 0.0 is not in (0, 1]");
  EXPECT_EQ(toolkit_problem({{"eta", "nan"}}), "Hyperparameter eta: nan is not in (0, 1]");
  EXPECT_EQ(toolkit_problem({{"seed", "5"}}), "Hyperparameter seed: 5 is not in (-5, 5)");
  EXPECT_EQ(toolkit_problem({{"classes", "1"}}), "Hyperparameter classes: 1 is not in [2, +inf)");
  EXPECT_EQ(toolkit_problem({{"rounds", "2147483648"}}), "Hyperparameter rounds: 2147483648 is above 2147483647");
  EXPECT_EQ(toolkit_problem({{"method", "x"}}), "Hyperparameter method: x is not in ['exact', 'hist']");
  EXPECT_EQ(toolkit_problem({{"verbose", "Maybe"}}), "Hyperparameter verbose: maybe is not in ['true', 'false']");
  EXPECT_EQ(toolkit_problem({{"steps", "grow,x"}}),
            "Hyperparameter steps: value ['grow', 'x'] not in range ['grow', 'prune', 'sync']");
  EXPECT_EQ(toolkit_problem({{"metrics", "error@0.5"}}), "");
  EXPECT_EQ(toolkit_problem({{"metrics", "rmse,error@1,x"}}), "threshold of error@1");
  EXPECT_EQ(toolkit_problem({{"grid", "9x1"}}), "grid: 9 rows are too many");
  EXPECT_EQ(toolkit_problem({{"goal", "classes"}}), "classes are required");
  EXPECT_EQ(toolkit_problem({{"metrics", "rmse,auc"}}), "only one of rmse,auc");
}

TEST(SchemaInToolkitWords, LooksForMissingThenUnreadableThenOutsideThenRules) {
  TextMap given{{"eta", "7"}, {"goal", "classes"}, {"method", "gpu"}, {"seed", "x"}, {"zzz", "1"}};
  const auto problem = [&] {
    try {
      toolkit().parse(given, Version{1, 0});
    } catch (const Error& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(problem(), "Missing required hyperparameter: rounds");
  given["rounds"] = "1";
  EXPECT_EQ(problem(), "Hyperparameter seed: could not parse value (caused by ValueError): 'x' is not an integer");
  given["seed"] = "1";
  EXPECT_EQ(problem(), "Extraneous hyperparameter found: zzz");
  given.erase("zzz");
  EXPECT_EQ(problem(), "GPUs are not supported");
  given["method"] = "hist";
  EXPECT_EQ(problem(), "Hyperparameter eta: 7.0 is not in (0, 1]");
  given["eta"] = "1";
  EXPECT_EQ(problem(), "classes are required");
  given["classes"] = "3";
  EXPECT_EQ(problem(), "");
}

TEST(SchemaWithVersions, OffersNamesAndWordsByVersion) {
  EXPECT_EQ(toolkit_problem({{"weights", "1"}}, Version{1, 6}), "");
  EXPECT_EQ(toolkit_problem({{"weights", "1"}}, Version{1, 7}), "Extraneous hyperparameter found: weights");
  EXPECT_EQ(toolkit_problem({{"metrics", "auc"}}, Version{1, 2}), "");
  EXPECT_EQ(toolkit_problem({{"metrics", "auc"}}, Version{1, 1}),
            "Hyperparameter metrics: value ['auc'] not in range ['rmse', 'error']");
  EXPECT_EQ(toolkit_problem({{"weights", "1"}, {"metrics", "auc"}}), "");  // no version: all of them
}

TEST(SchemaForLibraries, WorksInTheOtherDialectToo) {
  const Schema<Library> s{"library", library_fields(), {}};
  try {
    s.parse({{"rounds", "2147483648"}, {"classes", "auto"}, {"steps", "x"}, {"grid", "9x1"}, {"weights", "1"}},
            Version{1, 7});
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(
        error.what(),
        "library: 4 problems with the hyperparameters: (1) Additional properties are not allowed ('weights' was "
        "unexpected). (2) rounds: 2147483648 is above 2147483647. (3) steps: 'x' is not valid under any of the given "
        "schemas: expected a list of the words grow, prune, sync. (4) grid: 9 rows are too many.");
  }
  EXPECT_EQ(s.parse({{"rounds", "1"}, {"learning_rate", "0.5"}}).passed, (TextMap{{"eta", "0.5"}}));
}

TEST(Schema, AMemberTooSmallForTheValueRefusesIt) {
  struct Narrow {
    std::int8_t small = 0;
    std::uint64_t natural = 0;
  };
  const Schema<Narrow> s{"n",
                         {integer("small", &Narrow::small, -kUnbounded), integer("natural", &Narrow::natural, -9)}};
  EXPECT_EQ(s.parse({{"small", "-128"}, {"natural", "5"}}).small, -128);
  for (const TextMap& bad : {TextMap{{"small", "128"}}, {{"small", "-129"}}, {{"natural", "-1"}}})
    EXPECT_THROW(s.parse(bad), Error) << bad.begin()->second;
}

struct Pictures {
  std::int64_t classes = 0;
  double momentum = 0.9;
  int optimizer = 0;
  std::optional<std::int64_t> resize;
};

std::string validation_problem(const TextMap& given) {
  static const Schema<Pictures> s{
      "pictures",
      {
          integer("classes", &Pictures::classes, 1).required(),
          continuous("momentum", &Pictures::momentum, 0, 1),
          categorical("optimizer", &Pictures::optimizer, {{"sgd", 0}, {"adam", 1}}),
          integer("resize", &Pictures::resize, 1),
      },
      {{"resize must be above 8", [](const Pictures& p) { return p.resize.value_or(9) > 8; }}},
      Dialect::kValidationError};
  EXPECT_EQ(s.configuration({{"classes", "2"}}).at("resize"), "");
  try {
    s.parse(given);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(SchemaInValidationErrors, SaysEachProblemAsTheContainerDoes) {
  EXPECT_EQ(validation_problem({{"classes", "2"}, {"optimizer", "rmsprob"}}),
            "The value 'rmsprob' is not valid for the 'optimizer' hyperparameter which accepts one of the following: "
            "'sgd', 'adam' (caused by ValidationError)");
  EXPECT_EQ(validation_problem({{"classes", "2"}, {"momentum", "2"}}),
            "The value '2' is not valid for the 'momentum' hyperparameter which must be a float in the range "
            "[0.0, 1.0] (caused by ValidationError)");
  EXPECT_EQ(validation_problem({{"x", "2"}, {"resize", "auto"}}),
            "pictures: 3 problems with the hyperparameters: (1) u'classes' is a required property (caused by "
            "ValidationError). (2) Additional hyperparameters are not allowed (u'x' was unexpected) (caused by "
            "ValidationError). (3) The value 'auto' is not valid for the 'resize' hyperparameter which must be an "
            "integer in the range [1, +inf) (caused by ValidationError).");
  EXPECT_EQ(validation_problem({{"classes", "2"}, {"resize", "8"}}), "resize must be above 8 (given resize=8)");
}

TEST(PythonText, IsAsPythonPrints) {
  EXPECT_EQ(python_list({}), "[]");
  EXPECT_EQ(python_list({"a", "b"}), "['a', 'b']");
  EXPECT_EQ(python2_repr({{"eps", "1e-08"}, {"layers", "18"}, {"resize", ""}, {"shape", "3,8,8"}, {"stop", "False"}},
                         {{"layers", "18"}}),
            "{u'eps': 1e-08, u'layers': u'18', u'shape': u'3,8,8', u'stop': False}");
  EXPECT_EQ(python_repr({{"a", "1"}, {"b", "it's\n"}}), "{'a': '1', 'b': 'it\\'s\\n'}");
}

}  // namespace
}  // namespace clary::hyper
