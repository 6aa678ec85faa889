// SPDX-License-Identifier: Apache-2.0
#include "algorithms/knn/model/metadata.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace clary::knn {
namespace {

using ::testing::HasSubstr;
using ::testing::ThrowsMessage;

TEST(KnnMetadata, WritesTheDocumentedKeysAndReadsThemBack) {
  Metadata metadata{5, Task::kClassifier, ReductionMetadata{Reduction::kSign, 3, 10, 20}, false, 20};
  const std::string text = to_json(metadata);
  EXPECT_EQ(parse_metadata(text, "m.json"), metadata);
  metadata.reduction.reset();
  EXPECT_THAT(to_json(metadata), HasSubstr("\"dimension_reduction\": null"));
  EXPECT_EQ(parse_metadata(to_json(metadata), "m.json"), metadata);
}

TEST(KnnMetadata, ReadsWhatHandsAndOtherProgramsWrite) {
  const auto plain = parse_metadata(R"({"k": 5.0, "predictor_type": "regressor", "normalize": False, "x": [1],
                                        "dimension_reduction": None, "note": "None \" True", "version": "1.0"})",
                                    "m");
  EXPECT_EQ(plain.k, 5);
  EXPECT_EQ(plain.predictor_type, Task::kRegressor);
  EXPECT_EQ(plain.feature_dim, 0);
}

/// The quote behind a text that ends in a backslash once counted as escaped: the words behind it were left as they are.
TEST(KnnMetadata, ATextMayEndInABackslash) {
  const auto read = parse_metadata(
      R"({"note": "C:\\", "normalize": True, "other": "\\\" True", "k": 5, "predictor_type": "regressor"})", "m");
  EXPECT_TRUE(read.normalize);
}

TEST(KnnMetadata, SeedsReachUpTo2To63) {
  const auto text = [](const std::string& seed) {
    Metadata metadata{5, Task::kClassifier, ReductionMetadata{Reduction::kSign, 77, 10, 20}, false, 20};
    std::string out = to_json(metadata);
    return out.replace(out.find("77"), 2, seed);
  };
  EXPECT_EQ(parse_metadata(text("9223372036854775807"), "m").reduction->seed, 9223372036854775807U);
  EXPECT_EQ(parse_metadata(text("5.0"), "m").reduction->seed, 5U);
  for (const char* seed : {"9223372036854775808", "9.223372036854775808e18", "18446744073709551615", "-1", "0.5"})
    EXPECT_THAT([&] { parse_metadata(text(seed), "m"); },
                ThrowsMessage<Error>(HasSubstr("must be an integer from 0 to 9223372036854775807")))
        << seed;
}

TEST(KnnMetadata, NamesFileKeyAndRule) {
  struct Row {
    const char *text, *says;
  };
  for (
      const Row& row :
      {Row{"[]", "must be a JSON object"}, Row{"{", "m.json"}, Row{R"({"predictor_type":"classifier"})", "k: missing"},
       Row{R"({"k":0,"predictor_type":"classifier"})", "k: 0: must be an integer from 1"},
       Row{R"({"k":1.5,"predictor_type":"classifier"})", "k: 1.5"},
       Row{R"({"k":1e300,"predictor_type":"classifier"})", "k: 1e+300"},
       Row{R"({"k":1,"predictor_type":"tree"})", "classifier or regressor"},
       Row{R"({"k":1,"predictor_type":"classifier","normalize":1})", "true or false"},
       Row{R"({"k":1,"predictor_type":"classifier","dimension_reduction":{"type":"sign","seed":3,"target_dim":1,"input_dim":2}})",
           "drawn by another program"},
       Row{R"({"k":1,"predictor_type":"classifier","dimension_reduction":7})", "must be a JSON object"}}) {
    EXPECT_THAT([&] { parse_metadata(row.text, "m.json"); }, ThrowsMessage<Error>(HasSubstr(row.says))) << row.text;
  }
}

}  // namespace
}  // namespace clary::knn
