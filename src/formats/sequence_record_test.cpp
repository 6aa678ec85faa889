// SPDX-License-Identifier: Apache-2.0
#include "formats/sequence_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "formats/recordio.h"

namespace clary::formats {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

using Ids = std::vector<std::int32_t>;

std::string hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    out += static_cast<char>(std::stoi(std::string(text.substr(i++, 2)), nullptr, 16));
  }
  return out;
}

SequenceRecord parsed(std::string_view payload) {
  SequenceRecord out;
  parse_sequence_record(std::as_bytes(std::span(payload)), out);
  return out;
}

std::string failure(std::string_view payload) {
  try {
    parsed(payload);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "no error";
}

std::string field(int number, std::string_view bytes) {
  return std::string{static_cast<char>(number << 3 | 2), static_cast<char>(bytes.size())} + std::string(bytes);
}
/// features[name] = value
std::string feature(std::string_view name, std::string_view value) {
  return field(1, field(1, name) + field(2, value));
}

TEST(SequenceRecord, WritesTheBytesOfTheHelpersFiles) {
  std::string out;
  append_sequence_record(out, Ids{4, 300, 1}, Ids{5, 6});
  EXPECT_EQ(out, hex("0a23d7ce 26000000 0a12 0a06736f75726365 1208 3a06 0a0404ac0201"
                     "0a10 0a06746172676574 1206 3a04 0a020506 0000"));
  out.clear();
  append_sequence_record(out, Ids{4, 300, 1}, std::nullopt);
  EXPECT_EQ(out, hex("0a23d7ce 14000000 0a12 0a06736f75726365 1208 3a06 0a0404ac0201"));
  out.clear();
  append_sequence_record(out, std::nullopt, Ids{5, 6});
  EXPECT_EQ(out, hex("0a23d7ce 12000000 0a10 0a06746172676574 1206 3a04 0a020506 0000"));
  out.clear();
  append_sequence_record(out, std::nullopt, Ids{});
  EXPECT_EQ(out, hex("0a23d7ce 0e000000 0a0c 0a06746172676574 1202 3a00 0000")) << "a tensor without values";
}

TEST(SequenceRecord, ReadsWhatItWrites) {
  const Ids source{4, 300, 1, 2'147'483'647, -1}, target(5000, 77);
  std::string bytes;
  append_sequence_record(bytes, source, target);
  RecordIoReader reader(std::as_bytes(std::span(bytes)), "r");
  SequenceRecord record;
  parse_sequence_record(reader.next()->payload, record);
  EXPECT_EQ(record.source, source);
  EXPECT_EQ(record.target, target);
  EXPECT_FALSE(reader.next());
}

TEST(SequenceRecord, TakesEveryFormOfAnEmptyTarget) {
  const std::string source = hex("0a12 0a06736f75726365 1208 3a06 0a0404ac0201");
  for (const char* target :
       {"", "0a0a 0a06746172676574 1200", "0a0c 0a06746172676574 1202 3a00", "0a08 0a06746172676574"}) {
    const SequenceRecord record = parsed(source + hex(target));
    EXPECT_THAT(record.source, ElementsAre(4, 300, 1));
    EXPECT_THAT(record.target, IsEmpty());
    EXPECT_EQ(record.has_target, *target != '\0') << target;
  }
}

TEST(SequenceRecord, TakesUnpackedValuesAndShapes) {
  EXPECT_THAT(parsed(feature("source", field(7, hex("0804 0805 0a020607")))).source, ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(parsed(feature("source", field(7, hex("0a020405 1a0102")))).source, ElementsAre(4, 5)) << "shape [2]";
}

TEST(SequenceRecord, ReadsFramesThatAreSplit) {
  const std::string payload = field(3, "ab" + hex("0a23d7ce")) + feature("source", field(7, hex("0a020405")));
  std::string framed;
  append_recordio_split(framed, payload);
  EXPECT_EQ(framed.substr(4, 4), hex("04000020")) << "cut at the magic number";
  RecordIoReader reader(std::as_bytes(std::span(framed)), "r");
  SequenceRecord record;
  parse_sequence_record(reader.next()->payload, record);
  EXPECT_THAT(record.source, ElementsAre(4, 5));
}

TEST(SequenceRecord, TakesWholeFloatsAndSaysSo) {
  const SequenceRecord record = parsed(feature("source", field(2, hex("0a08 00008040 00409c46"))));
  EXPECT_THAT(record.source, ElementsAre(4, 20000));
  EXPECT_TRUE(record.from_floats);
  EXPECT_THAT(parsed(feature("target", field(3, hex("0a08 0000000000001040")))).target, ElementsAre(4));
  EXPECT_THAT(failure(feature("source", field(2, hex("0a08 00008040 00002040")))),
              HasSubstr("feature 'source': value 1 is 2.5, not an id"));
  EXPECT_THAT(failure(feature("source", field(2, hex("0a04 0000c07f")))), HasSubstr("value 0 is nan"));
  EXPECT_THAT(failure(feature("source", field(2, hex("0a04 ffff7f7f")))), HasSubstr("not an id"));
}

TEST(SequenceRecord, LaterEntriesReplaceEarlierOnesAndOtherNamesAreKept) {
  const std::string one = feature("source", field(7, hex("0a0104"))), two = feature("source", field(7, hex("0a0105")));
  EXPECT_THAT(parsed(one + two).source, ElementsAre(5));
  // The record's texts are views of the bytes.
  const std::string bytes = feature("source_ids", "") + feature("target_ids", "") + field(5, "{}");
  const SequenceRecord record = parsed(bytes);
  EXPECT_FALSE(record.has_source || record.has_target);
  EXPECT_EQ(record.other_features, "source_ids, target_ids");
  EXPECT_EQ(record.configuration, "{}");
}

TEST(SequenceRecord, EveryMistakeNamesFeatureAndRule) {
  EXPECT_THAT(failure(feature("source", field(9, hex("0a0161")))), HasSubstr("feature 'source': holds bytes"));
  EXPECT_THAT(failure(feature("target", field(7, hex("0a020405 12020001")))), HasSubstr("feature 'target': is sparse"));
  EXPECT_THAT(failure(feature("source", field(7, hex("0a020405 1a0103")))),
              HasSubstr("feature 'source': 2 values do not fill the shape of 3"));
  EXPECT_THAT(failure(feature("source", field(7, hex("0a0284")))), HasSubstr("longer than what holds it"));
  EXPECT_THAT(failure(feature("source", field(7, hex("0a0184")))), HasSubstr("a number is cut"));
  EXPECT_THAT(failure(feature("source", field(2, hex("0a03000000")))), HasSubstr("not a whole number of values"));
}

TEST(SequenceRecord, CutOrDamagedBytesAreAnErrorOrARecord) {
  std::string framed;
  append_sequence_record(framed, Ids{4, 300, 1}, Ids{5, 6});
  const std::string payload = framed.substr(8, 0x26);
  for (std::size_t size = 0; size < payload.size(); ++size) failure(payload.substr(0, size));
  for (std::size_t i = 0; i < payload.size(); ++i)
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = payload;
      damaged[i] = static_cast<char>(byte);
      failure(damaged);  // throws nothing else
    }
}

}  // namespace
}  // namespace clary::formats
