// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/record_reader.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <zlib.h>

#include <cstring>

#include "base/error.h"
#include "base/hash.h"

namespace clary::serving {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

/// Hands out one byte at a time, so that every refill path is taken.
class Trickle final : public ByteSource {
 public:
  explicit Trickle(std::string text) : text_(std::move(text)) {}
  std::size_t read(std::span<char> out) override {
    if (at_ == text_.size()) return 0;
    out[0] = text_[at_++];
    return 1;
  }

 private:
  std::string text_;
  std::size_t at_ = 0;
};

std::vector<std::string> records(const std::string& text, SplitType split, bool framed = false,
                                 std::uint64_t max = 1 << 20) {
  RecordReader reader(std::make_unique<Trickle>(text), split, max);
  std::vector<std::string> out;
  while (const auto record = reader.next()) out.emplace_back(framed ? record->framed : record->content);
  return out;
}

std::string word(std::uint32_t value) { return {reinterpret_cast<const char*>(&value), 4}; }

std::string recordio(const std::string& data, std::uint32_t part = 0) {
  const std::string padding((4 - data.size() % 4) % 4, '\0');
  return word(0xCED7230A) + word(part << 29 | static_cast<std::uint32_t>(data.size())) + data + padding;
}

std::string masked(const std::string& bytes) {
  std::uint32_t crc = 0;
  for (const char c : digest(Digest::kCrc32c, bytes)) crc = crc << 8 | static_cast<unsigned char>(c);
  return word(((crc >> 15) | (crc << 17)) + 0xa282ead8U);
}

std::string tfrecord(const std::string& data) {
  const std::uint64_t n = data.size();
  const std::string length(reinterpret_cast<const char*>(&n), 8);
  return length + masked(length) + data + masked(data);
}

std::string gzipped(const std::string& text) {
  z_stream z{};
  deflateInit2(&z, 6, Z_DEFLATED, 16 + MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(text.size() + 200, '\0');
  z.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  z.avail_in = static_cast<uInt>(text.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  deflate(&z, Z_FINISH);
  out.resize(z.total_out);
  deflateEnd(&z);
  return out;
}

TEST(RecordReader, LinesKeepEmptyOnesAndTheLastWithoutNewline) {
  EXPECT_THAT(records("a\n\nb\nc", SplitType::kLine), ElementsAre("a", "", "b", "c"));
  EXPECT_THAT(records("a\nb\n", SplitType::kLine, true), ElementsAre("a\n", "b\n"));
  EXPECT_THAT(records("", SplitType::kLine), IsEmpty());
}

TEST(RecordReader, NoSplitGivesTheWholeObjectOnceEvenWhenEmpty) {
  EXPECT_THAT(records("a\nb", SplitType::kNone), ElementsAre("a\nb"));
  EXPECT_THAT(records("", SplitType::kNone), ElementsAre(""));
}

TEST(RecordReader, RecordIoStripsFramingAndKeepsItWhenAsked) {
  const std::string data = recordio("hello") + recordio("") + recordio("12345678");
  EXPECT_THAT(records(data, SplitType::kRecordIo), ElementsAre("hello", "", "12345678"));
  EXPECT_THAT(records(data, SplitType::kRecordIo, true),
              ElementsAre(recordio("hello"), recordio(""), recordio("12345678")));
}

TEST(RecordReader, RecordIoJoinsPartsWithTheMagicNumberBetween) {
  const std::string parts = recordio("abcd", 1) + recordio("efgh", 2) + recordio("ij", 3);
  const std::string magic = word(0xCED7230A);
  EXPECT_THAT(records(parts + recordio("x"), SplitType::kRecordIo),
              ElementsAre("abcd" + magic + "efgh" + magic + "ij", "x"));
  EXPECT_THAT(records(parts, SplitType::kRecordIo, true), ElementsAre(parts));
}

TEST(RecordReader, RecordIoCutAtEveryByteIsAnError) {
  const std::string data = recordio("abc") + recordio("abcd", 1) + recordio("ij", 3);
  for (std::size_t cut = 1; cut < data.size(); ++cut) {
    if (cut == recordio("abc").size()) continue;
    EXPECT_THROW(records(data.substr(0, cut), SplitType::kRecordIo), Error) << cut;
  }
  EXPECT_THROW(records("not recordio", SplitType::kRecordIo), Error);
  EXPECT_THROW(records(recordio("a", 2), SplitType::kRecordIo), Error);
}

TEST(RecordReader, TfRecordChecksItsChecksums) {
  std::string data = tfrecord("one") + tfrecord("");
  EXPECT_THAT(records(data, SplitType::kTfRecord), ElementsAre("one", ""));
  for (std::size_t cut = 1; cut < tfrecord("one").size(); ++cut)
    EXPECT_THROW(records(data.substr(0, cut), SplitType::kTfRecord), Error) << cut;
  data[13] ^= 1;
  EXPECT_THROW(records(data, SplitType::kTfRecord), Error);
}

TEST(RecordReader, TooLongRecordNamesItsNumberAndTheLimit) {
  EXPECT_THAT(records("12345\n", SplitType::kLine, false, 5), ElementsAre("12345"));
  try {
    records("1\n123456\n", SplitType::kLine, false, 5);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), Kind::kLimit);
    EXPECT_THAT(e.what(), HasSubstr("record 2 is longer than the maximum payload of 5 bytes"));
  }
  EXPECT_THROW(records("123456", SplitType::kNone, false, 5), Error);
  // A lying length is refused before anything is allocated for it.
  EXPECT_THROW(records(word(0xCED7230A) + word((1U << 29) - 1), SplitType::kRecordIo, false, 1 << 20), Error);
}

TEST(GzipSource, ReadsSeveralMembersAndRefusesACutOne) {
  const std::string two = gzipped("a\nb\n") + gzipped("c\n");
  const auto lines = [](const std::string& bytes) {
    RecordReader reader(gunzip(std::make_unique<Trickle>(bytes)), SplitType::kLine, 100);
    std::vector<std::string> out;
    while (const auto record = reader.next()) out.emplace_back(record->content);
    return out;
  };
  EXPECT_THAT(lines(two), ElementsAre("a", "b", "c"));
  EXPECT_THROW(lines(two.substr(0, two.size() - 3)), Error);
  EXPECT_THROW(lines("plain text"), Error);
}

}  // namespace
}  // namespace clary::serving
