// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/evaluate/analogies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "algorithms/blazingtext/model/test_model.h"
#include "base/error.h"
#include "base/split_mix.h"

namespace clary::blazingtext {
namespace {

/// SplitMix64 vectors for `words` words w0, w1, ...
Model random_vectors(std::int64_t words, std::int64_t dim) {
  Model out = small_vectors();
  std::vector<std::string> names;
  for (std::int64_t w = 0; w < words; ++w) names.push_back("W" + std::to_string(w));
  out.settings.dim = static_cast<std::int32_t>(dim);
  out.dictionary = dictionary_of(names, 0);
  out.input = Matrix(words, dim);
  SplitMix64 random(3);
  for (float& value : out.input.values) value = static_cast<float>(random.below(2001)) / 1000 - 1;
  return out;
}

/// 3CosAdd by plain loops in double precision.
std::int64_t answer_of(const Model& model, const std::array<std::int64_t, 3>& given) {
  const auto unit = [&](std::int64_t w) {
    std::vector<double> out;
    double square = 0;
    for (const float value : model.input.row(w)) square += static_cast<double>(value) * static_cast<double>(value);
    for (const float value : model.input.row(w)) out.push_back(static_cast<double>(value) / std::sqrt(square));
    return out;
  };
  const auto a = unit(given[0]), b = unit(given[1]), c = unit(given[2]);
  std::int64_t best = -1;
  double highest = -1e9;
  for (std::int64_t w = 0; w < model.dictionary.nwords; ++w) {
    if (std::find(given.begin(), given.end(), w) != given.end()) continue;
    const auto x = unit(w);
    double score = 0;
    for (std::size_t n = 0; n < x.size(); ++n) score += x[n] * (b[n] - a[n] + c[n]);
    if (score > highest) highest = score, best = w;
  }
  return best;
}

TEST(Analogies, AgreeWithPlainLoops) {
  const Model model = random_vectors(1300, 20);
  std::vector<Analogy> questions;
  SplitMix64 random(5);
  std::int64_t right = 0;
  for (int i = 0; i < 200; ++i) {
    std::array<std::int64_t, 3> given{};
    for (auto& w : given) w = random.below(1300);
    const std::int64_t answer = answer_of(model, given);
    const bool wrong = i % 4 == 0;
    right += wrong ? 0 : 1;
    questions.push_back({"w" + std::to_string(given[0]), "w" + std::to_string(given[1]), "w" + std::to_string(given[2]),
                         "w" + std::to_string(wrong ? (answer + 1) % 1300 : answer)});
  }
  questions.push_back({"w1", "w2", "w3", "unknown"});
  for (const int threads : {1, 3}) {
    numeric::Team team(threads);
    const auto result = score_analogies(model, "list", questions, team);
    EXPECT_EQ(result.questions, 201);
    EXPECT_EQ(result.asked, 200);
    EXPECT_EQ(result.right, right);
    EXPECT_DOUBLE_EQ(result.accuracy(), static_cast<double>(right) / 200);
  }
  EXPECT_EQ(analogy_json({"list", 12, 10, 3}),
            parse_json(R"({"accuracy": 0.3, "correct": 3, "questions_asked": 10, "total_questions": 12})"));
}

TEST(Analogies, ListsAreKnownByTheirLines) {
  EXPECT_TRUE(are_analogies(": capital-common-countries\nAthens Greece Baghdad Iraq\n"));
  EXPECT_TRUE(are_analogies("\n# own list\nAthens Greece Baghdad Iraq"));
  EXPECT_FALSE(are_analogies("love sex 6.77\n"));
  EXPECT_FALSE(are_analogies(""));
  const auto read = read_analogies(": a section\r\nAthens Greece Baghdad Iraq\r\n\n: b\na b c D\n", "q.txt");
  ASSERT_EQ(read.size(), 2U);
  EXPECT_THAT(read[0], testing::ElementsAre("athens", "greece", "baghdad", "iraq"));
  try {
    read_analogies(": s\na b c d\na b c\n", "q.txt");
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "q.txt: line 3: has 3 words, must be the four of an analogy, or `: section`");
  }
}

}  // namespace
}  // namespace clary::blazingtext
