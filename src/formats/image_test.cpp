// SPDX-License-Identifier: Apache-2.0
// Image records, lists of pictures, and records of a stream.
#include <gtest/gtest.h>

#include <cstring>

#include "base/error.h"
#include "formats/image_list.h"
#include "formats/image_record.h"
#include "formats/recordio.h"
#include "formats/recordio_stream.h"

namespace clary::formats {
namespace {

using std::string_literals::operator""s;

const std::string kJpeg = "\xFF\xD8\xFF\xD9";

std::string written(std::uint64_t id, std::vector<float> labels, const std::string& picture, bool packed = false) {
  std::string out;
  append_image_record(out, id, labels, picture, packed);
  return out;
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

std::string text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

/// The first record of framed bytes.
struct Read {
  ImageRecord record;
  std::string picture;
};
Read read_back(const std::string& framed) {
  RecordIoReader reader(bytes_of(framed), "test");
  Read out;
  const auto frame = reader.next();
  parse_image_record(frame->payload, out.record);
  out.picture = text_of(out.record.picture);
  return out;
}

TEST(ImageRecord, HasTheBytesOfIm2rec) {
  EXPECT_EQ(written(7, {1}, kJpeg),
            "\x0A\x23\xD7\xCE\x1C\0\0\0\0\0\0\0\0\0\x80\x3F\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\xFF\xD8\xFF\xD9"s);
  EXPECT_EQ(written(7, {1, 0, 1}, kJpeg),
            "\x0A\x23\xD7\xCE\x28\0\0\0\x03\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0"
            "\0\0\x80\x3F\0\0\0\0\0\0\x80\x3F\xFF\xD8\xFF\xD9"s);
}

TEST(ImageRecord, IsReadBackWithOneLabelSeveralOrAPackedOne) {
  for (const std::vector<float>& labels : {std::vector<float>{3}, std::vector<float>{0, 1, 0}}) {
    const Read read = read_back(written(9, labels, kJpeg));
    EXPECT_EQ(read.record.id, 9U);
    EXPECT_EQ(read.record.labels, labels);
    EXPECT_EQ(read.picture, kJpeg);
  }
  const std::string packed = written(9, {3}, kJpeg, true);
  EXPECT_EQ(packed[8], 1);  // the flag
  EXPECT_EQ(read_back(packed).record.labels, std::vector<float>{3});
}

TEST(ImageRecord, IsSplitAtMagicWordsAndJoined) {
  std::string picture = kJpeg;
  for (int i = 0; i < 3; ++i) picture += "\x0A\x23\xD7\xCE" + std::string(static_cast<std::size_t>(i), 'x') + "1234";
  EXPECT_EQ(read_back(written(1, {2}, picture)).picture, picture);
}

TEST(ImageRecord, RefusesAPayloadShorterThanItsHeaderSays) {
  const std::string framed = written(7, {1, 0, 1}, "");
  const std::string payload = framed.substr(8);
  ImageRecord record;
  for (std::size_t size = 0; size < payload.size(); ++size)
    EXPECT_THROW(parse_image_record(bytes_of(payload).first(size), record), Error) << size;
  EXPECT_NO_THROW(parse_image_record(bytes_of(payload), record));
  std::string many = payload;
  many.replace(0, 4, "\xFF\xFF\xFF\xFF");
  try {
    parse_image_record(bytes_of(many), record);
    FAIL();
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "the image header announces 4294967295 labels, but only 12 bytes follow");
  }
}

TEST(ImageList, ReadsIndexLabelsAndPath) {
  const ImageList list =
      parse_image_list("5\t1\tdogs/dog1.jpg\n6\t0.000000\t1.000000\t./a b.png\r\n\n7\t2\tx//y.jpg", "l");
  ASSERT_EQ(list.images.size(), 3U);
  EXPECT_EQ(list.images[0].labels, std::vector<float>{1});
  EXPECT_EQ(list.images[0].path, "dogs/dog1.jpg");
  EXPECT_EQ(list.images[1].labels, (std::vector<float>{0, 1}));
  EXPECT_EQ(list.images[1].path, "a b.png");
  EXPECT_EQ(list.images[2].line, 4);
  EXPECT_EQ(list.images[2].path, "x/y.jpg");
  EXPECT_EQ(list.malformed, 0);
}

std::string good_lines(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += std::to_string(i) + "\t1\tf.jpg\n";
  return out;
}

TEST(ImageList, LeavesOutAHundredthOfMalformedLinesAndNoMore) {
  struct Row {
    const char* line;
    const char* problem;
  };
  const Row rows[] = {
      {"1\tx.jpg", "line 100: has 2 fields, must have index, label and path separated by TAB"},
      {"x\t1\tx.jpg", "line 100: the index \"x\" is not a number"},
      {"1\tdog\tx.jpg", "line 100: the label \"dog\" is not a number"},
      {"1\tnan\tx.jpg", "line 100: the label \"nan\" is not a number"},
      {"1\t1\t../x.jpg", "line 100: \"../x.jpg\" is not a path inside the channel"},
      {"1\t1\ta/../../x.jpg", "line 100: \"a/../../x.jpg\" is not a path inside the channel"},
      {"1\t1\t/etc/passwd", "line 100: \"/etc/passwd\" is not a path inside the channel"},
      {"1\t1\t", "line 100: \"\" is not a path inside the channel"},
      {"1\t1\t.", "line 100: \".\" is not a path inside the channel"},
      // Foreign bytes are shown, but end no line and no text.
      {"1\r2\t1\tx.jpg", "line 100: the index \"1?2\" is not a number"},
      {"\xFF\xFE\x31\t1\tx.jpg", "line 100: the index \"\?\?1\" is not a number"},
      {"1\t\xC3\xA4\tx.jpg", "line 100: the label \"\xC3\xA4\" is not a number"},
  };
  for (const Row& row : rows) {
    const ImageList list = parse_image_list(good_lines(99) + row.line, "l");
    EXPECT_EQ(list.images.size(), 99U);
    EXPECT_EQ(list.malformed, 1);
    EXPECT_EQ(list.first_problem, row.problem);
    try {
      parse_image_list(good_lines(98) + row.line, "a.lst");
      ADD_FAILURE() << row.line;
    } catch (const Error& error) {
      EXPECT_TRUE(
          std::string(error.what()).starts_with("a.lst: 1 of 99 lines are malformed, at most 1 % may be; line 99"));
    }
  }
}

TEST(ImageList, WithoutAGoodLineIsAnError) {
  EXPECT_THROW(parse_image_list("", "l"), Error);
  EXPECT_THROW(parse_image_list("\n\n", "l"), Error);
  EXPECT_THROW(parse_image_list("x", "l"), Error);
  EXPECT_THROW(parse_image_list("1\t1\t" + std::string(2 << 20, 'x'), "l"), Error);
}

/// Hands out a few bytes at a time.
class Drops : public ByteSource {
 public:
  Drops(std::string_view bytes, std::size_t size) : rest_(bytes), size_(size) {}
  std::size_t read(std::span<std::byte> out) override {
    const std::size_t n = std::min({out.size(), size_, rest_.size()});
    std::memcpy(out.data(), rest_.data(), n);
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
  std::size_t size_;
};

std::vector<std::string> read_stream(std::string_view bytes, std::size_t drop, std::size_t limit = 1 << 20) {
  RecordIoStream stream(std::make_unique<Drops>(bytes, drop), "train_0", limit);
  std::vector<std::string> out;
  std::string payload;
  while (stream.next(payload)) out.push_back(payload);
  return out;
}

TEST(RecordIoStream, GivesTheRecordsWhateverThePiecesTheyComeIn) {
  const std::vector<std::string> payloads{"",
                                          "a",
                                          "abcd",
                                          "\x0A\x23\xD7\xCE",
                                          "ab\x0A\x23\xD7\xCE",
                                          std::string(70000, 'z'),
                                          "\x0A\x23\xD7\xCE\x0A\x23\xD7\xCE_end"};
  std::string bytes;
  for (const std::string& payload : payloads) append_recordio_split(bytes, payload);
  for (const std::size_t drop : {1U, 3U, 4096U, 1U << 20}) EXPECT_EQ(read_stream(bytes, drop), payloads);
}

TEST(RecordIoStream, RefusesEveryCutAndNamesTheRecord) {
  std::string bytes;
  append_recordio(bytes, "ab");
  const std::size_t first = bytes.size();
  append_recordio_split(bytes,
                        "12\x0A\x23\xD7\xCE"
                        "3456\x0A\x23\xD7\xCE"
                        "5");
  for (std::size_t size = 1; size < bytes.size(); ++size) {
    if (size == first) continue;
    EXPECT_THROW(read_stream(std::string_view(bytes).substr(0, size), 7), Error) << size;
  }
  try {
    read_stream(std::string_view(bytes).substr(0, bytes.size() - 4), 7);
    FAIL();
  } catch (const Error& error) {
    EXPECT_TRUE(std::string(error.what()).starts_with("train_0: record 2 "));
  }
}

TEST(RecordIoStream, RefusesWrongMagicPartsOutOfOrderAndLongRecords) {
  EXPECT_THROW(read_stream("abcdefgh", 8), Error);
  for (const char flag : {'\x40', '\x60', '\x20'})  // middle, last, first without a last
    EXPECT_THROW(read_stream("\x0A\x23\xD7\xCE\0\0\0"s + flag, 8), Error);
  std::string bytes;
  append_recordio(bytes, std::string(100, 'x'));
  EXPECT_NO_THROW(read_stream(bytes, 1000, 100));
  EXPECT_THROW(read_stream(bytes, 1000, 99), Error);
  EXPECT_THROW(read_stream("\x0A\x23\xD7\xCE\xFF\xFF\xFF\x1F"s, 1000, std::size_t{1} << 30),
               Error);  // 512 MB announced
}

}  // namespace
}  // namespace clary::formats
