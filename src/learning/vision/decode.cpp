// SPDX-License-Identifier: Apache-2.0
#include "learning/vision/decode.h"

#include <fmt/format.h>
#include <spng.h>

#include <algorithm>
#include <cstring>
#include <string_view>

#include "base/error.h"
#include "learning/vision/colour.h"
#include "learning/vision/jpeg.h"

namespace clary::vision {
namespace {

using std::string_view_literals::operator""sv;

constexpr std::string_view kJpegStart = "\xFF\xD8\xFF";
constexpr std::string_view kPngStart = "\x89PNG\r\n\x1A\n";

/// Formats that users send by mistake, by their first bytes.
struct KnownFormat {
  std::string_view name, start;
};
constexpr KnownFormat kOthers[] = {{"GIF", "GIF8"},
                                   {"BMP", "BM"},
                                   {"TIFF", "II*\0"sv},
                                   {"TIFF", "MM\0*"sv},
                                   {"PDF", "%PDF"},
                                   {"JPEG XL", "\xFF\x0A"},
                                   {"JPEG 2000", "\0\0\0\x0CjP"sv}};

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

[[noreturn]] void fail_unknown(std::string_view bytes) {
  if (bytes.empty()) throw Error(Kind::kMalformed, "is empty; JPEG and PNG are read");
  std::string_view name;
  for (const KnownFormat& other : kOthers)
    if (bytes.starts_with(other.start)) name = other.name;
  if (bytes.starts_with("RIFF") && bytes.size() >= 12 && bytes.substr(8, 4) == "WEBP") name = "WebP";
  if (bytes.size() >= 12 && bytes.substr(4, 4) == "ftyp") name = "HEIC or AVIF";
  if (!name.empty()) throw Error(Kind::kMalformed, fmt::format("is a {} picture; JPEG and PNG are read", name));
  std::string first;
  for (const char c : bytes.substr(0, 4)) first += fmt::format(" {:02X}", static_cast<unsigned char>(c));
  throw Error(Kind::kMalformed, fmt::format("begins with{}, as no picture does; JPEG and PNG are read", first));
}

class PngReader {
 public:
  Size open(std::span<const std::byte> bytes) {
    context_.reset(spng_ctx_new(0));
    if (!context_) throw Error(Kind::kLimit, "no memory for a PNG decoder");
    constexpr std::size_t kMaxChunk = std::size_t{16} << 20, kMaxChunks = std::size_t{64} << 20;  // texts, profiles
    check(spng_set_chunk_limits(context_.get(), kMaxChunk, kMaxChunks));
    check(spng_set_png_buffer(context_.get(), bytes.data(), bytes.size()));
    spng_ihdr header{};
    check(spng_get_ihdr(context_.get(), &header));
    return {header.height, header.width};
  }

  void read(Size size, Picture& out) {
    Picture& colours = out.channels() == 3 ? out : colours_;
    colours.reshape(size, whole(size), 3);
    check(spng_decode_image(context_.get(), colours.row(0), colours.size_bytes(), SPNG_FMT_RGB8, 0));
    check(spng_decode_chunks(context_.get()));  // to the end, so that a cut file is seen
    context_.reset();
    if (&colours == &out) return;
    const std::uint8_t* rgb = colours.row(0);
    std::uint8_t* grey = out.row(0);
    for (std::size_t i = 0; i < out.size_bytes(); ++i, rgb += 3) grey[i] = luma(rgb[0], rgb[1], rgb[2]);
  }

 private:
  struct Free {
    void operator()(spng_ctx* context) const { spng_ctx_free(context); }
  };

  static void check(int result) {
    if (result != 0) throw Error(Kind::kMalformed, fmt::format("damaged PNG: {}", spng_strerror(result)));
  }

  std::unique_ptr<spng_ctx, Free> context_;
  Picture colours_;  // where grey is wanted
};

}  // namespace

struct Decoder::State {
  State(std::int64_t c, const DecodeLimits& l) : channels(c), limits(l) {}

  std::int64_t channels;
  DecodeLimits limits;
  JpegReader jpeg;
  PngReader png;
  bool is_png = false;
  Size size{};
};

Decoder::Decoder(std::int64_t channels, DecodeLimits limits) : state_(std::make_unique<State>(channels, limits)) {
  if (channels != 1 && channels != 3) throw Error(Kind::kInternal, "pictures have 1 or 3 channels");
}
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;
Decoder::~Decoder() = default;

Size Decoder::open(std::span<const std::byte> bytes) {
  State& s = *state_;
  if (!looks_like_picture(bytes)) fail_unknown(text_of(bytes));
  if (bytes.size() > s.limits.bytes)
    throw Error(Kind::kLimit, fmt::format("{} bytes exceed the {} of a picture", bytes.size(), s.limits.bytes));
  s.is_png = text_of(bytes).starts_with(kPngStart);
  s.size = s.is_png ? s.png.open(bytes) : s.jpeg.open(bytes, s.channels);
  if (s.size.height * s.size.width > s.limits.pixels)
    throw Error(Kind::kLimit,
                fmt::format("{} x {} pixels exceed the {} of a picture", s.size.width, s.size.height, s.limits.pixels));
  return s.size;
}

void Decoder::read(const Window& wanted, Picture& out) {
  State& s = *state_;
  if (!whole(s.size).holds(wanted) || wanted.height < 1 || wanted.width < 1)
    throw Error(Kind::kInternal, "a window outside the picture");
  if (!s.is_png) return s.jpeg.read(wanted, out);
  out.reshape(s.size, whole(s.size), s.channels);
  s.png.read(s.size, out);
}

Picture decode(std::span<const std::byte> bytes, std::int64_t channels, DecodeLimits limits) {
  Decoder decoder(channels, limits);
  const Size size = decoder.open(bytes);
  Picture out;
  decoder.read(whole(size), out);
  return out;
}

bool looks_like_picture(std::span<const std::byte> bytes) noexcept {
  return text_of(bytes).starts_with(kJpegStart) || text_of(bytes).starts_with(kPngStart);
}

}  // namespace clary::vision
