// SPDX-License-Identifier: Apache-2.0
// From bytes to words: blocks, tokens, counts and sentences, against plain loops over the whole text.
#include <gtest/gtest.h>
#include <zlib.h>

#include <cmath>
#include <map>

#include "algorithms/blazingtext/data/corpus.h"
#include "algorithms/blazingtext/data/sentences.h"
#include "algorithms/blazingtext/data/vocabulary.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

/// Words of one to thirty letters, some frequent, lines of random length; every separator occurs.
std::string random_text(int words, std::uint64_t seed, std::uint32_t line_words = 20) {
  SplitMix64 random(seed);
  std::string out;
  for (int i = 0; i < words; ++i) {
    const std::uint32_t word = random.below(random.below(2) == 0 ? 10 : 3000);
    out += "w" + std::to_string(word * word * 7919U) + (word % 5 == 0 ? "_with_a_much_longer_name" : "");
    out += random.below(line_words) == 0 ? "\n" : random.below(10) == 0 ? "\t \r" : " ";
  }
  return out;
}

class TextFile {
 public:
  explicit TextFile(const std::string& text, const std::string& name = "text") : path(folder_.path() / name) {
    write_file_atomically(path, text);
  }
  Corpus corpus() const { return corpus_of({{path, "train/text"}}, "train/text"); }

 private:
  TemporaryFolder folder_;

 public:
  std::filesystem::path path;
};

std::vector<std::string> tokens_of(std::string_view text) {
  std::vector<std::string> out;
  for_each_token(text, [&](std::string_view token) { out.emplace_back(token); });
  return out;
}

std::vector<std::string> tokens_of_blocks(TextSource& source) {
  std::vector<std::string> out;
  std::vector<Token> batch;
  TextBlock block;
  while (source.next(block)) {
    Tokenizer tokenizer(block.text());
    while (tokenizer.next(batch))
      for (const Token& token : batch)
        out.emplace_back(token.is_end_of_line() ? kEndOfLine : block.text().substr(token.begin, token.size));
  }
  return out;
}

std::string gzipped(const std::string& text) {
  z_stream stream{};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST(TextSource, BlocksOfAnySizeGiveTheSameTokens) {
  for (const std::uint32_t line_words : {20U, 1'000'000U}) {
    const std::string text = random_text(60'000, 1, line_words);
    const TextFile plain(text), gzip(gzipped(text), "text.gz");
    const auto expected = tokens_of(text);
    for (const std::size_t block : {std::size_t{200}, std::size_t{4096}, std::size_t{100'000}, std::size_t{1} << 20}) {
      for (const bool whole_lines : {false, true}) {
        const TextOptions options{block, whole_lines, 0, 1};
        SCOPED_TRACE(std::to_string(block) + (whole_lines ? " lines" : " tokens"));
        EXPECT_EQ(tokens_of_blocks(*plain.corpus().open(options)), expected);
        EXPECT_EQ(tokens_of_blocks(*gzip.corpus().open(options)), expected);
      }
    }
  }
}

TEST(TextSource, PartsOfTheHostsMakeTheWhole) {
  const std::string text = random_text(30'000, 2);
  const TextFile plain(text), gzip(gzipped(text), "text.gz");
  auto expected = tokens_of(text);
  std::sort(expected.begin(), expected.end());
  for (const TextFile* file : {&plain, &gzip}) {
    std::vector<std::string> all;
    for (int part = 0; part < 3; ++part) {
      const auto mine = tokens_of_blocks(*file->corpus().open({4096, false, part, 3}));
      EXPECT_GT(mine.size(), expected.size() / 5);
      all.insert(all.end(), mine.begin(), mine.end());
    }
    std::sort(all.begin(), all.end());
    EXPECT_EQ(all, expected);
  }
}

TEST(TextSource, RefusesTextWithoutBlanksNamingTheRule) {
  const TextFile file(std::string(300'000, 'x'));
  numeric::Team team(1);
  try {
    build_vocabulary(*file.corpus().open({}), team, {});
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    EXPECT_NE(std::string(error.what()).find("train/text: the word at byte 0 has 300000 bytes"), std::string::npos)
        << error.what();
  }
  EXPECT_THROW(corpus_of({{TextFile("").path, ""}}, "train"), std::exception);
}

TEST(TextSource, TakesALineOfTenMegabytes) {
  std::string text;
  while (text.size() < 10'000'000) text += "some words in one line ";
  const TextFile file(text + "\nlast\n");
  for (const bool whole_lines : {false, true}) {
    const auto tokens = tokens_of_blocks(*file.corpus().open({1 << 20, whole_lines, 0, 1}));
    EXPECT_EQ(tokens.size(), text.size() / 23 * 5 + 3);
    EXPECT_EQ(tokens.back(), kEndOfLine);
  }
}

TEST(Vocabulary, CountsSortsAndFindsLikeAMap) {
  const std::string text = random_text(50'000, 3);
  const TextFile file(text);
  std::map<std::string, std::int64_t> expected;
  for (const auto& token : tokens_of(text)) ++expected[token];
  for (const int threads : {1, 3}) {
    numeric::Team team(threads);
    const Vocabulary v = build_vocabulary(*file.corpus().open({4096}), team, {.min_count = 4});
    const Dictionary& d = v.dictionary;
    EXPECT_EQ(d.nwords, std::count_if(expected.begin(), expected.end(), [](const auto& e) { return e.second >= 4; }));
    EXPECT_EQ(d.ntokens, static_cast<std::int64_t>(tokens_of(text).size()));
    std::int64_t known = 0;
    for (std::size_t w = 0; w < d.words.size(); ++w) {
      EXPECT_EQ(d.counts[w], expected.at(d.words[w]));
      EXPECT_EQ(v.table.find(d.words[w]), static_cast<std::int32_t>(w));
      known += d.counts[w];
      if (w > 0) {
        EXPECT_TRUE(d.counts[w - 1] > d.counts[w] || (d.counts[w - 1] == d.counts[w] && d.words[w - 1] < d.words[w]));
      }
    }
    EXPECT_EQ(v.known_tokens, known);
    EXPECT_EQ(v.table.find("no such word"), -1);
    EXPECT_EQ(d.words[static_cast<std::size_t>(v.end_of_line)], kEndOfLine);
  }
}

TEST(Vocabulary, KeepsLabelsWhateverTheirCountAfterTheWords) {
  const TextFile file("__label__rare good good __label__ film\n__label__b film good\n__label__b once\n");
  numeric::Team team(1);
  const Vocabulary v = build_vocabulary(*file.corpus().open({}), team, {.min_count = 2, .labels = true});
  EXPECT_EQ(v.dictionary.words,
            (std::vector<std::string>{"</s>", "good", "film", "__label__b", "__label__", "__label__rare"}));
  EXPECT_EQ(v.dictionary.nlabels, 3);
}

TEST(Vocabulary, DropsRareWordsWhenTheTableWouldGrowTooLarge) {
  const std::string text = random_text(100'000, 4);
  const TextFile file(text);
  numeric::Team team(1);
  const Vocabulary v = build_vocabulary(*file.corpus().open({4096}), team, {.min_count = 1, .max_entries = 500});
  EXPECT_LE(v.dictionary.nwords, 1500);
  EXPECT_GE(v.table.find("w0_with_a_much_longer_name"), 0);  // one of the ten frequent words
}

TEST(Sentences, AreLinesOfKnownWordsCutAtTheLimit) {
  const TextFile file("a b c a b unknown\na a\nb");
  numeric::Team team(1);
  const Corpus corpus = file.corpus();
  const Vocabulary v = build_vocabulary(*corpus.open({}), team, {.min_count = 2});
  const SubSampler all(v.dictionary.counts, v.dictionary.ntokens, 0.9999);
  const auto read = [&](SentenceOptions options) {
    Passes passes(corpus, {}, 2);
    SentenceReader reader(passes, v, all, options);
    SplitMix64 random(1);
    std::vector<std::int32_t> sentence;
    std::int64_t tokens = 0, sum = 0;
    std::string out;
    while (reader.next(sentence, tokens, random)) {
      for (const std::int32_t w : sentence) out += v.dictionary.words[static_cast<std::size_t>(w)] + " ";
      out += "| ";
      sum += tokens;
    }
    EXPECT_EQ(sum, 2 * v.known_tokens);
    return out;
  };
  EXPECT_EQ(read({}), "a b a b </s> | a a </s> | b | a b a b </s> | a a </s> | b | ");
  EXPECT_EQ(read({3, true}), "a b a | b </s> | a a </s> | b | a b a | b </s> | a a </s> | b | ");
  EXPECT_EQ(read({100, false}), "a b a b | a a | b | a b a b | a a | b | ");
}

TEST(Sampling, KeepsAndDrawsByTheFormulas) {
  const std::vector<std::int64_t> counts{600, 300, 99, 1};
  SplitMix64 random(11);
  const SubSampler sampler(counts, 1000, 0.01);
  const NegativeSampler negatives(counts);
  std::vector<double> kept(4), drawn(4);
  const int n = 400'000;
  double sum = 0;
  for (const auto count : counts) sum += std::pow(static_cast<double>(count), 0.75);
  for (int i = 0; i < n; ++i) {
    for (std::size_t w = 0; w < 4; ++w) kept[w] += sampler.keeps(static_cast<std::int32_t>(w), random) ? 1.0 / n : 0;
    drawn[static_cast<std::size_t>(negatives.draw(random))] += 1.0 / n;
    ASSERT_NE(negatives.draw_other(1, random), 1);
  }
  double tokens = 0;
  for (std::size_t w = 0; w < 4; ++w) {
    tokens += kept[w] * static_cast<double>(counts[w]);
    const double share = static_cast<double>(counts[w]) / 1000;
    EXPECT_NEAR(kept[w], std::min(1.0, std::sqrt(0.01 / share) + 0.01 / share), 0.004);
    EXPECT_NEAR(drawn[w], std::pow(static_cast<double>(counts[w]), 0.75) / sum, 0.004);
  }
  EXPECT_NEAR(sampler.kept(counts), tokens, 4);
}

}  // namespace
}  // namespace clary::blazingtext
