// SPDX-License-Identifier: Apache-2.0
#include "formats/byte_source.h"

#include <poll.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <vector>

#include "base/error.h"

namespace clary::formats {
namespace {

/// A descriptor whose first bytes may be looked at before they are read.
class FdSource : public ByteSource {
 public:
  FdSource(UniqueFd fd, std::string name, std::function<bool()> stopped)
      : fd_(std::move(fd)), name_(std::move(name)), stopped_(std::move(stopped)) {}

  std::size_t read(std::span<std::byte> bytes) override {
    if (!ahead_.empty()) {
      const std::size_t count = std::min(bytes.size(), ahead_.size());
      std::copy_n(ahead_.begin(), count, bytes.begin());
      ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(count));
      return count;
    }
    while (true) {
      if (stopped_) wait_for_bytes();
      const ssize_t got = ::read(fd_.get(), bytes.data(), bytes.size());
      if (got >= 0) return static_cast<std::size_t>(got);
      if (errno != EINTR) throw_errno("read " + name_);
    }
  }

  std::span<const std::byte> peek(std::size_t count) {
    while (ahead_.size() < count) {
      std::vector<std::byte> more(count - ahead_.size());
      std::vector<std::byte> kept = std::move(ahead_);
      ahead_.clear();
      const std::size_t got = read(more);
      ahead_ = std::move(kept);
      if (got == 0) break;
      ahead_.insert(ahead_.end(), more.begin(), more.begin() + static_cast<std::ptrdiff_t>(got));
    }
    return ahead_;
  }

 private:
  void wait_for_bytes() const {
    constexpr int kMillisecondsBetweenLooks = 100;
    pollfd waiting{fd_.get(), POLLIN, 0};
    do {
      if (stopped_()) throw Error(Kind::kCancelled, name_ + ": stopped while waiting for data");
    } while (::poll(&waiting, 1, kMillisecondsBetweenLooks) == 0);
  }

  UniqueFd fd_;
  std::string name_;
  std::function<bool()> stopped_;
  std::vector<std::byte> ahead_;
};

class GunzipSource : public ByteSource {
 public:
  GunzipSource(std::unique_ptr<ByteSource> in, std::string name) : in_(std::move(in)), name_(std::move(name)) {
    if (inflateInit2(&stream_, 15 + 16) != Z_OK) throw Error(Kind::kInternal, name_ + ": cannot start gunzip");
  }
  GunzipSource(const GunzipSource&) = delete;
  GunzipSource& operator=(const GunzipSource&) = delete;
  ~GunzipSource() override { inflateEnd(&stream_); }

  std::size_t read(std::span<std::byte> bytes) override {
    const auto room = static_cast<uInt>(std::min<std::size_t>(bytes.size(), 1U << 30));
    stream_.next_out = reinterpret_cast<Bytef*>(bytes.data());
    stream_.avail_out = room;
    while (stream_.avail_out == room && !ended_) step();
    return room - stream_.avail_out;
  }

 private:
  void step() {
    if (stream_.avail_in == 0 && !refill()) {
      if (in_member_) throw Error(Kind::kMalformed, name_ + ": the gzip data is cut");
      ended_ = true;
      return;
    }
    if (!in_member_ && !start_member()) return;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    if (result == Z_STREAM_END) {
      in_member_ = false;
      inflateReset(&stream_);
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      throw Error(Kind::kMalformed,
                  name_ + ": bad gzip data: " + (stream_.msg != nullptr ? stream_.msg : "unknown error"));
    }
  }

  /// Between members: zero padding (tape archives) is skipped, anything else must be a member.
  bool start_member() {
    while (!first_member_ && stream_.avail_in > 0 && *stream_.next_in == 0) {
      ++stream_.next_in;
      --stream_.avail_in;
    }
    if (stream_.avail_in == 0) return false;
    if (*stream_.next_in != 0x1F)
      throw Error(Kind::kMalformed, name_ + ": bytes after the gzip data that are not gzip");
    first_member_ = false;
    in_member_ = true;
    return true;
  }

  bool refill() {
    const std::size_t got = in_->read(buffer_);
    stream_.next_in = reinterpret_cast<Bytef*>(buffer_.data());
    stream_.avail_in = static_cast<uInt>(got);
    return got > 0;
  }

  std::unique_ptr<ByteSource> in_;
  std::string name_;
  std::vector<std::byte> buffer_ = std::vector<std::byte>(1 << 17);
  z_stream stream_{};
  bool in_member_ = false;
  bool first_member_ = true;
  bool ended_ = false;
};

}  // namespace

std::unique_ptr<ByteSource> open_bytes(UniqueFd fd, const std::string& name, std::function<bool()> stopped) {
  auto source = std::make_unique<FdSource>(std::move(fd), name, std::move(stopped));
  if (!is_gzip(source->peek(2))) return source;
  return std::make_unique<GunzipSource>(std::move(source), name);
}

}  // namespace clary::formats
