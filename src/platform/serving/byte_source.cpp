// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/byte_source.h"

#include <fcntl.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "base/error.h"
#include "base/files.h"

namespace clary::serving {
namespace {

class FileSource final : public ByteSource {
 public:
  explicit FileSource(const std::filesystem::path& path) : path_(path), fd_(open_file(path, O_RDONLY | O_CLOEXEC)) {}

  std::size_t read(std::span<char> out) override {
    for (;;) {
      const ssize_t got = ::read(fd_.get(), out.data(), out.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw_errno("read " + path_.string());
    }
  }

 private:
  std::filesystem::path path_;
  UniqueFd fd_;
};

class TextSource final : public ByteSource {
 public:
  explicit TextSource(std::string_view text) : rest_(text) {}

  std::size_t read(std::span<char> out) override {
    const std::size_t n = std::min(out.size(), rest_.size());
    std::memcpy(out.data(), rest_.data(), n);
    rest_.remove_prefix(n);
    return n;
  }

 private:
  std::string_view rest_;
};

class GzipSource final : public ByteSource {
 public:
  explicit GzipSource(std::unique_ptr<ByteSource> compressed) : compressed_(std::move(compressed)) {
    // 16 + MAX_WBITS: a gzip header and trailer are required, and zlib checks the CRC-32 and the length of each
    // member.
    if (inflateInit2(&stream_, 16 + MAX_WBITS) != Z_OK) throw Error(Kind::kInternal, "zlib: inflateInit2 failed");
  }
  GzipSource(const GzipSource&) = delete;
  GzipSource& operator=(const GzipSource&) = delete;
  ~GzipSource() override { inflateEnd(&stream_); }

  std::size_t read(std::span<char> out) override {
    stream_.next_out = reinterpret_cast<Bytef*>(out.data());
    // zlib counts in 32 bits; a larger buffer is filled by several calls, which read() permits.
    stream_.avail_out = static_cast<uInt>(std::min<std::size_t>(out.size(), 1U << 30));
    const uInt room = stream_.avail_out;
    // Runs until at least one byte is produced: returning 0 would mean the end of the object.
    while (stream_.avail_out == room) {
      if (stream_.avail_in == 0 && !refill()) break;
      if (between_members_) {
        inflateReset(&stream_);
        between_members_ = false;
      }
      const int rc = inflate(&stream_, Z_NO_FLUSH);
      if (rc == Z_STREAM_END) {
        between_members_ = true;
      } else if (rc != Z_OK && rc != Z_BUF_ERROR) {
        // Z_BUF_ERROR only means that this input is used up; refill() decides whether the file was cut. A gzip file may
        // consist of several members (RFC 1952 section 2.2); `gzip -c a b` and bgzip write such files.
        throw Error(Kind::kMalformed,
                    std::string("not valid gzip data: ") + (stream_.msg ? stream_.msg : "bad stream"));
      }
    }
    return room - stream_.avail_out;
  }

 private:
  bool refill() {
    const std::size_t got = compressed_->read(input_);
    // End of the file is legal only between two members. Before the first byte `between_members_` is false, so that an
    // empty file is an error, as gunzip reports it too.
    if (got == 0 && !between_members_) throw Error(Kind::kMalformed, "gzip data ends in the middle of a member");
    stream_.next_in = reinterpret_cast<Bytef*>(input_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  std::unique_ptr<ByteSource> compressed_;
  z_stream stream_{};
  bool between_members_ = false;
  std::array<char, 64 * 1024> input_;
};

}  // namespace

std::unique_ptr<ByteSource> open_plain(const std::filesystem::path& path) { return std::make_unique<FileSource>(path); }

std::unique_ptr<ByteSource> open_gzip(const std::filesystem::path& path) { return gunzip(open_plain(path)); }

std::unique_ptr<ByteSource> open_text(std::string_view text) { return std::make_unique<TextSource>(text); }

std::unique_ptr<ByteSource> gunzip(std::unique_ptr<ByteSource> compressed) {
  return std::make_unique<GzipSource>(std::move(compressed));
}

}  // namespace clary::serving
