// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/error.h"
#include "base/files.h"
#include "corpus/make_vocab.h"
#include "corpus/record_writing.h"
#include "corpus/text_file.h"
#include "formats/gzip_writer.h"
#include "formats/recordio.h"
#include "formats/sequence_record.h"

namespace clary::corpus {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Ids = std::vector<std::int32_t>;
using Pair = std::pair<Ids, Ids>;

struct Folder {
  TemporaryFolder folder;
  std::vector<std::string> said;
  MakeVocabOptions options;

  Folder() { options.output = folder.path() / "out"; }
  std::filesystem::path file(const char* name, std::string_view bytes) const {
    write_file_atomically(folder.path() / name, bytes);
    return folder.path() / name;
  }
  void train(std::string_view source, std::string_view target) {
    options.train_source = file("train.en", source);
    options.train_target = file("train.de", target);
  }
  void run() {
    make_vocab(options, [&](const std::string& text) { said.push_back(text); });
  }
  std::string failure() {
    try {
      run();
    } catch (const Error& error) {
      return error.what();
    }
    return "no error";
  }
  std::string output(const char* name) const { return read_file(options.output / name); }
  std::vector<Pair> records(const char* name) const {
    const std::string bytes = output(name);
    formats::RecordIoReader reader(std::as_bytes(std::span(bytes)), name);
    std::vector<Pair> out;
    formats::SequenceRecord record;
    while (const auto framed = reader.next()) {
      formats::parse_sequence_record(framed->payload, record);
      out.emplace_back(record.source, record.target);
    }
    return out;
  }
};

TEST(MakeVocab, WordsAreOrderedByCountAndThenBackwards) {
  Folder f;
  f.train("the cat sat\nthe dog sat <unk>\na cat ran\n", "A\nB\nC C\n");
  f.run();
  EXPECT_EQ(
      f.output("vocab.src.json"),
      "{\n    \"<pad>\": 0,\n    \"<unk>\": 1,\n    \"<s>\": 2,\n    \"</s>\": 3,\n    \"the\": 4,\n    \"sat\": 5,\n"
      "    \"cat\": 6,\n    \"ran\": 7,\n    \"dog\": 8,\n    \"a\": 9\n}");
  EXPECT_THAT(f.records("train.rec"),
              ElementsAre(Pair({4, 6, 5}, {6}), Pair({4, 8, 5, 1}, {5}), Pair({9, 6, 7}, {4, 4})));
}

TEST(MakeVocab, LimitsHoldForEachSide) {
  Folder f;
  f.train("a a a b b c\n", "x x y y z\n");
  f.options.source.most = 2;
  f.options.target.min_count = 2;
  f.run();
  EXPECT_THAT(f.records("train.rec"), ElementsAre(Pair({4, 4, 4, 5, 5, 1}, {5, 5, 4, 4, 1})));
}

TEST(MakeVocab, OneVocabularyOfBothSidesByTheSourcesRule) {
  Folder f;
  f.train("a a b\n", "b c c c\n");
  f.options.single_vocab = true;
  f.options.source.min_count = 2;
  f.options.target.min_count = 100;
  f.run();
  EXPECT_EQ(f.output("vocab.src.json"), f.output("vocab.trg.json"));
  EXPECT_THAT(f.records("train.rec"), ElementsAre(Pair({6, 6, 5}, {5, 4, 4, 4})));
}

TEST(MakeVocab, ExistingVocabulariesAreUsedAndNoneIsWritten) {
  Folder f;
  f.train("a b\n", "a <s> x\n");
  f.options.vocab_source = f.options.vocab_target =
      f.file("v.json", R"({"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, "a": 17, "x": 5})");
  f.options.val_source = f.file("val.en", "x\n\n a \n");
  f.options.val_target = f.file("val.de", "x\nx\nx");
  f.run();
  EXPECT_THAT(f.records("train.rec"), ElementsAre(Pair({17, 1}, {17, 2, 5})));
  EXPECT_THAT(f.records("val.rec"), ElementsAre(Pair({5}, {5}), Pair({17}, {5})));
  EXPECT_FALSE(std::filesystem::exists(f.options.output / "vocab.src.json"));
  EXPECT_THAT(f.said.back(), HasSubstr("2 pairs; 1 lines were left out"));
}

std::string gzipped(std::string_view text) {
  std::string out;
  formats::GzipWriter writer(
      [&](std::span<const std::byte> bytes) { out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
  writer.write(std::as_bytes(std::span(text)));
  writer.finish();
  return out;
}

TEST(MakeVocab, TakesGzipForeignLineEndsAndBrokenBytes) {
  Folder f;
  f.options.train_source = f.file("train.en.gz", gzipped("a\r\nb\rc\n"));
  f.options.train_target = f.file("train.de", "x\xff y\nx\xff\ny");
  f.run();
  EXPECT_EQ(f.records("train.rec").size(), 3U);
  EXPECT_THAT(f.output("vocab.trg.json"), HasSubstr("\"y\": 4,\n    \"x\xEF\xBF\xBD\": 5\n"));
  EXPECT_THAT(f.said.front(), HasSubstr("train.de: bytes that are not UTF-8 were replaced by U+FFFD"));
}

TEST(MakeVocab, ManyBatchesStayInOrderWithAnyNumberOfThreads) {
  std::string source, target;
  for (int i = 0; i < 20'000; ++i) {
    source += "w" + std::to_string(i % 977) + " w" + std::to_string(i % 31) + "\n";
    target += i % 100 == 7 ? "\n" : "v" + std::to_string(i % 53) + "\n";
  }
  std::vector<std::string> files;
  for (const int threads : {1, 2, 5}) {
    Folder f;
    f.train(source, target);
    f.options.threads = threads;
    f.run();
    files.push_back(f.output("train.rec"));
    EXPECT_EQ(f.records("train.rec").size(), 19'800U);
  }
  EXPECT_EQ(files[0], files[1]);
  EXPECT_EQ(files[0], files[2]);
}

TEST(MakeVocab, EveryMistakeNamesFileAndRule) {
  Folder f;
  f.train("a\nb\n", "x\n");
  EXPECT_THAT(f.failure(), HasSubstr("train.en has 2 lines and "));
  EXPECT_FALSE(std::filesystem::exists(f.options.output / "train.rec"));
  f.train("a\n", "");
  EXPECT_THAT(f.failure(), HasSubstr("train.de is empty"));
  f.options.train_target = f.folder.path() / "nothing";
  EXPECT_THAT(f.failure(), HasSubstr("nothing does not exist"));
  f.train("a\n", "x\n");
  f.options.train_source = f.file("a.gz", "a\n");
  EXPECT_THAT(f.failure(), HasSubstr("its name ends in .gz, but it is no gzip file"));
  f.options.val_source = "a";
  EXPECT_THAT(f.failure(), HasSubstr("--val-source is given without --val-target"));
  f.options.val_source.clear();
  f.options.vocab_target = "a";
  EXPECT_THAT(f.failure(), HasSubstr("--vocab-target-json is given without --vocab-source-json"));
  f.options.vocab_source = "b";
  f.options.single_vocab = true;
  EXPECT_THAT(f.failure(), HasSubstr("--single-vocab makes a vocabulary"));
  f.options.vocab_target.clear(), f.options.vocab_source.clear();
  f.options.target.most = 0;
  EXPECT_THAT(f.failure(), HasSubstr("a vocabulary has from 1 to 9999996 words"));
}

TEST(LineStarts, AreThoseOfUniversalNewlines) {
  EXPECT_THAT(line_starts(""), ElementsAre(0));
  EXPECT_THAT(line_starts("a"), ElementsAre(0, 1));
  EXPECT_THAT(line_starts("a\nb"), ElementsAre(0, 2, 3));
  EXPECT_THAT(line_starts("a\n\nb\n"), ElementsAre(0, 2, 3, 5));
  EXPECT_THAT(line_starts("a\r\nb\rc\n\r"), ElementsAre(0, 3, 5, 7, 8));
}

TEST(WordTable, KeepsWordsOfEverySizeApart) {
  std::string text;
  for (int size = 1; size <= 40; ++size)
    for (int i = 0; i < 50; ++i) text += std::string(static_cast<std::size_t>(size), 'a') + std::to_string(i) + " ";
  std::map<std::string, std::int64_t> expected;
  WordTable table;
  std::size_t at = 0;
  for (int round = 0; round < 3; ++round)
    for (at = 0; at < text.size();) {
      const std::string_view word = std::string_view(text).substr(at, text.find(' ', at) - at);
      ++table[word];
      ++expected[std::string(word)];
      at += word.size() + 1;
    }
  EXPECT_EQ(table.size(), expected.size());
  for (const auto& [word, count] : expected) EXPECT_EQ(table.find(word, -1), count) << word;
  EXPECT_EQ(table.find("b", -1), -1);
}

}  // namespace
}  // namespace clary::corpus
