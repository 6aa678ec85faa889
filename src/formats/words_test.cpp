// SPDX-License-Identifier: Apache-2.0
#include "formats/words.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <tuple>

#include "base/error.h"
#include "formats/vocabulary_json.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> split(std::string_view text) {
  std::vector<std::string> out;
  for_each_word(text, [&](std::string_view word) { out.emplace_back(word); });
  return out;
}

TEST(Words, AreWhatPythonsSplitGives) {
  EXPECT_THAT(split(""), IsEmpty());
  EXPECT_THAT(split(" \t\n"), IsEmpty());
  EXPECT_THAT(split("the cat sat"), ElementsAre("the", "cat", "sat"));
  EXPECT_THAT(split("\t the  cat\v\fsat\r\n"), ElementsAre("the", "cat", "sat"));
  // Every character of which Python 3.11 says isspace(), between letters.
  for (const char* blank : {"\t",           "\n",           "\v",           "\f",           "\r",
                            "\x1c",         "\x1d",         "\x1e",         "\x1f",         " ",
                            "\xc2\x85",     "\xc2\xa0",     "\xe1\x9a\x80", "\xe2\x80\x80", "\xe2\x80\x8a",
                            "\xe2\x80\xa8", "\xe2\x80\xa9", "\xe2\x80\xaf", "\xe2\x81\x9f", "\xe3\x80\x80"})
    EXPECT_THAT(split(std::string("\xc3\xa9") + blank + blank + "b" + blank), ElementsAre("\xc3\xa9", "b"));
  // Neighbours of them, which are letters: U+200B (zero width space), U+0084, U+180E, U+2027, U+FEFF, NUL, U+3001.
  for (const std::string letter :
       {"\xe2\x80\x8b", "\xc2\x84", "\xe1\xa0\x8e", "\xe2\x80\xa7", "\xef\xbb\xbf", "\x0e", "\xe3\x80\x81"})
    EXPECT_THAT(split("a" + letter + "b"), ElementsAre("a" + letter + "b"));
  EXPECT_THAT(split(std::string("a\0b", 3)), ElementsAre(std::string("a\0b", 3)));
  EXPECT_THAT(split("a\xe2\x80"), ElementsAre("a\xe2\x80")) << "cut within a character";
}

TEST(Words, BytesThatAreNotUtf8BecomeReplacementCharactersAsInPython) {
  const std::string r = "\xEF\xBF\xBD";
  // bytes.decode("utf-8", "replace") of Python 3.11
  const std::vector<std::pair<std::string, std::string>> rows{
      {"plain \xc3\xa4 \xf0\x9f\x98\x80", "plain \xc3\xa4 \xf0\x9f\x98\x80"},
      {"a\x80z", "a" + r + "z"},
      {"a\xc3", "a" + r},
      {"a\xc3 b", "a" + r + " b"},
      {"\xe2\x82", r},
      {"\xe2\x82x", r + "x"},
      {"\xe2\x28\xa1", r + "(" + r},
      {"\xed\xa0\x80", r + r + r},
      {"\xe0\x80\x80", r + r + r},
      {"\xf0\x90\x80y", r + "y"},
      {"\xf0\x80\x80\x80", r + r + r + r},
      {"\xf4\x90\x80\x80", r + r + r + r},
      {"\xf5\xc0\xc1\xff", r + r + r + r},
      {"\xc3\xc3\xa4", r + "\xc3\xa4"}};
  for (const auto& [bytes, text] : rows) EXPECT_EQ(repaired_utf8(bytes), text) << bytes;
}

std::string failure(std::string_view json) {
  try {
    read_vocabulary(json, "vocab.src.json");
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "no error";
}

std::string with(std::string_view more) {
  return R"({"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3)" + std::string(more) + "}";
}

TEST(VocabularyJson, ReadsWordsInAnyOrderAndWithGaps) {
  const auto entries = read_vocabulary(R"({"b":9,"</s>":3,"\u00e4":4,"<pad>":0,"<unk>":1,"<s>":2})", "v");
  ASSERT_EQ(entries.size(), 6U);
  EXPECT_EQ(entries[0].word, "b");
  EXPECT_EQ(entries[0].id, 9);
  EXPECT_EQ(entries[2].word, "\xc3\xa4");
}

TEST(VocabularyJson, EveryMistakeNamesWordIdAndRule) {
  EXPECT_THAT(failure("{"), HasSubstr("vocab.src.json: not valid JSON at byte"));
  EXPECT_THAT(failure("[]"), HasSubstr("must be an object"));
  EXPECT_THAT(failure("{}"), HasSubstr(R"(id 0 is missing, must be "<pad>" (ids 0 to 3: <pad>, <unk>, <s>, </s>))"));
  EXPECT_THAT(failure(R"({"the": 0, "<unk>": 1, "<s>": 2, "</s>": 3})"),
              HasSubstr(R"(id 0 is "the", must be "<pad>")"));
  EXPECT_THAT(failure(R"({"<pad>": 0, "<unk>": 1, "</s>": 2, "<s>": 3})"),
              HasSubstr(R"(id 2 is "</s>", must be "<s>")"));
  EXPECT_THAT(failure(with(R"(, "a": 4, "b": 4)")), HasSubstr(R"(id 4 belongs to "a" and to "b")"));
  EXPECT_THAT(failure(with(R"(, "a": 4, "a": 5)")), HasSubstr(R"(word "a" is there twice)"));
  EXPECT_THAT(failure(with(R"(, "a b": 4)")), HasSubstr(R"(word "a b": has white space in it)"));
  EXPECT_THAT(failure(with(R"(, "a\u00a0b": 4)")), HasSubstr(R"(word "a\xC2\xA0b": has white space)"));
  EXPECT_THAT(failure(with(R"(, "": 4)")), HasSubstr(R"(word "": has white space in it or is empty)"));
  for (const std::string id :
       {"-1", "10000000", "2147483648", "18446744073709551615", "4.5", "4.0", "true", "null", "\"4\"", "[4]"})
    EXPECT_THAT(failure(with(R"(, "a": )" + id)),
                HasSubstr("word \"a\": its id is " + id + ", must be an integer from 0 to 9999999"));
  EXPECT_THAT(failure(with(", \"a\xff\": 4")), HasSubstr("not valid JSON"));
  EXPECT_THAT(failure(with(R"(, "a": [[[[[[1]]]]]])")), HasSubstr("not valid JSON"));
}

TEST(VocabularyJson, WritesTheBytesOfPythonsJsonDump) {
  const std::vector<std::string_view> words{"<pad>", "<unk>", "\"", "\\", "\xc3\xa4/", "\x01\b\x7f"};
  EXPECT_EQ(write_vocabulary(words),
            "{\n    \"<pad>\": 0,\n    \"<unk>\": 1,\n    \"\\\"\": 2,\n    \"\\\\\": 3,\n    \"\xc3\xa4/\": 4,\n"
            "    \"\\u0001\\b\x7f\": 5\n}");
  EXPECT_EQ(write_vocabulary({}), "{}");
}

}  // namespace
}  // namespace clary::formats
