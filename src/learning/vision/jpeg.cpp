// SPDX-License-Identifier: Apache-2.0
#include "learning/vision/jpeg.h"

#include <csetjmp>
#include <cstdint>
#include <cstdio>
// after <cstdio>, which it needs
#include <jpeglib.h>
// after jpeglib.h
#include <jerror.h>

#include <algorithm>
#include <string>
#include <vector>

#include "base/error.h"
#include "learning/vision/colour.h"

namespace clary::vision {
namespace {

// A progressive JPEG of a few kilobytes can ask for thousands of passes over all its pixels. Encoders write about ten.
constexpr int kMaxScans = 100;
constexpr std::int64_t kMaxScannedPixels = 2'000'000'000;

/// What libjpeg's callbacks see; it does not unwind the stack, so they leave by longjmp.
struct Callbacks {
  jpeg_error_mgr errors;
  jpeg_progress_mgr progress;
  std::jmp_buf on_error;
  char message[JMSG_LENGTH_MAX];
  bool limit;  // the error is one of Clary's limits
};

[[noreturn]] void leave(Callbacks& callbacks) { std::longjmp(callbacks.on_error, 1); }

void on_error(j_common_ptr common) {
  auto& callbacks = *static_cast<Callbacks*>(common->client_data);
  callbacks.errors.format_message(common, callbacks.message);
  leave(callbacks);
}

/// Warnings are survived, as OpenCV and browsers do (stray bytes between markers are common), except the end of the
/// data before the end of the picture, from where on all would be grey.
void on_message(j_common_ptr common, int level) {
  if (level < 0 && common->err->msg_code == JWRN_JPEG_EOF) {
    auto& callbacks = *static_cast<Callbacks*>(common->client_data);
    std::snprintf(callbacks.message, sizeof callbacks.message, "the data ends before the picture does");
    leave(callbacks);
  }
}

void on_progress(j_common_ptr common) {
  if (common->is_decompressor == FALSE) return;
  const auto& jpeg = *reinterpret_cast<j_decompress_ptr>(common);
  const std::int64_t pixels = std::int64_t{jpeg.image_width} * jpeg.image_height;
  if (jpeg.input_scan_number <= kMaxScans && jpeg.input_scan_number * pixels <= kMaxScannedPixels) return;
  auto& callbacks = *static_cast<Callbacks*>(common->client_data);
  callbacks.limit = true;
  std::snprintf(callbacks.message, sizeof callbacks.message, "more than %d scans, too many for its size",
                jpeg.input_scan_number - 1);
  leave(callbacks);
}

bool ends_with_marker(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[bytes.size() - 2] == std::byte{0xFF} && bytes.back() == std::byte{JPEG_EOI};
}

}  // namespace

struct JpegReader::State {
  jpeg_decompress_struct jpeg{};
  Callbacks callbacks{};
  std::int64_t channels = 0;
  bool complete = false;                // the last bytes are the end marker: what is not decoded needs no look
  std::vector<std::uint8_t> spare_row;  // of CMYK, or of what is read and not wanted

  State() {
    jpeg.err = jpeg_std_error(&callbacks.errors);
    callbacks.errors.error_exit = on_error;
    callbacks.errors.emit_message = on_message;
    callbacks.progress.progress_monitor = on_progress;
    jpeg.client_data = &callbacks;
    guarded([this] { jpeg_create_decompress(&jpeg); });
    jpeg.progress = &callbacks.progress;
  }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { jpeg_destroy_decompress(&jpeg); }

  /// Calls f, which may have no object with a destructor alive where it calls libjpeg: an error jumps out of it.
  template <class F>
  void guarded(F f) {
    callbacks.limit = false;
    if (setjmp(callbacks.on_error) != 0) fail();
    f();
  }

  [[noreturn]] void fail() {
    jpeg_abort_decompress(&jpeg);
    throw Error(callbacks.limit ? Kind::kLimit : Kind::kMalformed, std::string("damaged JPEG: ") + callbacks.message);
  }

  void choose_colours() {
    const bool four = jpeg.jpeg_color_space == JCS_CMYK || jpeg.jpeg_color_space == JCS_YCCK;
    const bool other = jpeg.jpeg_color_space == JCS_UNKNOWN;
    if (four) {
      jpeg.out_color_space = JCS_CMYK;
    } else if (!other) {
      jpeg.out_color_space = channels == 3 ? JCS_RGB : JCS_GRAYSCALE;
    }
  }

  /// Columns and rows around `wanted` that are decoded: whole blocks, and one more on each side, because smooth
  /// upsampling of colour looks at neighbours. @return the window that is there
  Window start(const Window& wanted) {
    jpeg_start_decompress(&jpeg);
    const auto block_width = static_cast<std::int64_t>(jpeg.max_h_samp_factor * DCTSIZE);
    const auto block_height = static_cast<std::int64_t>(jpeg.max_v_samp_factor * DCTSIZE);
    Window got{0, 0, jpeg.output_height, jpeg.output_width};
    const std::int64_t left = std::max<std::int64_t>(wanted.x - block_width, 0);
    const std::int64_t right = std::min(wanted.x + wanted.width + block_width, got.width);
    if (left >= block_width || right <= got.width - block_width) {
      auto x = static_cast<JDIMENSION>(left), width = static_cast<JDIMENSION>(right - left);
      jpeg_crop_scanline(&jpeg, &x, &width);
      got.x = x;
      got.width = width;
    }
    got.y = std::max<std::int64_t>(wanted.y - block_height, 0) / block_height * block_height;
    got.height = wanted.y + wanted.height - got.y;
    if (got.y > 0) jpeg_skip_scanlines(&jpeg, static_cast<JDIMENSION>(got.y));
    return got;
  }

  void read_rows(Picture& out) {
    const bool four = jpeg.out_color_space == JCS_CMYK;
    for (std::int64_t y = 0; y < out.height(); ++y) {
      JSAMPROW row = four ? spare_row.data() : out.row(y);
      jpeg_read_scanlines(&jpeg, &row, 1);
      if (four) cmyk_to_pixels(spare_row.data(), out.row(y), out.width(), out.channels());
    }
  }

  /// The rest of the data is looked at only for whether it is all there. Skipping to the very end would not even do
  /// that: the last row is read.
  void finish() {
    const JDIMENSION left = jpeg.output_height - jpeg.output_scanline;
    if (!complete && left > 0) {
      if (left > 1) jpeg_skip_scanlines(&jpeg, left - 1);
      JSAMPROW row = spare_row.data();
      jpeg_read_scanlines(&jpeg, &row, 1);
    }
    jpeg_abort_decompress(&jpeg);
  }
};

JpegReader::JpegReader() : state_(std::make_unique<State>()) {}
JpegReader::~JpegReader() = default;

Size JpegReader::open(std::span<const std::byte> bytes, std::int64_t channels) {
  State& s = *state_;
  s.channels = channels;
  s.complete = ends_with_marker(bytes);
  jpeg_abort_decompress(&s.jpeg);  // of a picture that was opened, but not read
  s.guarded([&s, bytes] {
    jpeg_mem_src(&s.jpeg, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
    jpeg_read_header(&s.jpeg, TRUE);
    s.choose_colours();
  });
  if (s.jpeg.jpeg_color_space == JCS_UNKNOWN)
    throw Error(Kind::kMalformed, "the JPEG has " + std::to_string(s.jpeg.num_components) +
                                      " components of unknown meaning; grey, RGB and CMYK are read");
  return {s.jpeg.image_height, s.jpeg.image_width};
}

void JpegReader::read(const Window& wanted, Picture& out) {
  State& s = *state_;
  Window got;
  s.guarded([&] { got = s.start(wanted); });
  out.reshape({s.jpeg.image_height, s.jpeg.image_width}, got, s.channels);
  s.spare_row.resize(static_cast<std::size_t>(got.width) * 4);
  s.guarded([&] {
    s.read_rows(out);
    s.finish();
  });
}

}  // namespace clary::vision
