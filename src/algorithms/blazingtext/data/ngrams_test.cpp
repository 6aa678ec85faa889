// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/ngrams.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "algorithms/blazingtext/data/dictionary.h"

namespace clary::blazingtext {
namespace {

std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> out;
  for_each_token(text, [&](std::string_view token) { out.emplace_back(token); });
  return out;
}

TEST(BlazingTextNgrams, HashIsFnv1aWithSignExtendedBytes) {
  EXPECT_EQ(hash_of(""), 2166136261U);
  EXPECT_EQ(hash_of("a"), 0xe40c292cU);  // FNV's published test vector
  EXPECT_EQ(hash_of("foobar"), 0xbf9cf968U);
  // One byte 0xC3: (offset ^ 0xFFFFFFC3) * prime
  EXPECT_EQ(hash_of("\xc3"), (2166136261U ^ 0xffffffc3U) * 16777619U);
}

TEST(BlazingTextNgrams, CharacterNgramsAreThoseOfTheWrappedWord) {
  std::vector<std::uint32_t> found;
  for_each_char_ngram("<on>", 1, 3, [&](std::uint32_t hash) { found.push_back(hash); });
  std::vector<std::uint32_t> expected;
  for (const char* ngram : {"<o", "<on", "o", "on", "on>", "n", "n>"}) expected.push_back(hash_of(ngram));
  EXPECT_EQ(found, expected);
}

TEST(BlazingTextNgrams, CharacterNgramsCountCodePoints) {
  std::vector<std::uint32_t> found;
  for_each_char_ngram("<\xc3\xa4>", 3, 6, [&](std::uint32_t hash) { found.push_back(hash); });
  EXPECT_EQ(found, std::vector<std::uint32_t>{hash_of("<\xc3\xa4>")});
}

TEST(BlazingTextNgrams, WordNgramsFollowTheFormula) {
  const std::vector<std::uint32_t> words{hash_of("good"), hash_of("movie"), hash_of("</s>")};
  std::vector<std::uint64_t> found;
  for_each_word_ngram(words, 3, [&](std::uint64_t hash) { found.push_back(hash); });
  const auto extended = [&](std::size_t i) { return static_cast<std::uint64_t>(static_cast<std::int32_t>(words[i])); };
  const std::uint64_t first = extended(0) * 116049371 + extended(1);
  EXPECT_EQ(found, (std::vector<std::uint64_t>{first, first * 116049371 + extended(2),
                                               extended(1) * 116049371 + extended(2)}));
}

TEST(BlazingTextNgrams, TokensEndAtEverySeparatorAndNewlinesAreTokens) {
  EXPECT_THAT(tokens_of(" a\tb\rc\vd\fe "), testing::ElementsAre("a", "b", "c", "d", "e"));
  EXPECT_THAT(tokens_of(std::string_view("a\0b", 3)), testing::ElementsAre("a", "b"));
  EXPECT_THAT(tokens_of("a\n\nb"), testing::ElementsAre("a", "</s>", "</s>", "b"));
  EXPECT_THAT(tokens_of(""), testing::ElementsAre());
}

TEST(BlazingTextDictionary, FindsEveryEntryAndNothingElse) {
  Dictionary d;
  for (int i = 0; i < 1000; ++i) d.words.push_back("word" + std::to_string(i));
  d.words.push_back("word7");  // a second one of the same name is never found
  d.counts.assign(d.words.size(), 1);
  d.nwords = static_cast<std::int64_t>(d.words.size());
  EXPECT_EQ(d.find("word1"), -1);  // no index yet
  d.build_index();
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(d.find("word" + std::to_string(i)), i);
  EXPECT_EQ(d.find("word1000"), -1);
  EXPECT_EQ(d.find(""), -1);
}

}  // namespace
}  // namespace clary::blazingtext
