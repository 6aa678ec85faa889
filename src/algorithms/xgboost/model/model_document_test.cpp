// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/model/model_document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::xgboost {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr const char* kModel = R"({"learner": {"attributes": {"base_score": "7", "odd \" key": "\\"},
  "gradient_booster": {"model": {"gbtree_model_param": {"num_trees": "1", "size_leaf_vector": "0"},
    "trees": [{"split_conditions": [NaN, -Infinity, 1.5E-3], "left_children": [-1, 2]}]}, "name": "gbtree"},
  "learner_model_param": {"base_score": "[2.5E-1]", "num_class": "0", "num_target": "1"},
  "objective": {"name": "reg:squarederror"}}, "version": [3, 1, 0]})";

std::string failure(std::string_view bytes) {
  try {
    read_model_document(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "";
}

TEST(ModelDocument, KeepsTheMembersThatDecide) {
  const ModelDocument document = read_model_document(kModel);
  EXPECT_EQ(document.base_score, "[2.5E-1]");
  EXPECT_EQ(document.objective, "reg:squarederror");
  EXPECT_EQ(document.booster, "gbtree");
  EXPECT_EQ(document.size_leaf_vector, "0");
  EXPECT_EQ(document.num_target, "1");
  EXPECT_EQ(document.version_text(), "3.1.0");
  EXPECT_THAT(document.base_scores(), ElementsAre(0.25F));
}

TEST(ModelDocument, SnapshotsHoldTheirModelUnderModel) {
  const std::string snapshot =
      std::string(R"({"Config": {"learner": {"learner_model_param": {"base_score": "9"}}}, "Model": )") + kModel + "}";
  EXPECT_EQ(read_model_document(snapshot).base_score, "[2.5E-1]");
}

TEST(ModelDocument, BaseScoresAreOneNumberOrAList) {
  const auto scores = [](const char* text) {
    ModelDocument document;
    document.base_score = text;
    return document.base_scores();
  };
  EXPECT_THAT(scores("5E-1"), ElementsAre(0.5F));
  EXPECT_THAT(scores("[1E-1, 5E-1,9E-1]"), ElementsAre(0.1F, 0.5F, 0.9F));
  for (const char* text : {"half", "[1,]", "[]", "1 2", "nan", "[1,inf]", "[1"})
    EXPECT_THROW(scores(text), Error) << text;
}

TEST(ModelDocument, FilesCutAtAnyByteAreRefused) {
  const std::string whole = kModel;
  for (std::size_t size = 2; size < whole.size(); ++size) {
    const std::string problem = failure(std::string_view(whole).substr(0, size));
    EXPECT_NE(problem, "") << size;
    EXPECT_EQ(problem.find('\n'), std::string::npos);
  }
  EXPECT_THAT(failure(whole.substr(0, 400)),
              HasSubstr("its JSON ends early, as after an incomplete copy, at byte 400"));
}

TEST(ModelDocument, OtherDocumentsAreRefusedByTheMemberThatTheyLack) {
  EXPECT_THAT(failure(R"({"learner": {"generic_param": {"seed": "0"}}, "version": [1, 7, 4]})"),
              HasSubstr("it is no model but other JSON: learner.gradient_booster.model is missing"));
  EXPECT_THAT(failure(R"({"a": [1, 2}])"), HasSubstr("its JSON is damaged at byte 12"));
  EXPECT_THAT(failure(R"({"a": <html>})"), HasSubstr("its JSON is damaged at byte 6"));
  EXPECT_THAT(failure(std::string("{\"a\":") + std::string(100, '[')), HasSubstr("nested deeper"));
  EXPECT_THAT(failure(std::string("{i\x01"
                                  "a") +
                      std::string(100, '[')),
              HasSubstr("nested deeper"));
  // An array of 2^62 values of the type "null" takes no byte.
  EXPECT_THAT(failure(std::string("{i\x01"
                                  "a[$Z#L\x40\0\0\0\0\0\0\0",
                                  16)),
              HasSubstr(""));
}

}  // namespace
}  // namespace clary::xgboost
