// SPDX-License-Identifier: Apache-2.0
#include "platform/services/s3/documents.h"

#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::s3 {
namespace {

template <class F>
void expect_malformed(F f) {
  try {
    f();
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kMalformed) << e.what();
  }
}

TEST(DeleteDocument, ReadsKeysWithNamespacesEntitiesAndBlanks) {
  const auto document = parse_delete(
      "<?xml version=\"1.0\"?><Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\"><Quiet>true</Quiet>"
      "<Object><Key> a&amp;b&#x20AC; </Key><ETag>\"e\"</ETag></Object>"
      "<Object><Key>c</Key><VersionId>null</VersionId></Object></Delete>");
  EXPECT_TRUE(document.quiet);
  ASSERT_EQ(document.entries.size(), 2U);
  EXPECT_EQ(document.entries[0].key, " a&b\xE2\x82\xAC ");
  EXPECT_EQ(document.entries[0].etag, "e");
  EXPECT_EQ(document.entries[1].version, "null");
}

TEST(DeleteDocument, AKeyOfBlanksOnlySurvives) {
  EXPECT_EQ(parse_delete("<Delete><Object><Key> </Key></Object></Delete>").entries.at(0).key, " ");
}

TEST(DeleteDocument, RefusesEveryCutOfItself) {
  const std::string whole = "<Delete><Object><Key>k</Key></Object></Delete>";
  for (std::size_t n = 0; n < whole.size(); ++n) expect_malformed([&] { parse_delete(whole.substr(0, n)); });
}

TEST(DeleteDocument, RefusesMoreThanAThousandKeysAndNone) {
  std::string many = "<Delete>";
  for (int i = 0; i < 1001; ++i) many += "<Object><Key>k</Key></Object>";
  expect_malformed([&] { parse_delete(many + "</Delete>"); });
  expect_malformed([&] { parse_delete("<Delete></Delete>"); });
  expect_malformed([&] { parse_delete("<Delete><Object/></Delete>"); });
  expect_malformed([&] { parse_delete("<Other/>"); });
  expect_malformed([&] { parse_delete("<Delete><Object><Key>a<b/></Key></Object></Delete>"); });
}

TEST(CompleteDocument, ReadsPartsAndChecksums) {
  const auto parts = parse_complete_multipart(
      "<CompleteMultipartUpload><Part><ETag>&quot;abc&quot;</ETag><PartNumber>7</PartNumber>"
      "<ChecksumCRC32>AAAAAA==</ChecksumCRC32></Part></CompleteMultipartUpload>");
  ASSERT_EQ(parts.size(), 1U);
  EXPECT_EQ(parts[0].number, 7);
  EXPECT_EQ(parts[0].etag, "abc");
  EXPECT_EQ(parts[0].checksum, "AAAAAA==");
}

TEST(CompleteDocument, RefusesNonsense) {
  for (const char* text :
       {"", "<CompleteMultipartUpload/>", "<CompleteMultipartUpload><Part/></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>0</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>10001</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>",
        "<CompleteMultipartUpload><Part><PartNumber>x</PartNumber><ETag>a</ETag></Part></CompleteMultipartUpload>"})
    expect_malformed([&] { parse_complete_multipart(text); });
}

TEST(Documents, DeepNestingAndEntityTricksDoNoHarm) {
  std::string deep;
  for (int i = 0; i < 200'000; ++i) deep += "<a>";
  expect_malformed([&] { parse_delete(deep); });
  std::string closed = "<Delete>" + deep;
  for (int i = 0; i < 200'000; ++i) closed += "</a>";
  expect_malformed([&] { parse_delete(closed + "</Delete>"); });
  const std::string document = "<Delete><Object><Key>&x;</Key></Object></Delete>";
  EXPECT_EQ(parse_delete(document).entries.at(0).key, "&x;") << "entities are never resolved";
  expect_malformed([&] { parse_delete("<!DOCTYPE d [<!ENTITY x SYSTEM \"file:///etc/passwd\">]>" + document); });
  expect_malformed([&] { parse_delete("<!DOCTYPE Delete>" + document); });
}

TEST(Documents, LocationAndTagging) {
  EXPECT_EQ(parse_location_constraint(""), "");
  EXPECT_EQ(parse_location_constraint("<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
                                      "</CreateBucketConfiguration>"),
            "eu-west-1");
  const auto tags = parse_tagging("<Tagging><TagSet><Tag><Key>a</Key><Value></Value></Tag></TagSet></Tagging>");
  EXPECT_EQ(tags, (objects::Tags{{"a", ""}}));
}

}  // namespace
}  // namespace clary::s3
