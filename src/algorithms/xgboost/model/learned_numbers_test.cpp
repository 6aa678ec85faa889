// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/learned_numbers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "algorithms/xgboost/model/model.h"
#include "base/error.h"

namespace clary::xgboost {
namespace {

using testing::HasSubstr;
using testing::StartsWith;

constexpr std::int64_t kRows = 64;

Matrix sample() {
  std::vector<float> values, labels;
  for (std::int64_t r = 0; r < kRows; ++r) {
    values.push_back(static_cast<float>(r));
    labels.push_back(2 * static_cast<float>(r));
  }
  Matrix out = Matrix::from_dense(values, kRows, 1, 1);
  out.set_labels(labels);
  return out;
}

/// Two sound rounds and one whose gradients are `gradient`, with some booster.
Booster boosted(const char* kind, float gradient) {
  const Matrix rows = sample();
  const Matrix* all[] = {&rows};
  Booster out(all);
  out.set("booster", kind);
  out.set("max_depth", "2");
  for (int round = 0; round < 2; ++round) out.update(round, rows);
  std::vector<float> gradients(kRows, gradient), hessians(kRows, 1);
  out.boost(rows, gradients, hessians);
  return out;
}

std::string refusal(const Booster& booster) {
  try {
    check_finite(booster, "", shell::FiniteCheck("xgboost", "lower eta"));
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST(LearnedNumbers, FiniteModelsOfEveryBoosterPass) {
  for (const char* kind : {"gbtree", "dart", "gblinear"}) EXPECT_EQ(refusal(boosted(kind, 0.5F)), "") << kind;
}

TEST(LearnedNumbers, ALeafThatIsNotFiniteIsNamedWithItsTree) {
  for (const char* kind : {"gbtree", "dart"})
    EXPECT_THAT(refusal(boosted(kind, INFINITY)), StartsWith("xgboost: tree 2 leaf[0] of the trained model is "))
        << kind;
}

TEST(LearnedNumbers, AWeightOfTheLinearBoosterThatIsNotFiniteIsFound) {
  EXPECT_THAT(refusal(boosted("gblinear", INFINITY)), StartsWith("xgboost: weights["));
}

TEST(LearnedNumbers, ThresholdsOfCategoricalSplitsAreNoFault) {
  std::vector<float> values, labels;
  for (int r = 0; r < 300; ++r) values.push_back(static_cast<float>(r % 7)), labels.push_back(r % 7 % 2 ? 9.0F : 1.0F);
  Matrix rows = Matrix::from_dense(values, 300, 1, 1);
  rows.set_labels(labels);
  rows.set_feature_types({"c"});
  const Matrix* all[] = {&rows};
  Booster booster(all);
  booster.set("tree_method", "hist");
  booster.set("max_cat_to_onehot", "1");
  booster.update(0, rows);
  EXPECT_THAT(booster.save_to_buffer(ModelFormat::kJson), HasSubstr("\"split_type\":[1"));
  EXPECT_EQ(refusal(booster), "");
}

TEST(LearnedNumbers, AModelNamesTheFold) {
  std::vector<Booster> folds;
  folds.push_back(boosted("gbtree", 0.5F));
  folds.push_back(boosted("gbtree", INFINITY));
  const Model model(std::move(folds));
  try {
    model.check_finite(shell::FiniteCheck("xgboost", "lower eta"));
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), StartsWith("xgboost: fold 1 tree 2 leaf[0]"));
  }
  Model().check_finite(shell::FiniteCheck("xgboost", "lower eta"));  // a host that has no model to write
}

}  // namespace
}  // namespace clary::xgboost
