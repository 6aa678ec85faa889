// SPDX-License-Identifier: Apache-2.0
#include "formats/content_type.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::formats {
namespace {

TEST(ContentType, UnderstandsEverySpelling) {
  struct Case {
    std::string text;
    Format format;
  };
  const std::vector<Case> cases = {{"text/csv", Format::kCsv},
                                   {" Text/CSV ; label_size = 0 ", Format::kCsv},
                                   {"application/JSONLINES", Format::kJsonLines},
                                   {"applications/jsonlines;verbose=true", Format::kJsonLines},
                                   {"application/json; charset=\"utf-8\"", Format::kJson},
                                   {"application/x-recordio-protobuf", Format::kRecordIoProtobuf},
                                   {"text/plain", Format::kText},
                                   {"image/png", Format::kOther},
                                   {"", Format::kOther},
                                   {";;=;", Format::kOther}};
  for (const Case& c : cases) EXPECT_EQ(parse_content_type(c.text).format(), c.format) << c.text;
}

TEST(ContentType, ReadsParametersWithoutRegardToCaseAndBlanks) {
  const ContentType type = parse_content_type("text/csv ; Label_Size= 3 ;charset=\"UTF-8\"; note=\"a;b\\\"c\"");
  EXPECT_EQ(type.label_size(), 3);
  EXPECT_EQ(type.parameter("note"), "a;b\"c");
  EXPECT_NO_THROW(type.require_utf8());
  EXPECT_FALSE(parse_content_type("text/csv").label_size());
  EXPECT_TRUE(parse_content_type("application/json; verbose=True").flag("verbose"));
  EXPECT_TRUE(parse_content_type("application/json;VERBOSE = true").flag("verbose"));
  EXPECT_FALSE(parse_content_type("application/json;verbose=false").flag("verbose"));
}

TEST(ContentType, RefusesBadParameters) {
  for (const char* text : {"text/csv;label_size=", "text/csv;label_size=-1", "text/csv;label_size=1.5",
                           "text/csv;label_size=99999999999999999999"}) {
    EXPECT_THROW(parse_content_type(text).label_size(), Error) << text;
  }
  EXPECT_THROW(parse_content_type("text/csv;charset=iso-8859-1").require_utf8(), Error);
}

TEST(ContentType, SortsAcceptByQuality) {
  const auto entries =
      parse_accept("text/csv;q=0.2, application/json, image/png;q=0, application/jsonlines; verbose=true; q=0.9");
  ASSERT_EQ(entries.size(), 3U);
  EXPECT_EQ(entries[0].type, "application/json");
  EXPECT_EQ(entries[1].type, "application/jsonlines");
  EXPECT_TRUE(entries[1].flag("verbose"));
  EXPECT_EQ(entries[2].type, "text/csv");
}

}  // namespace
}  // namespace clary::formats
