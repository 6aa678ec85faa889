// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/hyperparameters.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "algorithms/blazingtext/model/settings.h"
#include "base/error.h"

namespace clary::blazingtext {
namespace {

using hyper::TextMap;

std::string problem_of(const TextMap& given) {
  try {
    schema().parse(given);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "";
}

std::string job_problem(const TextMap& given, const JobShape& job) {
  try {
    check_job(schema().parse(given), job);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(BlazingTextHyperparameters, DefaultsAreThoseOfTheManual) {
  const auto hp = schema().parse({{"mode", "skipgram"}});
  EXPECT_EQ(hp.epochs, 5);
  EXPECT_EQ(hp.learning_rate, 0.05);
  EXPECT_EQ(hp.min_count, 5);
  EXPECT_EQ(hp.vector_dim, 100);
  EXPECT_EQ(hp.buckets, 2'000'000);
  EXPECT_EQ(hp.window_size, 5);
  EXPECT_EQ(hp.negative_samples, 5);
  EXPECT_EQ(hp.sampling_threshold, 0.0001);
  EXPECT_EQ(hp.batch_size, 11);
  EXPECT_TRUE(hp.evaluation);
  EXPECT_FALSE(hp.subwords);
  EXPECT_EQ(hp.min_char, 3);
  EXPECT_EQ(hp.max_char, 6);
  EXPECT_EQ(hp.word_ngrams, 2);
  EXPECT_FALSE(hp.early_stopping);
  EXPECT_EQ(hp.patience, 4);
  EXPECT_EQ(hp.min_epochs, 5);
}

TEST(BlazingTextHyperparameters, PythonWordsAndNamesOfOtherModesAreTaken) {
  const auto hp = schema().parse({{"mode", "skipgram"},
                                  {"subwords", "False"},
                                  {"batch_size", "11"},
                                  {"evaluation", "True"},
                                  {"early_stopping", "True"},
                                  {"_tuning_objective_metric", ""}});
  EXPECT_FALSE(hp.subwords);
  EXPECT_FALSE(hp.stops_early());
}

TEST(BlazingTextHyperparameters, EveryValueOutsideItsRangeIsNamed) {
  const std::vector<std::pair<std::string, std::string>> bad{
      {"mode", "glove"},    {"epochs", "0"},           {"learning_rate", "0"},      {"min_count", "-1"},
      {"vector_dim", "0"},  {"vector_dim", "2049"},    {"vector_dim", "ten"},       {"buckets", "0"},
      {"window_size", "0"}, {"negative_samples", "0"}, {"sampling_threshold", "0"}, {"sampling_threshold", "1"},
      {"batch_size", "0"},  {"batch_size", "33"},      {"evaluation", "perhaps"},   {"min_char", "0"},
      {"max_char", "0"},    {"word_ngrams", "0"},      {"patience", "0"},           {"min_epochs", "0"}};
  for (const auto& [name, value] : bad) {
    TextMap given{{"mode", "skipgram"}};
    given[name] = value;
    EXPECT_THAT(problem_of(given), testing::HasSubstr(name + ": '" + value + "'")) << name;
  }
}

TEST(BlazingTextHyperparameters, RulesAcrossNamesHold) {
  EXPECT_THAT(problem_of({}), testing::HasSubstr("No value(s) were specified for 'mode'"));
  EXPECT_THAT(problem_of({{"mode", "batch_skipgram"}, {"subwords", "True"}}), testing::HasSubstr("not supported"));
  EXPECT_THAT(problem_of({{"mode", "cbow"}, {"subwords", "True"}, {"min_char", "4"}, {"max_char", "3"}}),
              testing::HasSubstr("max_char must be at least min_char"));
  EXPECT_EQ(problem_of({{"mode", "cbow"}, {"min_char", "4"}, {"max_char", "3"}}), "");
  EXPECT_THAT(problem_of({{"mode", "cbow"}, {"window", "4"}}), testing::HasSubstr("'window' was unexpected"));
}

TEST(BlazingTextHyperparameters, RulesOfTheJobHold) {
  const TextMap skipgram{{"mode", "skipgram"}}, batch{{"mode", "batch_skipgram"}};
  const TextMap stopping{{"mode", "supervised"}, {"early_stopping", "True"}};
  EXPECT_EQ(job_problem(skipgram, {.instance_type = "ml.c5.xlarge"}), "");
  EXPECT_EQ(job_problem(skipgram, {.instance_type = "ml.p3.2xlarge"}), "");
  EXPECT_EQ(job_problem(batch, {.instance_type = "ml.c5.xlarge", .instances = 4}), "");
  EXPECT_THAT(job_problem(skipgram, {.instance_type = "ml.c5.xlarge", .instances = 2}),
              testing::HasSubstr("Only batch_skipgram is available when training on multiple CPU instances"));
  EXPECT_THAT(job_problem(skipgram, {.instance_type = "ml.p3.2xlarge", .instances = 2}),
              testing::HasSubstr("Only one GPU instance"));
  EXPECT_THAT(job_problem(batch, {.instance_type = "ml.g4dn.xlarge"}),
              testing::HasSubstr("batch_skipgram is not supported on GPU"));
  EXPECT_THAT(job_problem(stopping, {}), testing::HasSubstr("validation"));
  EXPECT_EQ(job_problem(stopping, {.has_validation = true}), "");
}

TEST(BlazingTextSettings, BucketsStandOnlyWhereTheyAreUsed) {
  const auto of = [](const TextMap& given) { return settings_of(schema().parse(given)); };
  EXPECT_EQ(of({{"mode", "batch_skipgram"}}).architecture, Architecture::kSkipgram);
  EXPECT_EQ(of({{"mode", "skipgram"}}).buckets, 0);
  const auto subwords = of({{"mode", "cbow"}, {"subwords", "true"}, {"buckets", "77"}});
  EXPECT_EQ(subwords.architecture, Architecture::kCbow);
  EXPECT_EQ(subwords.buckets, 77);
  EXPECT_EQ(subwords.min_char, 3);
  EXPECT_EQ(subwords.max_char, 6);
  EXPECT_EQ(subwords.word_ngrams, 1);
  const auto classifier = of({{"mode", "supervised"}, {"buckets", "77"}, {"subwords", "true"}});
  EXPECT_EQ(classifier.loss, Loss::kSoftmax);
  EXPECT_EQ(classifier.buckets, 77);
  EXPECT_EQ(classifier.max_char, 0);
  EXPECT_EQ(of({{"mode", "supervised"}, {"word_ngrams", "1"}}).buckets, 0);
}

}  // namespace
}  // namespace clary::blazingtext
