// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/evaluate/analogies.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>

#include "base/error.h"
#include "base/text.h"
#include "learning/numeric/floats.h"
#include "learning/numeric/gemm.h"

namespace clary::blazingtext {
namespace {

constexpr std::int64_t kQuestions = 32;  // of one product
constexpr std::int64_t kWords = 512;     // of one product: 32 x 512 scores stay in the second-level cache

struct Question {
  std::array<std::int32_t, 3> given;  // words a, b, c
  std::int32_t answer = 0;
};

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> out;
  for_each_token(line, [&](std::string_view token) { out.push_back(token); });
  return out;
}

/// Unit vectors of the V most frequent words, as rows for questions and as columns for products.
/// Two copies: rows to build b - a + c from, columns for the matrix product, which wants the words side by side.
struct UnitVectors {
  std::int64_t words, dim;
  std::int64_t width;       // V padded
  Matrix rows;              // [V, D]
  numeric::Floats columns;  // [D, width]

  UnitVectors(const Model& model, std::int64_t count)
      : words(count),
        dim(model.dim()),
        width(numeric::padded(count)),
        rows(count, dim),
        columns(static_cast<std::size_t>(dim * width)) {
    std::vector<std::int32_t> ids;
    for (std::int64_t w = 0; w < words; ++w) {
      ids.clear();
      append_word_rows(model, model.dictionary.words[static_cast<std::size_t>(w)], w, ids);
      const auto row = rows.row(w);
      mean_of_rows(model, ids, row);
      const float length = std::sqrt(dot(row, row));
      for (std::int64_t n = 0; n < dim; ++n) {
        float& value = row[static_cast<std::size_t>(n)];
        value = length > 0 ? value / length : 0.0F;
        columns[static_cast<std::size_t>(n * width + w)] = value;
      }
    }
  }
};

// Case is ignored; of several forms of a word the most frequent counts, since emplace() keeps the first. A question
// with an unknown word is not asked, as in Mikolov's compute-accuracy.
std::vector<Question> askable(const Model& model, const std::vector<Analogy>& questions, std::int64_t words) {
  std::unordered_map<std::string, std::int32_t> numbers;
  for (std::int64_t w = 0; w < words; ++w)
    numbers.emplace(lower(model.dictionary.words[static_cast<std::size_t>(w)]), static_cast<std::int32_t>(w));
  std::vector<Question> out;
  for (const Analogy& analogy : questions) {
    std::array<std::int32_t, 4> ids{};
    const bool known =
        std::equal(analogy.begin(), analogy.end(), ids.begin(), [&](const std::string& word, std::int32_t& id) {
          const auto at = numbers.find(word);
          if (at != numbers.end()) id = at->second;
          return at != numbers.end();
        });
    if (known) out.push_back({{ids[0], ids[1], ids[2]}, ids[3]});
  }
  return out;
}

/// Answers questions[0 .. count) with products of 32 questions and 512 words; returns how many are right.
class Examiner {
 public:
  explicit Examiner(const UnitVectors& vectors)
      : vectors_(vectors),
        wanted_(static_cast<std::size_t>(kQuestions * vectors.dim)),
        scores_(static_cast<std::size_t>(kQuestions * kWords)) {}

  std::int64_t right(std::span<const Question> questions) {
    const auto count = std::ssize(questions);
    for (std::int64_t q = 0; q < count; ++q) want(questions[static_cast<std::size_t>(q)], q);
    best_.assign(questions.size(), {-std::numeric_limits<float>::infinity(), -1});
    for (std::int64_t first = 0; first < vectors_.words; first += kWords) {
      const std::int64_t width = std::min(kWords, vectors_.width - first);
      numeric::gemm_nn(count, width, vectors_.dim, wanted_.data(), vectors_.dim, vectors_.columns.data() + first,
                       vectors_.width, scores_.data(), kWords, false);
      for (std::int64_t q = 0; q < count; ++q)
        look(questions[static_cast<std::size_t>(q)], q, first, std::min(first + kWords, vectors_.words));
    }
    std::int64_t out = 0;
    for (std::size_t q = 0; q < questions.size(); ++q) out += best_[q].word == questions[q].answer ? 1 : 0;
    return out;
  }

 private:
  struct Best {
    float score;
    std::int32_t word;
  };

  /// b - a + c; its length plays no part in which word is best.
  /// Mikolov et al., "Efficient Estimation of Word Representations in Vector Space" (2013), section 4: the word
  /// nearest to b - a + c answers "a is to b as c is to ?".
  void want(const Question& question, std::int64_t q) {
    const auto a = vectors_.rows.row(question.given[0]), b = vectors_.rows.row(question.given[1]),
               c = vectors_.rows.row(question.given[2]);
    for (std::size_t n = 0; n < a.size(); ++n)
      wanted_[static_cast<std::size_t>(q * vectors_.dim) + n] = b[n] - a[n] + c[n];
  }

  // The three given words are excluded, as in the original program.
  void look(const Question& question, std::int64_t q, std::int64_t first, std::int64_t last) {
    float* scores = scores_.data() + q * kWords;
    for (const std::int32_t given : question.given)
      if (given >= first && given < last) scores[given - first] = -std::numeric_limits<float>::infinity();
    const float* best = std::max_element(scores, scores + (last - first));
    Best& so_far = best_[static_cast<std::size_t>(q)];
    if (*best > so_far.score) so_far = {*best, static_cast<std::int32_t>(first + (best - scores))};
  }

  const UnitVectors& vectors_;
  numeric::Floats wanted_;  // [kQuestions, D]
  numeric::Floats scores_;  // [kQuestions, kWords]
  std::vector<Best> best_;
};

}  // namespace

Json analogy_json(const AnalogyResult& result) {
  return {{"accuracy", result.accuracy()},
          {"correct", result.right},
          {"questions_asked", result.asked},
          {"total_questions", result.questions}};
}

bool are_analogies(std::string_view text) {
  for (const std::string_view line : split(text, '\n')) {
    if (trimmed(line).empty() || line.starts_with('#')) continue;
    return line.starts_with(':') || words_of(line).size() == 4;
  }
  return false;
}

std::vector<Analogy> read_analogies(std::string_view text, const std::string& name) {
  std::vector<Analogy> out;
  std::size_t number = 0;
  for (const std::string_view line : split(text, '\n')) {
    ++number;
    if (trimmed(line).empty() || line.starts_with('#') || line.starts_with(':')) continue;
    const auto words = words_of(line);
    if (words.size() != 4)
      throw Error(Kind::kMalformed,
                  fmt::format("{}: line {}: has {} words, must be the four of an analogy, or `: section`", name, number,
                              words.size()));
    out.push_back({lower(words[0]), lower(words[1]), lower(words[2]), lower(words[3])});
  }
  return out;
}

AnalogyResult score_analogies(const Model& model, const std::string& name, const std::vector<Analogy>& questions,
                              numeric::Team& team) {
  const UnitVectors vectors(model, std::min(kAnalogyWords, model.dictionary.nwords));
  const std::vector<Question> asked = askable(model, questions, vectors.words);
  AnalogyResult out{name, std::ssize(questions), std::ssize(asked), 0};
  std::vector<std::int64_t> right(static_cast<std::size_t>(team.size()));
  // Each thread has its own buffers and counts; sums of integers do not depend on the threads.
  team.run([&](int thread) {
    Examiner examiner(vectors);
    const auto [begin, end] = numeric::share(out.asked, thread, team.size(), kQuestions);
    for (std::int64_t first = begin; first < end; first += kQuestions)
      right[static_cast<std::size_t>(thread)] += examiner.right(std::span(asked).subspan(
          static_cast<std::size_t>(first), static_cast<std::size_t>(std::min(kQuestions, end - first))));
  });
  for (const std::int64_t part : right) out.right += part;
  return out;
}

}  // namespace clary::blazingtext
