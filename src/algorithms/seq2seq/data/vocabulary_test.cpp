// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/vocabulary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::seq2seq {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr const char* kText = R"({"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, "the": 4, "cat": 6})";

TEST(Seq2SeqVocabulary, MapsWordsBothWays) {
  const Vocabulary v = Vocabulary::parse(kText, "v");
  EXPECT_EQ(v.size(), 7) << "largest id + 1";
  EXPECT_EQ(v.words(), 6);
  EXPECT_EQ(v.text(), kText);
  EXPECT_EQ(v.id("cat"), 6);
  EXPECT_EQ(v.id("dog"), kUnknown);
  EXPECT_THAT(v.gaps(), ElementsAre(5));
  for (const std::int32_t id : {5, 7, -1, 2'147'483'647}) EXPECT_EQ(v.word(id), "<unk>") << id;
  EXPECT_EQ(v.line(std::vector<std::int32_t>{4, 6, 5}), "the cat <unk>");
  EXPECT_EQ(v.line({}), "");
}

TEST(Seq2SeqVocabulary, SplitsLinesAtUnicodeWhiteSpace) {
  const Vocabulary v = Vocabulary::parse(kText, "v");
  EXPECT_THAT(v.ids(" the\xc2\xa0"
                    "cat\xe3\x80\x80the dog\n"),
              ElementsAre(4, 6, 4, kUnknown));
  EXPECT_THAT(v.ids(" \xe2\x80\xa8 "), IsEmpty());
}

TEST(Seq2SeqVocabulary, CopiesAreOfTheirOwn) {
  Vocabulary copy;
  {
    const Vocabulary v = Vocabulary::parse(kText, "v");
    copy = v;
  }
  EXPECT_EQ(copy.id("the"), 4);
  EXPECT_EQ(copy.word(4), "the");
}

TEST(Seq2SeqVocabulary, AHostileIdAllocatesNothing) {
  try {
    Vocabulary::parse(R"({"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, "a": 2147483648})", "vocab.src.json");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(),
                 "vocab.src.json: word \"a\": its id is 2147483648, must be an integer from 0 to 9999999");
  }
}

}  // namespace
}  // namespace clary::seq2seq
