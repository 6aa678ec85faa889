// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/model/topics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "algorithms/ntm/train/testing_reference.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"

namespace clary::ntm {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Lists = std::vector<std::vector<std::int32_t>>;

Documents of_words(const std::vector<std::vector<std::int32_t>>& documents) {
  Documents out;
  for (const auto& d : documents) {
    out.words.insert(out.words.end(), d.begin(), d.end());
    out.counts.insert(out.counts.end(), d.size(), 1.0f);
    out.totals.push_back(static_cast<float>(d.size()));
    out.offsets.push_back(static_cast<std::int64_t>(out.words.size()));
  }
  return out;
}

TEST(NtmTopics, TopWordsAreThoseOfLargestWeight) {
  Matrix decoder(3, 25);  // two topics and the bias
  for (std::int64_t v = 0; v < 25; ++v) {
    decoder.at(0, v) = static_cast<float>((v * 7) % 25);
    decoder.at(1, v) = v < 3 ? 1.0f : 0.0f;
    decoder.at(2, v) = 100;
  }
  const Lists top = top_words(decoder);
  ASSERT_EQ(top.size(), 2u);
  EXPECT_EQ(top[0].size(), 20u);
  EXPECT_EQ(top[0][0] * 7 % 25, 24);
  EXPECT_EQ(top[0][19] * 7 % 25, 5);
  EXPECT_EQ(top[1][0], 0);
  EXPECT_EQ(top[1][3], 3);  // equal weights: lower id first
}

TEST(NtmTopics, UniquenessIsOneForDistinctTopicsAndOneOverKForEqualOnes) {
  EXPECT_THAT(topic_uniqueness({{1, 2}, {3, 4}}), ElementsAre(1, 1));
  EXPECT_THAT(topic_uniqueness({{1, 2}, {1, 2}}), ElementsAre(0.5, 0.5));
  EXPECT_THAT(topic_uniqueness({{1, 2}, {2, 3}, {4, 5}}), ElementsAre(0.75, 0.75, 1));
}

TEST(NtmTopics, NpmiMatchesTheFormula) {
  const Documents d = of_words({{0, 1}, {0, 1}, {0}, {1, 2}, {3}, {3}, {3}, {3}});
  const Cooccurrence c = count_cooccurrence({{0, 1}, {0, 2}, {1, 2}}, d);
  EXPECT_EQ(c.documents, 8);
  EXPECT_THAT(c.words, ElementsAre(3, 3, 3, 1, 3, 1));
  EXPECT_THAT(c.pairs, ElementsAre(2, 0, 1));
  const auto n = npmi(c, 3);
  EXPECT_NEAR(n[0], std::log((2 / 8.0) / (3 / 8.0 * 3 / 8.0)) / -std::log(2 / 8.0), 1e-12);
  EXPECT_EQ(n[1], -1);
  EXPECT_NEAR(n[2], std::log((1 / 8.0) / (3 / 8.0 * 1 / 8.0)) / -std::log(1 / 8.0), 1e-12);
}

TEST(NtmTopics, WordVectorsAreReadNormalisedAndMissingOnesCounted) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "glove.txt";
  std::ofstream(file) << "4 3\nthe 9 9 9\ncat 3 0 4\ndog 0 0 2\ncat 1 1 1\n";
  const std::vector<std::string> vocabulary{"dog", "cat", "unseen"};
  const WordVectors v = read_word_vectors(file, vocabulary);
  EXPECT_EQ(v.missing, 1);
  EXPECT_THAT(v.of(1), ElementsAre(0.6f, 0, 0.8f));
  EXPECT_TRUE(v.of(2).empty());
  const auto wetc = embedding_coherence({{0, 1}, {0, 2}, {0, 1, 2}}, [&](std::int32_t w) { return v.of(w); });
  EXPECT_NEAR(wetc[0], 0.8, 1e-6);
  EXPECT_EQ(wetc[1], 0);
  EXPECT_NEAR(wetc[2], 0.8 / 3, 1e-6);
}

TEST(NtmTopics, BadWordVectorsAreRefusedByLine) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "v.txt";
  const auto message = [&](const std::string& text) {
    std::ofstream(file) << text;
    try {
      read_word_vectors(file, std::vector<std::string>{"a", "b"});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string("accepted");
  };
  EXPECT_THAT(message("a 1 2\nb 1 x\n"), HasSubstr("line 2: number 2 of word 'b'"));
  EXPECT_THAT(message("a 1 2\nb 1\n"), HasSubstr("line 2 has 1 numbers, the lines before have 2"));
  EXPECT_THAT(message("a 1 nan\n"), HasSubstr("line 1"));
  EXPECT_THROW(read_word_vectors(folder.path() / "none", {}), Error);
}

TEST(NtmTopics, LogLinesHaveAwssForm) {
  TopicReport r;
  r.top = {{0, 1}, {2, 1}};
  r.uniqueness = {0.5, 0.94};
  r.npmi = {0.1, 0.2};
  EXPECT_THAT(log_lines(r, {}), ElementsAre("Topics from epoch:final (num_topics:2) [, tu 0.72]:", "0 1", "2 1"));
  const std::vector<std::string> words{"game", "season", "power"};
  EXPECT_THAT(
      log_lines(r, words),
      ElementsAre("Topics from epoch:final (num_topics:2) [tu 0.72]:", "[0.50] game season", "[0.94] power season"));
  r.coherence = {0.39, 0.35};
  EXPECT_THAT(log_lines(r, words), ElementsAre("Topics from epoch:final (num_topics:2) [wetc 0.37, tu 0.72]:",
                                               "[0.39, 0.50] game season", "[0.35, 0.94] power season"));
}

TEST(NtmTopics, TablesHoldWordsAndProbabilities) {
  Matrix decoder(2, 2);
  decoder.at(0, 0) = std::log(3.0f);
  TopicReport r;
  r.top = top_words(decoder);
  r.uniqueness = topic_uniqueness(r.top);
  r.npmi = {0};
  const std::vector<std::string> words{"a,\"b", "c"};
  const Json j = parse_json(topics_json(r, decoder, words));
  EXPECT_EQ(j["topics"][0]["words"][0]["word"], "a,\"b");
  EXPECT_NEAR(j["topics"][0]["words"][0]["probability"].get<double>(), 0.75, 1e-6);
  EXPECT_THAT(topics_csv(r, decoder, words), HasSubstr("0,1,\"a,\"\"b\",0,0.75,"));
}

}  // namespace
}  // namespace clary::ntm
