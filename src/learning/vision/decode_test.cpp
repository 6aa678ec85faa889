// SPDX-License-Identifier: Apache-2.0
// Decoding beside OpenCV's results, windows beside whole pictures, and every kind of bad file.
#include "learning/vision/decode.h"

#include <gtest/gtest.h>

#include <csetjmp>
#include <cstdio>
// after <cstdio>, which it needs
#include <jpeglib.h>

#include "base/error.h"
#include "learning/vision/test_data.h"

namespace clary::vision {
namespace {

using tests::bytes_of;
using tests::distance;
using tests::golden;
using tests::kSize;
using tests::test_file;

struct Message {
  Kind kind = Kind::kInternal;
  std::string text;
};

Message failure_of(std::string_view bytes, DecodeLimits limits = {}) {
  try {
    decode(std::as_bytes(std::span(bytes)), 3, limits);
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  return {};
}

TEST(Decode, GivesThePixelsOfOpenCv) {
  for (const std::string name : {"420.jpg", "444.jpg", "progressive.jpg", "grey.jpg", "cmyk.jpg", "rgb.png", "grey.png",
                                 "palette.png", "alpha.png", "grey16.png", "rgb16.png", "interlaced.png", "bits.png"}) {
    const std::string file = test_file(name);
    EXPECT_EQ(distance(decode(bytes_of(file), 3), golden(name, kSize, 3)), 0) << name;
    // Grey of a colour PNG or CMYK is rounded at different places.
    const bool converted = name == "cmyk.jpg" || name.ends_with(".png");
    EXPECT_LE(distance(decode(bytes_of(file), 1), golden(name, kSize, 1)), converted ? 1 : 0) << name;
  }
}

/// A JPEG of `size` with noise, by libjpeg, so that windows cross many blocks.
std::string large_jpeg(Size size, int sampling, bool progressive) {
  jpeg_compress_struct jpeg{};
  jpeg_error_mgr errors{};
  jpeg.err = jpeg_std_error(&errors);
  jpeg_create_compress(&jpeg);
  unsigned char* bytes = nullptr;
  unsigned long count = 0;
  jpeg_mem_dest(&jpeg, &bytes, &count);
  jpeg.image_width = static_cast<JDIMENSION>(size.width);
  jpeg.image_height = static_cast<JDIMENSION>(size.height);
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  jpeg_set_defaults(&jpeg);
  jpeg.comp_info[0].h_samp_factor = sampling;
  jpeg.comp_info[0].v_samp_factor = sampling;
  if (progressive) jpeg_simple_progression(&jpeg);
  jpeg_start_compress(&jpeg, TRUE);
  std::vector<std::uint8_t> row(static_cast<std::size_t>(size.width) * 3);
  std::uint32_t state = 1;
  for (std::int64_t y = 0; y < size.height; ++y) {
    for (auto& value : row) {
      state = state * 1664525 + 1013904223;
      value = static_cast<std::uint8_t>(state >> 24);
    }
    JSAMPROW rows = row.data();
    jpeg_write_scanlines(&jpeg, &rows, 1);
  }
  jpeg_finish_compress(&jpeg);
  std::string out(reinterpret_cast<const char*>(bytes), count);
  jpeg_destroy_compress(&jpeg);
  std::free(bytes);
  return out;
}

void expect_window(Decoder& decoder, const std::string& file, const Picture& all, const Window& wanted) {
  decoder.open(bytes_of(file));
  Picture part;
  decoder.read(wanted, part);
  ASSERT_TRUE(part.window().holds(wanted));
  ASSERT_EQ(part.whole(), all.whole());
  const std::int64_t c = part.channels();
  for (std::int64_t y = 0; y < wanted.height; ++y)
    ASSERT_EQ(std::memcmp(part.row(wanted.y + y - part.window().y) + (wanted.x - part.window().x) * c,
                          all.row(wanted.y + y) + wanted.x * c, static_cast<std::size_t>(wanted.width * c)),
              0)
        << "row " << y << " of " << wanted.y << " " << wanted.x << " " << wanted.height << " " << wanted.width;
}

TEST(Decode, WindowsHaveThePixelsOfTheWholePicture) {
  const Size size{150, 203};
  for (const int sampling : {1, 2})
    for (const bool progressive : {false, true})
      for (const std::int64_t channels : {3, 1}) {
        const std::string file = large_jpeg(size, sampling, progressive);
        const Picture all = decode(bytes_of(file), channels);
        Decoder decoder(channels);
        for (const Window wanted : {Window{0, 0, 150, 203}, Window{0, 0, 1, 1}, Window{149, 202, 1, 1},
                                    Window{40, 50, 60, 70}, Window{63, 64, 17, 16}, Window{16, 100, 100, 103},
                                    Window{33, 0, 117, 33}, Window{100, 187, 50, 16}, Window{17, 31, 16, 2}})
          expect_window(decoder, file, all, wanted);
      }
}

TEST(Decode, NamesWhatIsNoJpegAndNoPng) {
  EXPECT_EQ(failure_of("").text, "is empty; JPEG and PNG are read");
  EXPECT_EQ(failure_of(test_file("picture.gif")).text, "is a GIF picture; JPEG and PNG are read");
  EXPECT_EQ(failure_of(test_file("picture.webp")).text, "is a WebP picture; JPEG and PNG are read");
  EXPECT_EQ(failure_of(test_file("picture.bmp")).text, "is a BMP picture; JPEG and PNG are read");
  EXPECT_EQ(failure_of(test_file("picture.tif")).text, "is a TIFF picture; JPEG and PNG are read");
  EXPECT_EQ(failure_of("hello").text, "begins with 68 65 6C 6C, as no picture does; JPEG and PNG are read");
  EXPECT_EQ(failure_of("hello").kind, Kind::kMalformed);
}

TEST(Decode, RefusesEveryCutOfAFile) {
  for (const std::string name : {"420.jpg", "grey.jpg", "progressive.jpg", "rgb.png", "interlaced.png"}) {
    const std::string file = test_file(name);
    const std::size_t all = file.size() - (name.ends_with(".png") ? 4 : 0);  // nothing is lost with the last checksum
    for (std::size_t size = 0; size < all; ++size)
      ASSERT_EQ(failure_of(std::string_view(file).substr(0, size)).kind, Kind::kMalformed) << name << " " << size;
  }
}

TEST(Decode, SeesThatAFileIsCutBehindTheWindow) {
  std::string file = large_jpeg({400, 300}, 2, false);
  file.resize(file.size() - 1000);
  Decoder decoder(3);
  decoder.open(bytes_of(file));
  Picture part;
  EXPECT_THROW(decoder.read({0, 0, 10, 10}, part), Error);
}

TEST(Decode, ReadsOnAfterABadFile) {
  const std::string good = test_file("420.jpg");
  Decoder decoder(3);
  Picture out;
  for (int i = 0; i < 3; ++i) {
    const std::string cut = good.substr(0, good.size() / 2);
    decoder.open(bytes_of(cut));
    EXPECT_THROW(decoder.read(whole(kSize), out), Error);
    EXPECT_THROW(decoder.open(bytes_of(good.substr(0, 30))), Error);
    decoder.open(bytes_of(good));
    decoder.open(bytes_of(good));  // opened, not read
    decoder.read(whole(kSize), out);
    EXPECT_EQ(distance(out, golden("420.jpg", kSize, 3)), 0);
  }
}

TEST(Decode, ToleratesStrayBytesBetweenMarkers) {
  std::string file = test_file("420.jpg");
  file.insert(20, std::string(5, '\x11'));  // behind the JFIF header
  EXPECT_EQ(distance(decode(bytes_of(file), 3), golden("420.jpg", kSize, 3)), 0);
}

TEST(Decode, RefusesTooManyPixelsBeforeItAllocates) {
  std::string jpeg = test_file("444.jpg");
  const std::size_t frame = jpeg.find("\xFF\xC0");
  jpeg.replace(frame + 5, 4, "\xFF\xDC\xFF\xDC");  // height and width 65500
  EXPECT_EQ(failure_of(jpeg).kind, Kind::kLimit);
  EXPECT_EQ(failure_of(jpeg).text, "65500 x 65500 pixels exceed the 100000000 of a picture");
  EXPECT_EQ(failure_of(test_file("rgb.png"), {std::size_t{1} << 20, 1000}).text,
            "61 x 47 pixels exceed the 1000 of a picture");
  EXPECT_EQ(failure_of(test_file("rgb.png"), {100, 100'000}).kind, Kind::kLimit);
}

TEST(Decode, RefusesAProgressiveFileOfThousandsOfScans) {
  std::string file = test_file("progressive.jpg");
  const std::size_t scan = file.find("\xFF\xDA");
  const std::size_t next = file.find("\xFF\xDA", scan + 2);
  const std::size_t tables = file.rfind("\xFF\xC4", next);  // the second scan's Huffman table
  const std::string once = file.substr(scan, std::min(tables, next) - scan);
  std::string many;
  for (int i = 0; i < 3000; ++i) many += once;
  const Message failure = failure_of(file.insert(scan, many));
  EXPECT_EQ(failure.kind, Kind::kLimit);
  EXPECT_EQ(failure.text, "damaged JPEG: more than 100 scans, too many for its size");
}

}  // namespace
}  // namespace clary::vision
