// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/data/text_source.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <mutex>
#include <optional>

#include "algorithms/blazingtext/data/ngrams.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext {
namespace {

/// A newline this near is preferred to the next blank as the end of a block.
constexpr std::size_t kNearNewline = 64 << 10;
constexpr std::size_t kLookAhead = 4 << 10;

[[noreturn]] void line_too_long(const std::string& name, std::uint64_t offset) {
  throw Error(Kind::kMalformed, name + ": the line at byte " + std::to_string(offset) + " is longer than " +
                                    std::to_string(kMaxLineBytes) + " bytes");
}

[[noreturn]] void token_too_long(const std::string& name, std::uint64_t offset) {
  throw Error(Kind::kMalformed, name + ": no blank in the " + std::to_string(kMaxTokenBytes) + " bytes after byte " +
                                    std::to_string(offset) + "; words must be separated by blanks");
}

/// Where a block that would end at text[0] may end: after a newline, or after a separator when lines may be cut and
/// none is near. Nothing: more text is needed.
std::optional<std::size_t> cut_after(std::string_view text, bool whole_lines) {
  const std::size_t newline = text.substr(0, whole_lines ? text.size() : kNearNewline).find('\n');
  if (newline != std::string_view::npos) return newline + 1;
  if (whole_lines || text.size() < kNearNewline) return std::nullopt;
  const auto blank = std::find_if(text.begin(), text.end(), is_separator);
  if (blank == text.end()) return std::nullopt;
  return static_cast<std::size_t>(blank - text.begin()) + 1;
}

/// A regular file whose blocks are read independently: both neighbours of a border find the same place for it.
class File {
 public:
  File(const formats::InputFile& file, const TextOptions& options)
      : name_(file.name.empty() ? file.path.filename().string() : file.name),
        fd_(open_file(file.path, O_RDONLY | O_CLOEXEC)),
        options_(options) {
    struct stat status {};
    if (fstat(fd_.get(), &status) != 0) throw_errno("stat " + name_);
    size_ = static_cast<std::uint64_t>(status.st_size);
    // Advice only; errors do not matter.
    ::posix_fadvise(fd_.get(), 0, 0, POSIX_FADV_SEQUENTIAL);
    char head[2] = {};
    gzip_ = size_ >= 2 && read(head, 2, 0) == 2 && formats::is_gzip(std::as_bytes(std::span(head)));
  }

  bool is_gzip() const { return gzip_; }
  const std::string& name() const { return name_; }
  std::unique_ptr<formats::ByteSource> stream() { return formats::open_bytes(std::move(fd_), name_); }
  std::uint64_t blocks() const { return (size_ + options_.block_bytes - 1) / options_.block_bytes; }

  bool load(std::uint64_t block, TextBlock& out) const {
    // Borders are a function of the file and of the nominal place, so that the threads (and hosts) that load
    // neighbouring blocks agree without talking.
    const std::uint64_t begin = border(block * options_.block_bytes);
    const std::uint64_t end = border((block + 1) * options_.block_bytes);
    // The whole block lies before the end of a longer line.
    if (begin >= end) return false;
    char* to = out.resize(end - begin);
    if (read(to, end - begin, begin) != end - begin) throw Error(Kind::kMalformed, name_ + ": the file became shorter");
    out.file = name_;
    out.offset = begin;
    return true;
  }

 private:
  /// First place at or after `nominal` where the text may be cut.
  std::uint64_t border(std::uint64_t nominal) const {
    if (nominal == 0) return 0;
    if (nominal >= size_) return size_;
    // One byte back: a newline right before the nominal place is a border there.
    const std::uint64_t from = nominal - 1;
    std::string text;
    for (std::size_t want = kLookAhead;; want *= 4) {
      const std::size_t had = text.size();
      text.resize(want);
      text.resize(had + read(text.data() + had, want - had, from + had));
      if (const auto cut = cut_after(text, options_.whole_lines)) return from + *cut;
      if (from + text.size() >= size_) return size_;
      if (!options_.whole_lines && text.size() > kNearNewline + kMaxTokenBytes) token_too_long(name_, nominal);
      if (text.size() > kMaxLineBytes) line_too_long(name_, nominal);
    }
  }

  std::size_t read(char* to, std::size_t size, std::uint64_t at) const {
    std::size_t done = 0;
    while (done < size) {
      const ssize_t got = ::pread(fd_.get(), to + done, size - done, static_cast<off_t>(at + done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_errno("read " + name_);
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  std::string name_;
  UniqueFd fd_;
  TextOptions options_;
  std::uint64_t size_ = 0;
  bool gzip_ = false;
};

class FileSource : public TextSource {
 public:
  FileSource(const std::vector<formats::InputFile>& files, const TextOptions& options) {
    for (const auto& file : files) files_.push_back(std::make_unique<File>(file, options));
    std::uint64_t total = 0;
    for (const auto& file : files_) ends_.push_back(total += file->blocks());
    const auto border = [&](int part) {
      return total * static_cast<std::uint64_t>(part) / static_cast<std::uint64_t>(options.parts);
    };
    // Part p of the hosts owns a contiguous range of blocks.
    next_.store(border(options.part));
    end_ = border(options.part + 1);
  }

  bool has_gzip() const {
    return std::any_of(files_.begin(), files_.end(), [](const auto& file) { return file->is_gzip(); });
  }
  std::vector<std::unique_ptr<File>> take_files() { return std::move(files_); }

  bool next(TextBlock& out) override {
    for (;;) {
      // Relaxed: the counter only hands out numbers.
      const std::uint64_t block = next_.fetch_add(1, std::memory_order_relaxed);
      if (block >= end_) return false;
      const auto at = static_cast<std::size_t>(std::upper_bound(ends_.begin(), ends_.end(), block) - ends_.begin());
      if (files_[at]->load(block - (at == 0 ? 0 : ends_[at - 1]), out)) return true;
    }
  }

 private:
  std::vector<std::unique_ptr<File>> files_;
  std::vector<std::uint64_t> ends_;  // of each file, in blocks of all files
  std::atomic<std::uint64_t> next_{0};
  std::uint64_t end_ = 0;
};

class StreamSource : public TextSource {
 public:
  struct Stream {
    std::unique_ptr<formats::ByteSource> bytes;
    std::string name;
  };
  StreamSource(std::vector<Stream> streams, const TextOptions& options)
      : streams_(std::move(streams)), options_(options) {}

  bool next(TextBlock& out) override {
    // One thread at a time reads and cuts the stream; parsing is parallel.
    const std::lock_guard lock(mutex_);
    while (cut(out)) {
      // Every host reads the whole stream and keeps its part of the blocks.
      if (static_cast<int>(count_++ % static_cast<std::uint64_t>(options_.parts)) == options_.part) return true;
    }
    return false;
  }

 private:
  /// The next block of all hosts.
  bool cut(TextBlock& out) {
    while (at_ < streams_.size()) {
      const std::size_t end = fill();
      if (end > 0) {
        std::memcpy(out.resize(end), buffer_.data(), end);
        out.file = streams_[at_].name;
        out.offset = offset_;
        offset_ += end;
        buffer_.erase(0, end);
        return true;
      }
      ++at_;
      offset_ = 0;
      ended_ = false;
    }
    return false;
  }

  /// Reads until the buffer has a place to cut. @return bytes up to it; 0 at the end of the stream
  std::size_t fill() {
    for (;;) {
      if (buffer_.size() > options_.block_bytes) {
        const std::string_view rest = std::string_view(buffer_).substr(options_.block_bytes - 1);
        if (const auto end = cut_after(rest, options_.whole_lines)) return options_.block_bytes - 1 + *end;
        if (!options_.whole_lines && rest.size() > kNearNewline + kMaxTokenBytes) token_too_long(name(), offset_);
        if (rest.size() > kMaxLineBytes) line_too_long(name(), offset_);
      }
      if (ended_) return buffer_.size();
      const std::size_t had = buffer_.size();
      // Grows with the buffer, so that long lines take a number of reads that is logarithmic.
      buffer_.resize(had + std::max(options_.block_bytes, had / 2));
      const std::size_t got = streams_[at_].bytes->read(std::as_writable_bytes(std::span(buffer_).subspan(had)));
      buffer_.resize(had + got);
      ended_ = got == 0;
    }
  }
  const std::string& name() const { return streams_[at_].name; }

  std::mutex mutex_;  // guards all below
  std::vector<Stream> streams_;
  TextOptions options_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::uint64_t offset_ = 0;  // of buffer_ in the stream
  std::uint64_t count_ = 0;   // of blocks
  bool ended_ = false;
};

}  // namespace

char* TextBlock::resize(std::size_t size) {
  // Vector code may read this much beyond the text. Blanks, so that a token ends there.
  if (bytes_.size() < size + kTextPadding) bytes_.resize(size + kTextPadding);
  size_ = size;
  std::memset(bytes_.data() + size, ' ', kTextPadding);
  return bytes_.data();
}

std::unique_ptr<TextSource> open_text(std::vector<formats::InputFile> files, const TextOptions& options) {
  auto source = std::make_unique<FileSource>(files, options);
  // gzip cannot be read from the middle: then all files are streams, in order.
  if (!source->has_gzip()) return source;
  std::vector<StreamSource::Stream> streams;
  for (auto& file : source->take_files()) streams.push_back({file->stream(), file->name()});
  return std::make_unique<StreamSource>(std::move(streams), options);
}

std::unique_ptr<TextSource> open_text(std::unique_ptr<formats::ByteSource> bytes, std::string name,
                                      const TextOptions& options) {
  std::vector<StreamSource::Stream> streams;
  streams.push_back({std::move(bytes), std::move(name)});
  return std::make_unique<StreamSource>(std::move(streams), options);
}

}  // namespace clary::blazingtext
