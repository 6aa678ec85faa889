// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/conditions.h"

#include <gtest/gtest.h>

#include "platform/services/s3/errors.h"

namespace clary::s3 {
namespace {

TEST(Range, FormsOfRfc9110) {
  struct Row {
    const char* header;
    std::uint64_t size, offset, length;
  };
  for (const Row& row :
       {Row{"bytes=0-0", 10, 0, 1}, Row{"bytes=2-5", 10, 2, 4}, Row{"bytes=2-", 10, 2, 8}, Row{"bytes=-3", 10, 7, 3},
        Row{"bytes=-30", 10, 0, 10}, Row{"bytes=5-500", 10, 5, 5}, Row{"Bytes= 1-1", 10, 1, 1}}) {
    const auto range = parse_range(row.header, row.size);
    ASSERT_TRUE(range) << row.header;
    EXPECT_EQ(range->offset, row.offset) << row.header;
    EXPECT_EQ(range->length, row.length) << row.header;
  }
}

TEST(Range, MalformedMeansTheWholeObject) {
  for (const char* header : {"", "bytes", "bytes=", "bytes=-", "bytes=a-b", "bytes=5-2", "bytes=1-2,4-5", "rows=1-2",
                             "bytes=--1", "bytes=99999999999999999999-"})
    EXPECT_FALSE(parse_range(header, 10)) << header;
}

TEST(Range, UnsatisfiableIsAnError) {
  for (const char* header : {"bytes=10-", "bytes=10-20", "bytes=-0"}) EXPECT_THROW(parse_range(header, 10), Error);
  EXPECT_THROW(parse_range("bytes=0-", 0), Error);
  EXPECT_THROW(parse_range("bytes=-1", 0), Error);
}

TEST(CopyRange, NeedsBothEndsInsideTheSource) {
  EXPECT_EQ(parse_copy_range("bytes=0-9", 10).length, 10U);
  for (const char* header : {"bytes=0-10", "bytes=0-", "bytes=-5", "0-5", "bytes=5-2"})
    EXPECT_THROW(parse_copy_range(header, 10), Error) << header;
}

class Conditions : public ::testing::Test {
 protected:
  Conditions() {
    object_.etag = "abc";
    object_.last_modified = 1'700'000'000'700;
  }
  Verdict check(std::initializer_list<std::pair<std::string_view, std::string_view>> headers) {
    return check_conditions(http::Headers(headers), kRequestConditions, object_);
  }
  objects::ObjectInfo object_;
  const std::string at_ = http_date(1'700'000'000'000), before_ = http_date(1'699'999'999'000);
};

TEST_F(Conditions, FollowTheirPrecedence) {
  EXPECT_EQ(check({}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Match", "\"abc\""}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Match", "\"x\", abc"}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Match", "\"x\""}}), Verdict::kFailed);
  EXPECT_EQ(check({{"If-None-Match", "*"}}), Verdict::kNotModified);
  EXPECT_EQ(check({{"If-None-Match", "W/\"abc\""}}), Verdict::kNotModified);
  EXPECT_EQ(check({{"If-None-Match", "\"x\""}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Modified-Since", at_}}), Verdict::kNotModified);
  EXPECT_EQ(check({{"If-Modified-Since", before_}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Unmodified-Since", at_}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Unmodified-Since", before_}}), Verdict::kFailed);
  EXPECT_EQ(check({{"If-Match", "abc"}, {"If-Unmodified-Since", before_}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-None-Match", "x"}, {"If-Modified-Since", at_}}), Verdict::kGoOn);
  EXPECT_EQ(check({{"If-Modified-Since", "not a date"}}), Verdict::kGoOn);
}

}  // namespace
}  // namespace clary::s3
