// SPDX-License-Identifier: Apache-2.0
#include "formats/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/record_proto.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Batch decode(std::string_view type, std::string_view body, std::int64_t width, RequestOptions options = {}) {
  return decode_request(parse_content_type(type), std::as_bytes(std::span(body)), width, options);
}

std::string failure(std::string_view type, std::string_view body, std::int64_t width, RequestOptions options = {}) {
  try {
    decode(type, body, width, options);
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(Request, ReadsEveryDenseForm) {
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"text/csv", "1,2.5,-3\n4,5,6\n"},
      {"text/csv; charset=utf-8", "1,2.5,-3\r\n4,5,6"},
      {"TEXT/CSV;label_size=0", "1,2.5,-3\n\n4,5,6\n"},
      {"application/json", R"({"instances":[{"features":[1,2.5,-3]},{"features":[4,5,6]}]})"},
      {"application/json",
       R"({"instances":[{"data":{"features":{"values":[1,2.5,-3]}}},{"data":{"features":[4,5,6]}}]})"},
      {"application/json", R"({"instances":[[1,2.5,-3],{"data":[4,5,6]}]})"},
      {"application/json",
       R"({"instances":[{"features":{"values":[1,2.5,-3]}},{"configuration":{},"data":{"features":{"values":[4,5,6],"shape":[3]}}}]})"},
      {"application/JSONLINES", "{\"features\":[1,2.5,-3]}\n{\"data\":{\"features\":{\"values\":[4,5,6]}}}"},
      {"applications/jsonlines", "{\"features\":[1,2.5,-3]}\r\n\r\n{\"features\":[4,5,6]}\r\n"}};
  for (const auto& [type, body] : bodies) {
    SCOPED_TRACE(type + " " + body);
    const Batch rows = decode(type, body, 3);
    EXPECT_FALSE(rows.sparse);
    EXPECT_EQ(rows.rows, 2);
    EXPECT_EQ(rows.width, 3);
    EXPECT_THAT(rows.values, ElementsAre(1, 2.5F, -3, 4, 5, 6));
    EXPECT_EQ(rows.label_width, 0);
    EXPECT_EQ(decode(type, body, 0), rows) << "the first row decides";
  }
}

TEST(Request, ReadsSparseJsonAndSumsEqualKeys) {
  const Batch rows = decode("application/json",
                            R"({"instances":[{"data":{"features":{"keys":[4,1,4],"shape":[5],"values":[1,2,3]}}},
                                             {"features":[0,0,7,0,0]}]})",
                            5);
  EXPECT_TRUE(rows.sparse);
  EXPECT_THAT(rows.values, ElementsAre(2, 4, 7));
  EXPECT_THAT(rows.columns, ElementsAre(1, 4, 2));
  EXPECT_THAT(rows.offsets, ElementsAre(0, 2, 3));
}

TEST(Request, ReadsDenseRowsThenSparseOnes) {
  const Batch rows =
      decode("application/jsonlines",
             "{\"features\":[0,5,0]}\n{\"data\":{\"features\":{\"keys\":[2],\"shape\":[3],\"values\":[1]}}}\n", 3);
  EXPECT_TRUE(rows.sparse);
  EXPECT_THAT(rows.offsets, ElementsAre(0, 1, 2));
  EXPECT_THAT(rows.columns, ElementsAre(1, 2));
  EXPECT_THAT(decode("application/jsonlines", "{\"data\":{\"features\":{\"keys\":[2],\"shape\":[3],\"values\":[1]}}}",
                     3, {.layout = Layout::kDense})
                  .values,
              ElementsAre(0, 0, 1));
}

TEST(Request, KeepsConfigurationAndIdsPerRow) {
  const Batch rows = decode(
      "application/json",
      R"({"instances":[{"features":[1]},{"configuration":{"k": 3},"uid":"a7","features":[2]},{"uid":12,"features":[3]}]})",
      1);
  EXPECT_THAT(rows.configurations, ElementsAre("", "{\"k\":3}", ""));
  EXPECT_THAT(rows.uids, ElementsAre("", "a7", "12"));
}

TEST(Request, TakesWordsWhereTheModelDoes) {
  const RequestOptions words{.allow_tokens = true};
  const Batch rows = decode(
      "application/json",
      R"({"instances":[{"tokens":["space","shuttle"]},{"data":{"tokens":["é"]}},{"features":[0,1]}]})", 2, words);
  ASSERT_EQ(rows.tokens.size(), 3U);
  EXPECT_THAT(rows.tokens[0], ElementsAre("space", "shuttle"));
  EXPECT_THAT(rows.tokens[1], ElementsAre("é"));
  EXPECT_TRUE(rows.tokens[2].empty());
  EXPECT_THAT(rows.offsets, ElementsAre(0, 0, 0, 1));
  EXPECT_THAT(failure("application/json", R"({"instances":[{"tokens":["a"]}]})", 2), HasSubstr("does not take words"));
}

TEST(Request, ReadsRecords) {
  std::string body;
  RecordWriter writer(body);
  writer.write_dense(std::vector<float>{1, 2}, {}, "row-1");
  writer.write_dense(std::vector<float>{3, 4});
  const Batch rows = decode("application/x-recordio-protobuf", body, 2);
  EXPECT_THAT(rows.values, ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(rows.uids, ElementsAre("row-1", ""));
}

TEST(Request, SkipsLabelColumnsOfCsvWhenAsked) {
  const Batch rows = decode("text/csv;label_size=1", "9,1,2\n", 2);
  EXPECT_THAT(rows.values, ElementsAre(1, 2));
  EXPECT_THAT(rows.labels, ElementsAre(9));
}

struct Case {
  std::string name, type, body, message;
};

TEST(Request, EveryMistakeNamesPlaceValueAndRule) {
  const std::vector<Case> cases = {
      {"unknown type", "image/png", "x", "content-type image/png not supported"},
      {"charset", "text/csv; charset=latin-1", "1,2", "only utf-8 is supported"},
      {"empty csv", "text/csv", "", "no rows"},
      {"empty json", "application/json", "", "not valid JSON"},
      {"no instance", "application/json", R"({"instances":[]})", "no rows"},
      {"no instances", "application/json", R"({"rows":[]})", "array \"instances\""},
      {"trailing comma", "application/json", R"({"instances":[{"features":[1,2]},]})", "not valid JSON"},
      {"not a number", "application/json", R"({"instances":[{"features":[1,NaN]}]})",
       "not valid JSON at byte 30: NaN is not a JSON value"},
      {"infinite", "application/jsonlines", "[1,2]\n[1,-Infinity]\n",
       "line 2: not valid JSON at byte 4: -Infinity is not a JSON value"},
      {"width json", "application/json", R"({"instances":[{"features":[1,2]},{"features":[1,2,3]}]})",
       "instances[1]: 3 features, expected 2"},
      {"width csv", "text/csv", "1,2\n1,2,3\n", "line 2: the row has 3 columns, expected 2"},
      {"width csv 1", "text/csv", "1,2,3\n", "line 1: the row has 3 columns, expected 2"},
      {"text", "application/json", R"({"instances":[{"features":[1,"a"]}]})",
       "instances[0]: features[1] is not a number"},
      {"null", "application/jsonlines", R"({"features":[1,null]})", "line 1: features[1] is not a number"},
      {"huge", "application/jsonlines", R"({"features":[1,1e39]})", "outside the range of float32"},
      {"bad line", "application/jsonlines", "{\"features\":[1,2]}\n\n{\"features\":[1,2}\n", "line 3: not valid JSON"},
      {"no features", "application/jsonlines", R"({"feature":[1,2]})", "neither features nor data"},
      {"empty features", "application/jsonlines", R"({"features":[]})", "features are empty"},
      {"no shape", "application/jsonlines", R"({"data":{"features":{"keys":[1],"values":[1]}}})", "keys but no shape"},
      {"keys", "application/jsonlines", R"({"data":{"features":{"keys":[1,0],"shape":[2],"values":[1]}}})",
       "1 values but 2 keys"},
      {"key range", "application/jsonlines", R"({"data":{"features":{"keys":[2],"shape":[2],"values":[1]}}})",
       "keys[0]: 2 is outside the shape of 2"},
      {"negative key", "application/jsonlines", R"({"data":{"features":{"keys":[-1],"shape":[2],"values":[1]}}})",
       "keys[0] is not a whole number"},
      {"huge shape", "application/jsonlines", R"({"data":{"features":{"keys":[1],"shape":[4000000000],"values":[1]}}})",
       "more than 2147483647"},
      {"nan", "text/csv", "1,nan\n", "line 1: column 2: \"nan\" is not a finite number"},
      {"configuration", "application/jsonlines", R"({"features":[1,2],"configuration":3})",
       "configuration is not an object"},
      {"deep", "application/json", R"({"instances":)" + std::string(100, '[') + std::string(100, ']') + "}",
       "not valid JSON"},
      {"cut record", "application/x-recordio-protobuf", std::string("\x0a\x23\xd7\xce\x08\0\0\0abc", 11),
       "record 1: byte 0: cut record of 8 bytes: 5 bytes are missing"},
  };
  for (const Case& c : cases) EXPECT_THAT(failure(c.type, c.body, 2), HasSubstr(c.message)) << c.name;
}

TEST(Request, NanInJsonIsAMissingValueWrittenWrongly) {
  EXPECT_EQ(failure("application/json", R"({"instances": [{"features": [0.5, NaN]}]})", 2, {.missing_allowed = true}),
            "request body: not valid JSON at byte 35: NaN is not a JSON value; write null for a missing value");
}

TEST(Request, HasLimits) {
  EXPECT_THAT(failure("text/csv", "1\n2\n3\n", 1, {.max_rows = 2}), HasSubstr("more than 2 rows"));
  EXPECT_THAT(failure("application/jsonlines", "[1]\n[2]\n[3]\n", 1, {.max_rows = 2}), HasSubstr("more than 2 rows"));
  EXPECT_THAT(
      failure("application/jsonlines", R"({"data":{"features":{"keys":[1],"shape":[2000000000],"values":[1]}}})", 0,
              {.layout = Layout::kDense}),
      HasSubstr("exceed"));
}

TEST(Request, CutAtEveryByteNeverDoesMoreThanFail) {
  std::string records;
  RecordWriter writer(records);
  writer.write_dense(std::vector<float>{1, 2}, {}, "row-1");
  writer.write_sparse(std::vector<std::int32_t>{1}, std::vector<float>{4}, 2);
  const std::vector<std::pair<std::string, std::string>> bodies = {
      {"text/csv", "1.25,2\n-4,5e3\n"},
      {"application/json",
       R"({"instances":[{"features":[1,2]},{"data":{"features":{"keys":[1],"shape":[2],"values":[4]}}}]})"},
      {"application/jsonlines", "{\"features\":[1,2],\"configuration\":{\"k\":1}}\n[1,2]\n"},
      {"application/x-recordio-protobuf", records}};
  for (const auto& [type, body] : bodies) {
    ASSERT_EQ(decode(type, body, 2).rows, 2);
    for (std::size_t size = 0; size < body.size(); ++size) {
      try {
        decode(type, std::string(body.data(), size), 2);
      } catch (const Error& error) {
        EXPECT_EQ(error.kind(), Kind::kMalformed) << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace clary::formats
