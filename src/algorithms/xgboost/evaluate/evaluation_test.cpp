// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/evaluate/evaluation.h"

#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"

namespace clary::xgboost {
namespace {

TEST(XgboostEvaluation, ReadsTheLibrarysLine) {
  const auto entries =
      parse_library_line("[3]\ttrain-rmse:8.07339000701904297\ttrain-ndcg@5-:1\tvalidation-cox-nloglik:nan");
  ASSERT_EQ(entries.size(), 3u);
  EXPECT_EQ(entries[0], (Entry{"train", "rmse", 8.07339000701904297}));
  EXPECT_EQ(entries[1], (Entry{"train", "ndcg@5-", 1}));
  EXPECT_EQ(entries[2].metric, "cox-nloglik");
  EXPECT_TRUE(std::isnan(entries[2].value));
  EXPECT_TRUE(parse_library_line("[3]").empty());
  for (const char* line : {"[0]\tx", "[0]\ttrain:1", "[0]\ttrain-rmse:x", "[0]\ttrain-rmse:"})
    EXPECT_THROW(parse_library_line(line), Error) << line;
}

TEST(XgboostEvaluation, PrintsWhatTheTagsContainerPrints) {
  const std::vector<Entry> entries{
      {"train", "rmse", 8.07339000701904297}, {"validation", "rmse", 1e-7}, {"validation", "auc", std::nan("")}};
  EXPECT_EQ(format_line(0, entries, {1, 7}), "[0]\ttrain-rmse:8.07339\tvalidation-rmse:0.00000\tvalidation-auc:nan");
  EXPECT_EQ(format_line(12, entries, {1, 2}), "[12]\ttrain-rmse:8.07339\tvalidation-rmse:1e-07\tvalidation-auc:nan");
  EXPECT_EQ(format_line(0, std::vector<Entry>{{"train", "rmse", 8.1}}, {0, 72}), "[0]\ttrain-rmse:8.1");
}

TEST(XgboostEvaluation, TweedieAlsoHasItsPublishedName) {
  const std::vector<Entry> entries{{"train", "tweedie-nloglik@1.5", 2}, {"train", "error@0.5", 1}};
  EXPECT_EQ(plain_names(entries), (std::vector<Entry>{{"train", "tweedie-nloglik", 2}}));
}

struct Trained {
  Matrix matrix;
  Booster booster;
};

Trained one_round(const Hyperparameters& hp, Tag tag = {1, 7}) {
  std::vector<float> values, labels;
  for (int i = 0; i < 60; ++i) values.push_back(static_cast<float>(i)), labels.push_back(i % 20 > 9 ? 1 : 0);
  Trained out{Matrix::from_dense(values, 60, 1, 1), {}};
  out.matrix.set_labels(labels);
  const Matrix* const cache[] = {&out.matrix};
  out.booster = Booster(cache);
  for (const auto& [name, value] : hp.library) out.booster.set(name, value);
  for (const std::string& metric : Evaluator::library_metrics(hp, tag)) out.booster.set("eval_metric", metric);
  out.booster.update(0, out.matrix);
  return out;
}

std::vector<std::string> names_of(const hyper::TextMap& given, Tag tag = {1, 7}) {
  hyper::TextMap all{{"num_round", "1"}, {"objective", "binary:logistic"}};
  for (const auto& [name, value] : given) all[name] = value;
  const Hyperparameters hp = parse(all, tag);
  Trained trained = one_round(hp, tag);
  Evaluator evaluator(hp, {&trained.matrix, &trained.matrix}, nullptr);
  std::vector<std::string> out;
  for (const Entry& entry : evaluator.evaluate(trained.booster, 0)) out.push_back(entry.channel + "-" + entry.metric);
  return out;
}

TEST(XgboostEvaluation, MetricsComeAsGivenAndTheDefaultFirst) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(names_of({}), (Names{"train-logloss", "validation-logloss"}));
  EXPECT_EQ(names_of({{"eval_metric", "error,f1,auc"}}),
            (Names{"train-error", "train-f1", "train-auc", "validation-error", "validation-f1", "validation-auc"}));
  EXPECT_EQ(names_of({{"eval_metric", "accuracy"}}),
            (Names{"train-logloss", "train-accuracy", "validation-logloss", "validation-accuracy"}));
  EXPECT_EQ(
      names_of({{"objective", "reg:tweedie"}, {"eval_metric", "tweedie-nloglik"}, {"tweedie_variance_power", "1.2"}}),
      (Names{"train-tweedie-nloglik@1.2", "validation-tweedie-nloglik@1.2"}));
}

TEST(XgboostEvaluation, DefaultsBeforeVersion13AreErrors) {
  using Names = std::vector<std::string>;
  for (const Tag tag : {Tag{0, 72}, Tag{0, 90}, Tag{1, 2}}) {
    EXPECT_EQ(names_of({}, tag), (Names{"train-error", "validation-error"}));
    EXPECT_EQ(names_of({{"objective", "binary:logitraw"}}, tag), (Names{"train-auc", "validation-auc"}));
    EXPECT_EQ(names_of({{"objective", "multi:softprob"}, {"num_class", "2"}}, tag),
              (Names{"train-merror", "validation-merror"}));
    EXPECT_EQ(names_of({{"objective", "reg:logistic"}}, tag), (Names{"train-rmse", "validation-rmse"}));
    EXPECT_EQ(names_of({{"eval_metric", "logloss"}}, tag), (Names{"train-logloss", "validation-logloss"}));
  }
  EXPECT_EQ(names_of({{"eval_metric", "accuracy"}}, {1, 2}),
            (Names{"train-error", "train-accuracy", "validation-error", "validation-accuracy"}));
  EXPECT_EQ(names_of({}, {1, 3}), (Names{"train-logloss", "validation-logloss"}));
}

TEST(XgboostEvaluation, OurErrorIsTheLibrarys) {
  const Hyperparameters hp = parse(
      {{"num_round", "1"}, {"objective", "binary:logistic"}, {"max_depth", "2"}, {"eval_metric", "error,accuracy"}},
      {1, 7});
  Trained trained = one_round(hp);
  const auto entries = Evaluator(hp, {&trained.matrix}, nullptr).evaluate(trained.booster, 0);
  ASSERT_EQ(entries.size(), 2u);
  EXPECT_GT(entries[0].value, 0);
  EXPECT_NEAR(entries[0].value, 1 - entries[1].value, 1e-6);
}

}  // namespace
}  // namespace clary::xgboost
