// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/evaluate/word_similarity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "algorithms/blazingtext/evaluate/evaluation.h"
#include "algorithms/blazingtext/model/test_model.h"
#include "algorithms/blazingtext/model/vectors_text.h"
#include "base/error.h"
#include "base/files.h"
#include "support/paths.h"

namespace clary::blazingtext {
namespace {

/// Words on a circle: the cosine falls with the difference of their numbers.
Model circle() {
  Model out = small_vectors();
  out.dictionary = dictionary_of({"A", "b", "c", "d", "B"}, 0);
  out.input = Matrix(5, 2);
  const float angles[] = {0.0F, 0.3F, 0.9F, 1.4F, 2.0F};
  for (std::int64_t i = 0; i < 5; ++i) {
    out.input.row(i)[0] = std::cos(angles[i]);
    out.input.row(i)[1] = std::sin(angles[i]);
  }
  return out;
}

TEST(WordSimilarity, SpearmanIsThatOfScipy) {
  // scipy.stats.spearmanr
  const std::vector<double> a{1, 2, 2, 4, 5, 7}, b{3, 1, 4, 4, 9, 2}, c{6, 5, 5, 3, 2, 1};
  EXPECT_NEAR(spearman(a, b), 0.1911764705882353, 1e-12);
  EXPECT_NEAR(spearman(a, c), -1, 1e-12);
  EXPECT_EQ(spearman(a, std::vector<double>(6, 1)), 0);
  EXPECT_EQ(spearman({}, {}), 0);
  EXPECT_EQ(spearman(std::vector<double>{1}, std::vector<double>{2}), 0);
}

TEST(WordSimilarity, PairsAreScoredByLowerCaseWords) {
  PairList list{"EN.txt", read_word_pairs("a c\t10\nA\td 5\nc d 7.5\nc nobody 3\na c 9\n", "EN.txt")};
  const auto result = score_pairs(circle(), list);
  EXPECT_EQ(result.total_pairs, 5);
  EXPECT_EQ(result.not_found, 1);
  // cosines: a-c .62, a-d .17, c-d .88; human 9, 5, 7.5 (a pair that comes twice keeps its last score)
  EXPECT_NEAR(result.rho, 0.5, 1e-12);
}

TEST(WordSimilarity, LaterOfTwoWordsThatDifferInCaseCounts) {
  PairList list{"EN.txt", read_word_pairs("b d 3\nb a 2\nd a 1\n", "EN.txt")};
  // With "B" (2.0): cosines b-d .83, b-a -.42, d-a .17; with "b" (0.3) they would be .45, .96, .17.
  EXPECT_NEAR(score_pairs(circle(), list).rho, 0.5, 1e-12);
}

TEST(WordSimilarity, ReportHasTheListsAndTheirPlainMean) {
  const std::vector<PairListResult> results{{"EN-WS-353-ALL.txt", 353, 2, 0.6971335304947863},
                                            {"EN-WS-353-REL.txt", 252, 1, 0.6640851736083175},
                                            {"EN-WS-353-SIM.txt", 203, 1, 0.7261972928706277}};
  EXPECT_NEAR(mean_rho(results), 0.6958053323245772, 1e-15);
  EXPECT_EQ(evaluation_json(results).dump(),
            R"({"EN-WS-353-ALL.txt":{"not_found":2,"spearmans_rho":0.6971335304947863,"total_pairs":353},)"
            R"("EN-WS-353-REL.txt":{"not_found":1,"spearmans_rho":0.6640851736083175,"total_pairs":252},)"
            R"("EN-WS-353-SIM.txt":{"not_found":1,"spearmans_rho":0.7261972928706277,"total_pairs":203},)"
            R"("mean_rho":0.6958053323245772})");
  EXPECT_EQ(mean_rho({}), 0);
}

TEST(WordSimilarity, BadLinesAreNamed) {
  for (const auto& [text, named] :
       std::vector<std::pair<std::string, std::string>>{{"a b 1\nc d\n", "pairs.txt: line 2: has 2 fields"},
                                                        {"a b c\n", "line 1: the score 'c'"},
                                                        {"a b nan", "nan"}}) {
    try {
      read_word_pairs(text, "pairs.txt");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed);
      EXPECT_THAT(error.what(), testing::HasSubstr(named));
    }
  }
}

TEST(WordSimilarity, PublishedListsRead) {
  const auto folder = tests::shared_data() / "wordsim";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "no " << folder;
  const auto [lists, analogies] = read_lists(folder);
  ASSERT_EQ(lists.size(), 3U);
  EXPECT_EQ(lists[0].name, "EN-WS-353-ALL.txt");
  EXPECT_EQ(lists[0].pairs.size(), 353U);
  EXPECT_EQ(lists[1].pairs.size(), 252U);
  EXPECT_EQ(lists[2].pairs.size(), 203U);
  ASSERT_EQ(analogies.size(), 1U);
  EXPECT_EQ(analogies[0].name, "questions-words.txt");
  EXPECT_EQ(analogies[0].questions.size(), 19544U);
}

TEST(VectorsText, ReadBackEqualAndHaveTheHeader) {
  const TemporaryFolder folder;
  for (const bool subwords : {false, true}) {
    const Model model = small_vectors(subwords);
    write_vectors_text(model, folder.path() / "vectors.txt");
    const std::string text = read_file(folder.path() / "vectors.txt");
    EXPECT_TRUE(text.starts_with("3 2\nthe ")) << text;
    const Model back = read_vectors_text(text, "vectors.txt");
    EXPECT_EQ(back.dictionary.words, model.dictionary.words);
    for (const auto& word : model.dictionary.words) EXPECT_EQ(word_vector(back, word), word_vector(model, word));
  }
  EXPECT_EQ(read_vectors_text("1 2\nw 1 2 \r\n", "v").input.row(0)[1], 2);  // a blank before the line end
}

TEST(VectorsBinary, AreWord2vecsBytes) {
  const TemporaryFolder folder;
  const Model model = small_vectors();
  write_vectors_binary(model, folder.path() / "v.bin");
  std::string expected = "3 2\n";
  for (std::int64_t w = 0; w < 3; ++w) {
    const auto row = model.input.row(w);
    expected += model.dictionary.words[static_cast<std::size_t>(w)] + " ";
    expected.append(reinterpret_cast<const char*>(row.data()), row.size_bytes()).push_back('\n');
  }
  EXPECT_EQ(read_file(folder.path() / "v.bin"), expected);
}

TEST(VectorsText, EveryBrokenFileIsNamed) {
  for (const auto& [text, named] :
       std::vector<std::pair<std::string, std::string>>{{"", "line 1: number of words"},
                                                        {"king 1 2\n", "line 1: number of words: 'king'"},
                                                        {"1 2 3\nw 1 2\n", "line 1: must be"},
                                                        {"1 0\nw\n", "dimension is 0"},
                                                        {"99999999999 2\nw 1 2\n", "cannot stand in"},
                                                        {"2 2\nw 1.00 2\nx 1\n", "line 3: a vector's number"},
                                                        {"2 2\nlongword 1 2\n", "line 3: holds no word"},
                                                        {"1 2\nw 1 two\n", "line 2: a vector's number: 'two'"},
                                                        {"1 1\nw 1 2\n", "line 2: has more than 1 numbers"}}) {
    try {
      read_vectors_text(text, "vectors.txt");
      FAIL() << text;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed);
      EXPECT_THAT(error.what(), testing::HasSubstr(named)) << text;
    }
  }
}

}  // namespace
}  // namespace clary::blazingtext
