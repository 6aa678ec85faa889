// SPDX-License-Identifier: Apache-2.0
// A gzip member is a head, one deflate stream and a tail. Blocks of a deflate stream that end with Z_SYNC_FLUSH and
// look back at nothing before them may simply follow each other. Source: RFC 1951, RFC 1952; zlib.h.
#include "formats/gzip_writer.h"

#include <zlib.h>

#include <algorithm>
#include <future>
#include <string>
#include <thread>

#include "base/error.h"

namespace clary::formats {
namespace {

constexpr std::size_t kPieceBytes = 1 << 20;
constexpr std::size_t kSampleBytes = 1 << 14;
constexpr unsigned kMaxThreads = 4;  // a server packs beside its other work
// Runs and single bytes are taken when they come within 15 % of what matches reach: they are 3 to 10 times as fast.
constexpr std::size_t kRunsPercent = 115;
// What shrinks by less than 15 % is stored: random floats shrink by 8 %, and take six times as long both ways.
constexpr std::size_t kStoredPercent = 85;

constexpr std::string_view kHead{"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03", 10};  // deflate, no time, Unix
constexpr std::string_view kLastBlock{"\x03\x00", 2};                              // empty, and the final one

struct Method {
  int level, strategy;
};
constexpr Method kMatches{6, Z_DEFAULT_STRATEGY}, kRuns{1, Z_RLE}, kStored{0, Z_DEFAULT_STRATEGY};

struct Piece {
  std::string deflated;
  std::uint32_t crc = 0;
};

// Raw deflate (negative window bits): head and tail are written once for all pieces.
std::string deflated(std::span<const std::byte> bytes, const Method& method) {
  z_stream z{};
  // memLevel 9: the largest tables, for speed.
  if (deflateInit2(&z, method.level, Z_DEFLATED, -MAX_WBITS, 9, method.strategy) != Z_OK)
    throw Error(Kind::kInternal, "gzip: no memory");
  std::string out(deflateBound(&z, bytes.size()) + 16, '\0');  // 16: what Z_SYNC_FLUSH adds
  z.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  z.avail_in = static_cast<uInt>(bytes.size());
  z.next_out = reinterpret_cast<Bytef*>(out.data());
  z.avail_out = static_cast<uInt>(out.size());
  // Z_SYNC_FLUSH ends at a byte border without the final-block bit, so that pieces can follow each other.
  const int result = deflate(&z, Z_SYNC_FLUSH);
  const bool whole = result == Z_OK && z.avail_in == 0 && z.avail_out > 0;
  out.resize(z.total_out);
  deflateEnd(&z);
  if (!whole) throw Error(Kind::kInternal, "gzip: a piece did not fit its bound");
  return out;
}

/// Tries the middle of the piece.
/// The middle, because beginnings are often headers.
const Method& method_for(std::span<const std::byte> bytes) {
  const std::size_t size = std::min(bytes.size(), kSampleBytes);
  const auto sample = bytes.subspan((bytes.size() - size) / 2, size);
  const std::size_t runs = deflated(sample, kRuns).size(), matches = deflated(sample, kMatches).size();
  if (std::min(runs, matches) * 100 > size * kStoredPercent) return kStored;
  return runs * 100 <= matches * kRunsPercent ? kRuns : kMatches;
}

Piece compress(std::span<const std::byte> bytes) {
  const auto crc = crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size()));
  return {deflated(bytes, method_for(bytes)), static_cast<std::uint32_t>(crc)};
}

}  // namespace

GzipWriter::GzipWriter(Sink sink)
    : sink_(std::move(sink)), threads_(std::clamp(std::thread::hardware_concurrency(), 1U, kMaxThreads)) {
  put(kHead);
}

void GzipWriter::write(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    // Exactly threads_ pieces are collected: memory is bounded, and every call of compress_pending() uses all threads.
    const std::size_t taken = std::min(bytes.size(), threads_ * kPieceBytes - pending_.size());
    pending_.insert(pending_.end(), bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(taken));
    bytes = bytes.subspan(taken);
    if (pending_.size() == threads_ * kPieceBytes) compress_pending();
  }
}

// This thread compresses the first piece while the others run; results are written in order.
void GzipWriter::compress_pending() {
  const std::span<const std::byte> all = pending_;
  const auto piece = [&](std::size_t begin) { return all.subspan(begin, std::min(kPieceBytes, all.size() - begin)); };
  std::vector<std::future<Piece>> others;
  for (std::size_t begin = kPieceBytes; begin < all.size(); begin += kPieceBytes)
    // If this thread throws, the futures' destructors wait: `all` must not go away under them.
    others.push_back(std::async(std::launch::async, [part = piece(begin)] { return compress(part); }));
  const auto add = [&](const Piece& done, std::size_t size) {
    put(done.deflated);
    // The CRC of the whole from the pieces' CRCs and lengths.
    crc_ = static_cast<std::uint32_t>(crc32_combine(crc_, done.crc, static_cast<z_off_t>(size)));
  };
  if (!all.empty()) add(compress(piece(0)), piece(0).size());
  for (std::size_t i = 0; i < others.size(); ++i) add(others[i].get(), piece((i + 1) * kPieceBytes).size());
  bytes_ += all.size();
  pending_.clear();
}

void GzipWriter::finish() {
  compress_pending();
  // The empty final block closes the deflate stream that the pieces left open.
  std::string tail(kLastBlock);
  for (const auto value : {crc_, static_cast<std::uint32_t>(bytes_)})  // RFC 1952: the size mod 2^32
    for (int shift = 0; shift < 32; shift += 8) tail += static_cast<char>(value >> shift);
  put(tail);
}

}  // namespace clary::formats
