// SPDX-License-Identifier: Apache-2.0
#include "formats/recordio.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"

namespace clary::formats {
namespace {

using ::testing::HasSubstr;

std::string hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    out += static_cast<char>(std::stoi(std::string(text.substr(i++, 2)), nullptr, 16));
  }
  return out;
}

std::string payload_text(const RecordIoRecord& record) {
  return {reinterpret_cast<const char*>(record.payload.data()), record.payload.size()};
}

std::vector<std::string> payloads(std::string_view bytes) {
  RecordIoReader reader(std::as_bytes(std::span(bytes)), "r");
  std::vector<std::string> out;
  while (const auto record = reader.next()) out.push_back(payload_text(*record));
  return out;
}

std::string failure(std::string_view bytes) {
  try {
    payloads(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "no error";
}

TEST(RecordIo, WritesTheSpecifiedBytes) {
  std::string out;
  append_recordio(out, "");
  EXPECT_EQ(out, hex("0a23d7ce 00000000"));
  out.clear();
  append_recordio(out, "abc");
  EXPECT_EQ(out, hex("0a23d7ce 03000000 616263 00"));
  out.clear();
  append_recordio_split(out, hex("0a23d7ce"));
  EXPECT_EQ(out, hex("0a23d7ce 00000020 0a23d7ce 00000060"));
  EXPECT_EQ(payloads(out), std::vector<std::string>{hex("0a23d7ce")});
  out.clear();
  append_recordio(out, hex("0a23d7ce"));
  EXPECT_EQ(out, hex("0a23d7ce 04000000 0a23d7ce")) << "answers are never split";
}

TEST(RecordIo, JoinsWhatItSplits) {
  const std::string magic = hex("0a23d7ce");
  for (const std::string& payload : {std::string("plain"), magic, magic + magic, "abcd" + magic, magic + "x",
                                     "ab" + magic, "abcd" + magic + "efgh" + magic + magic + "ij"}) {
    std::string out;
    append_recordio_split(out, payload);
    append_recordio(out, "next");
    EXPECT_EQ(payloads(out), (std::vector<std::string>{payload, "next"}));
  }
}

TEST(RecordIo, ReportsOffsetAndFrame) {
  std::string out;
  append_recordio(out, "abc");
  append_recordio(out, "defgh");
  RecordIoReader reader(std::as_bytes(std::span(out)), "r", 100);
  EXPECT_EQ(reader.next()->framed.size(), 12U);
  const auto second = reader.next();
  EXPECT_EQ(second->offset, 112U);
  EXPECT_EQ(second->framed.size(), 16U);
  EXPECT_FALSE(reader.next());
}

TEST(RecordIo, EveryMistakeNamesByteAndRule) {
  EXPECT_THAT(failure("hello world!"), HasSubstr("r: byte 0: wrong RecordIO magic number 0x6C6C6568"));
  EXPECT_THAT(failure(hex("0a23d7ce 03000000 616263 00 0a23d7cf 00000000")),
              HasSubstr("byte 12: wrong RecordIO magic"));
  EXPECT_THAT(failure(hex("0a23d7ce 0300")), HasSubstr("byte 0: cut record header: 2 bytes are missing"));
  EXPECT_THAT(failure(hex("0a23d7ce ffffff1f 6162")),
              HasSubstr("cut record of 536870911 bytes: 536870909 bytes are missing"));
  EXPECT_THAT(failure(hex("0a23d7ce 00000020")), HasSubstr("byte 0: split record without its last part"));
  EXPECT_THAT(failure(hex("0a23d7ce 00000040")), HasSubstr("byte 0: continuation flag 2 where 0 or 1 belongs"));
  EXPECT_THAT(failure(hex("0a23d7ce 000000e0")), HasSubstr("byte 0: continuation flag 7 where 0 or 1 belongs"));
  EXPECT_THAT(failure(hex("0a23d7ce 00000020 0a23d7ce 00000000")),
              HasSubstr("byte 8: continuation flag 0 where 2 or 3"));
}

TEST(RecordIo, CutAtEveryByteIsAnErrorOrFewerRecords) {
  std::string out;
  append_recordio(out, "abc");
  append_recordio_split(out, "abcd" + hex("0a23d7ce") + "efg");
  for (std::size_t size = 0; size < out.size(); ++size) {
    const bool whole = size == 0 || size == 11 || size == 12 || size == out.size() - 1;  // padding may be missing
    EXPECT_EQ(failure(out.substr(0, size)) == "no error", whole) << size;
  }
}

}  // namespace
}  // namespace clary::formats
