// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/read_pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "base/error.h"
#include "base/files.h"
#include "formats/gzip_writer.h"
#include "formats/recordio.h"
#include "formats/sequence_record.h"

namespace clary::seq2seq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Ids = std::vector<std::int32_t>;

/// A channel's folder below a temporary one.
class ChannelFolder {
 public:
  explicit ChannelFolder(std::string name) : name_(std::move(name)) {
    std::filesystem::create_directories(layout_.channel_dir(name_));
  }
  void add(const std::string& file, std::string_view bytes) const {
    const auto path = layout_.channel_dir(name_) / file;
    std::filesystem::create_directories(path.parent_path());
    write_file_atomically(path, bytes);
  }
  shell::Channel channel() const {
    return {layout_, name_, {}, "", [] { return false; }};
  }

 private:
  TemporaryFolder folder_;
  contract::Layout layout_{folder_.path() / "ml"};
  std::string name_;
};

std::string records(const std::vector<std::pair<Ids, Ids>>& pairs) {
  std::string out;
  for (const auto& [source, target] : pairs) formats::append_sequence_record(out, source, target);
  return out;
}

std::string gzipped(std::string_view text) {
  std::string out;
  formats::GzipWriter writer(
      [&](std::span<const std::byte> bytes) { out.append(reinterpret_cast<const char*>(bytes.data()), bytes.size()); });
  writer.write(std::as_bytes(std::span(text)));
  writer.finish();
  return out;
}

const ReadOptions kSmall{.max_source = 4, .max_target = 4, .source_vocabulary = 10, .target_vocabulary = 20};

PairData read(std::string_view bytes, const ReadOptions& options = kSmall) {
  const ChannelFolder train("train");
  train.add("train.rec", bytes);
  return read_pairs(train.channel(), options);
}

template <class F>
std::string failure_of(F&& f, Kind kind) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.what();
    return error.what();
  }
  return "no error";
}

std::string failure(std::string_view bytes, Kind kind = Kind::kMalformed) {
  return failure_of([&] { read(bytes); }, kind);
}

TEST(Seq2SeqPairs, CutsCountsAndMeasures) {
  const PairData data = read(records({{{4, 5, 1}, {7, 8}}, {{4, 5, 6, 7, 8, 9}, {19, 1, 5, 6}}, {{}, {7}}, {{4}, {}}}));
  EXPECT_EQ(data.records, 4);
  EXPECT_EQ(data.empty, 2);
  ASSERT_EQ(data.pairs.size(), 2);
  EXPECT_THAT(data.pairs.source[1], ElementsAre(4, 5, 6, 7)) << "max_source words";
  EXPECT_THAT(data.pairs.target[1], ElementsAre(19, 1, 5)) << "max_target - 1 words";
  EXPECT_EQ(data.source.cut, 1);
  EXPECT_EQ(data.target.cut, 1);
  EXPECT_EQ(data.source.words, 7);
  EXPECT_EQ(data.source.unknown, 1);
  EXPECT_EQ(data.target.words, 5);
  EXPECT_DOUBLE_EQ(data.target.coverage(), 0.8);
  EXPECT_DOUBLE_EQ(data.length_ratio_mean, 1.0) << "3 / 3 and 4 / 4";
  EXPECT_DOUBLE_EQ(data.length_ratio_std, 0.0);
}

TEST(Seq2SeqPairs, RatioIsOfTargetWithBeginToSource) {
  const PairData data = read(records({{{4}, {7}}, {{4, 5}, {7}}}));
  EXPECT_DOUBLE_EQ(data.length_ratio_mean, 1.5);
  EXPECT_DOUBLE_EQ(data.length_ratio_std, 0.5);
}

TEST(Seq2SeqPairs, PaddingEndsASequence) {
  const PairData data = read(records({{{4, 0, 5, 0, 0}, {7, 0}}, {{0, 0}, {7}}}));
  ASSERT_EQ(data.pairs.size(), 1);
  EXPECT_THAT(data.pairs.source[0], ElementsAre(4, kUnknown, 5));
  EXPECT_THAT(data.pairs.target[0], ElementsAre(7));
  EXPECT_EQ(data.empty, 1);
}

TEST(Seq2SeqPairs, FilesAreReadInTheOrderOfTheirNamesGzipIncluded) {
  const ChannelFolder train("train");
  train.add("b.rec", records({{{5}, {5}}}));
  train.add("c/d.rec", records({{{6}, {6}}}));
  train.add("a.rec", gzipped(records({{{4}, {4}}})));
  const PairData data = read_pairs(train.channel(), kSmall);
  ASSERT_EQ(data.pairs.size(), 3);
  for (std::int64_t i = 0; i < 3; ++i) EXPECT_THAT(data.pairs.source[i], ElementsAre(4 + i));
  train.add("b.rec", records({{{5}, {5}}, {{5}, {-1}}}));
  EXPECT_THAT(failure_of([&] { read_pairs(train.channel(), kSmall); }, Kind::kMalformed),
              HasSubstr("train/b.rec: record 1 feature 'target': value 0 is -1"));
}

TEST(Seq2SeqPairs, EveryMistakeNamesChannelRecordFeatureAndRule) {
  const auto feature = [](std::string_view name) {
    const std::string entry =
        std::string("\x0a") + static_cast<char>(name.size()) + std::string(name) + std::string("\x12\0", 2);
    return std::string("\x0a") + static_cast<char>(entry.size()) + entry;
  };
  const auto framed = [](const std::string& payload) {
    std::string out;
    formats::append_recordio(out, payload);
    return out;
  };
  EXPECT_EQ(failure(framed(feature("source_ids") + feature("target_ids"))),
            "train: record 0 has no feature 'source' (found: source_ids, target_ids)");
  EXPECT_EQ(failure(framed(feature("source"))), "train: record 0 has no feature 'target' (found: source)");
  EXPECT_EQ(failure(framed("")), "train: record 0 has no feature 'source' (found: none)");
  EXPECT_EQ(failure(records({{{4}, {4}}, {{4, 10}, {4}}})),
            "train: record 1 feature 'source': value 1 is 10, must be an id of vocab.src.json: from 0 to 9");
  EXPECT_EQ(failure(records({{{4}, {4, -7}}})),
            "train: record 0 feature 'target': value 1 is -7, must be an id of vocab.trg.json: from 0 to 19");
  EXPECT_THAT(failure("hello world!"), HasSubstr("train: byte 0: wrong RecordIO magic number"));
  EXPECT_EQ(failure(records({{{}, {4}}, {{4}, {}}}), Kind::kInvalid),
            "train: no pair of sequences is left of 2 records; one of the sides is empty in 2");
  EXPECT_THAT(failure("", Kind::kInvalid), HasSubstr("no pair of sequences is left of 0 records"));
  const ChannelFolder empty("validation");
  EXPECT_EQ(failure_of([&] { read_pairs(empty.channel(), kSmall); }, Kind::kInvalid),
            "channel validation: holds no files; records of pairs are needed");
}

TEST(Seq2SeqVocabularies, AreFoundByTheirNames) {
  constexpr const char* kText = R"({"<pad>": 0, "<unk>": 1, "<s>": 2, "</s>": 3, "a": 4})";
  const ChannelFolder vocab("vocab");
  vocab.add("vocab.src.json", kText);
  EXPECT_EQ(
      failure_of([&] { read_vocabularies(vocab.channel()); }, Kind::kInvalid),
      "Vocab files are not present in the input directory: channel vocab must hold vocab.src.json and vocab.trg.json "
      "(found: vocab.src.json)");
  vocab.add("deeper/vocab.trg.json", kText);
  EXPECT_EQ(read_vocabularies(vocab.channel()).target.size(), 5);
  vocab.add("vocab.trg.json", "[]");
  EXPECT_THAT(failure_of([&] { read_vocabularies(vocab.channel()); }, Kind::kInvalid),
              HasSubstr("vocab.trg.json twice"));
  vocab.add("vocab.src.json", R"({"<pad>": 0})");
  const ChannelFolder none("vocab");
  EXPECT_THAT(failure_of([&] { read_vocabularies(none.channel()); }, Kind::kInvalid), HasSubstr("(found: nothing)"));
}

}  // namespace
}  // namespace clary::seq2seq
