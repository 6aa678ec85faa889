// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/simple_text.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "algorithms/blazingtext/data/ngrams.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  for_each_token(text, [&](std::string_view token) { out.emplace_back(token); });
  return out;
}

TEST(SimpleText, MakesLettersSmallAndSignsWords) {
  using testing::ElementsAre;
  EXPECT_THAT(words_of(simple_text("Don't PANIC: (it's 3.14)!")),
              ElementsAre("don", "'", "t", "panic", ":", "(", "it", "'", "s", "3", ".", "14", ")", "!"));
  EXPECT_THAT(words_of(simple_text("snake_case A\tB\nC")), ElementsAre("snake_case", "a", "b", "</s>", "c"));
  EXPECT_THAT(words_of(simple_text("\xc3\x89t\xc3\xa9 na\xc3\xafve\xff")),  // only ASCII letters have a small form here
              ElementsAre("\xc3\x89t\xc3\xa9", "na\xc3\xafve\xff"));
  EXPECT_EQ(simple_text(""), "");
  EXPECT_EQ(simple_words(" King\n"), "king");
}

TEST(SimpleText, LeavesLabelsAlone) {
  EXPECT_THAT(words_of(simple_text("__label__U.S.-News,x The END\n__label__A")),
              testing::ElementsAre("__label__U.S.-News,x", "the", "end", "</s>", "__label__A"));
  EXPECT_THAT(words_of(simple_text("x__label__A-B")), testing::ElementsAre("x__label__a", "-", "b"));
}

TEST(SimpleText, BlocksAreThoseOfTheWholeText) {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "__label__A-" + std::to_string(i) + " Some, Words... And\tMORE!\n";
  write_file_atomically(folder.path() / "text", text);
  auto source = simple_text(open_text({{folder.path() / "text", "text"}}, {.block_bytes = 5000, .whole_lines = true}));
  std::string joined;
  TextBlock block;
  int blocks = 0;
  for (; source->next(block); ++blocks) joined += block.text();
  EXPECT_GT(blocks, 20);
  EXPECT_EQ(joined, simple_text(text));
}

TEST(TokenizerFile, IsWrittenForRulesAndReadBack) {
  const TemporaryFolder folder;
  write_tokenizer(TextRules::kNone, folder.path());
  EXPECT_TRUE(std::filesystem::is_empty(folder.path()));
  EXPECT_EQ(read_tokenizer(folder.path()), TextRules::kNone);
  write_tokenizer(TextRules::kSimple, folder.path());
  EXPECT_EQ(read_tokenizer(folder.path()), TextRules::kSimple);
  for (const char* text : {"{}", "[]", "{\"tokenizer\": 1}", "{\"tokenizer\": \"bpe\"}", "{", "7"}) {
    write_file_atomically(folder.path() / "tokenizer.json", text);
    EXPECT_THROW(read_tokenizer(folder.path()), Error) << text;
  }
}

}  // namespace
}  // namespace clary::blazingtext
