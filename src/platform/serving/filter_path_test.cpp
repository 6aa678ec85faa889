// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/filter_path.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "base/error.h"

namespace clary::serving {
namespace {

using ::testing::ElementsAre;

std::string pick(std::string_view path, std::string_view json) {
  return FilterPath::parse(path).select(OrderedJson::parse(json)).dump();
}

TEST(FilterPath, SelectsWhatTheDeveloperGuideDocuments) {
  struct Case {
    const char *name, *path, *json, *expected;
  };
  const Case cases[] = {
      {"whole", "$", R"({"b":1,"a":2})", R"({"b":1,"a":2})"},
      {"member", "$.a.b", R"({"a":{"b":[1]}})", "[1]"},
      {"wildcard object", "$.id.*", R"({"id":{"x":1,"y":2}})", "[1,2]"},
      {"wildcard array", "$[*]", "[3,4]", "[3,4]"},
      {"wildcard then member", "$.p.*.s", R"({"p":[{"s":1},{"s":2}]})", "[1,2]"},
      {"quoted", "$['a b']", R"({"a b":5})", "5"},
      {"several keep order given", "$['z','a']", R"({"a":1,"q":2,"z":3})", R"({"z":3,"a":1})"},
      {"dot before bracket", "$.['a','b']", R"({"a":1,"b":2,"c":3})", R"({"a":1,"b":2})"},
      {"index", "$[1]", "[7,8,9]", "8"},
      {"negative", "$[-1]", "[7,8,9]", "9"},
      {"list", "$[0,2]", "[7,8,9]", "[7,9]"},
      {"inclusive slice", "$[1:4]", "[0,1,2,3,4,5]", "[1,2,3,4]"},
      {"open end", "$[1:]", "[0,1,2]", "[1,2]"},
      {"open start", "$[:1]", "[0,1,2]", "[0,1]"},
      {"mixed", "$[0,5:]", "[0,1,2,3,4,5,6]", "[0,5,6]"},
      {"end is clipped", "$[1:9]", "[0,1]", "[1]"},
      {"all of nothing", "$[:]", "[]", "[]"},
      {"element of member", "$.features[0:1]", R"({"features":[1.5,2,3]})", "[1.5,2]"},
  };
  for (const Case& c : cases) EXPECT_EQ(pick(c.path, c.json), c.expected) << c.name;
}

TEST(FilterPath, RefusesBadSyntax) {
  for (const char* path : {"", "a", "$a", "$.", "$..a", "$[", "$[]", "$[a]", "$['a", "$['a'", "$[1", "$[1,]",
                           "$[99999999999999999999]", "$[?(@.a)]", "$[1:2:3]", "$ "})
    EXPECT_THROW(FilterPath::parse(path), Error) << path;
  EXPECT_THROW(FilterPath::parse("$." + std::string(62, 'a')), Error);
}

TEST(FilterPath, RefusesWhatIsNotThere) {
  EXPECT_THROW(pick("$.b", R"({"a":1})"), Error);
  EXPECT_THROW(pick("$.b", "[1]"), Error);
  EXPECT_THROW(pick("$[3]", "[1]"), Error);
  EXPECT_THROW(pick("$[-2]", "[1]"), Error);
  EXPECT_THROW(pick("$.*", "1"), Error);
  // Slices that begin outside, or end before they begin, once took nothing without a word.
  for (const char* path : {"$[5:]", "$[0:2,246:]", "$[5:246]", "$[-6:]", "$[3:1]", "$[2:-5]", "$[:-6]"})
    EXPECT_THROW(pick(path, "[0,1,2,3,4]"), Error) << path;
}

/// Brackets that name elements several times multiply: a path of 57 characters made 6,561 copies.
TEST(FilterPath, BoundsWhatAPathRepeats) {
  std::string path = "$";
  for (int i = 0; i < 8; ++i) path += "[:,:,:]";
  const auto nested = [](const std::string& inner) { return std::string(8, '[') + inner + std::string(8, ']'); };
  const std::string kept = pick(path, nested("1"));
  EXPECT_EQ(std::count(kept.begin(), kept.end(), '1'), 6561);
  const std::string large = '"' + std::string(100'000, 'x') + '"';
  const std::string members = "{\"" + std::string(100'000, 'x') + "\":1}";
  std::string values = "1";
  for (int i = 0; i < 10'000; ++i) values += ",1";
  for (const std::string& inner : {large, members, values})
    EXPECT_THAT([&] { pick(path, nested(inner)); },
                ::testing::ThrowsMessage<Error>(::testing::HasSubstr("makes more than 134217728 bytes of one record")));
  EXPECT_THROW(FilterPath::parse("$[:,:,:]").select_columns(6'000'000), Error);
  EXPECT_EQ(FilterPath::parse("$[:]").select_columns(20'000'000).size(), 20'000'000U);
}

TEST(FilterPath, AppliesIndexesToCsvColumns) {
  EXPECT_THAT(FilterPath::parse("$[1:]").select_columns(3), ElementsAre(1, 2));
  EXPECT_THAT(FilterPath::parse("$[0,-1]").select_columns(3), ElementsAre(0, 2));
  EXPECT_TRUE(FilterPath::parse("$").fits_csv());
  EXPECT_FALSE(FilterPath::parse("$.a").fits_csv());
  EXPECT_THROW(FilterPath::parse("$[3]").select_columns(3), Error);
}

}  // namespace
}  // namespace clary::serving
