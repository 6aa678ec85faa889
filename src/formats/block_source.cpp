// SPDX-License-Identifier: Apache-2.0
#include "formats/block_source.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace clary::formats {
namespace {

constexpr std::size_t kBlockBytes = 1 << 20;

[[noreturn]] void fail_row_too_long(const std::string& name, std::uint64_t offset, const CutOptions& options) {
  throw Error(Kind::kLimit,
              fmt::format("{}: byte {}: a {} exceeds {} bytes", name, offset, options.unit, options.max_row_bytes));
}

/// The last, incomplete line with a newline after it, in memory of its own.
void add_newline(Block& block) {
  auto copy = std::make_shared<std::vector<std::byte>>(block.bytes.begin(), block.bytes.end());
  copy->push_back(std::byte{'\n'});
  block.bytes = *copy;
  block.owner = std::move(copy);
}

class SpanBlocks : public BlockSource {
 public:
  SpanBlocks(std::span<const std::byte> bytes, std::shared_ptr<const void> owner, const std::string& name,
             const CutOptions& options)
      : bytes_(bytes), owner_(std::move(owner)), name_(std::make_shared<const std::string>(name)), options_(options) {}

  bool next(Block& block) override {
    if (position_ == bytes_.size()) return false;
    const auto rest = bytes_.subspan(position_);
    // A mapped file that one thread decodes is one block.
    std::size_t size = options_.whole_when_mapped ? rest.size() : 0;
    // The window doubles until it holds a whole row, or the row is too long.
    for (std::size_t window = kBlockBytes; size == 0; window *= 2) {
      size = options_.cut(rest.first(std::min(window, rest.size())), kBlockBytes);
      if (window >= rest.size()) {
        if (size == 0 && rest.size() > options_.max_row_bytes) fail_row_too_long(*name_, position_, options_);
        break;
      }
      if (size == 0 && window > options_.max_row_bytes) fail_row_too_long(*name_, position_, options_);
    }
    // size 0: the last row has no end of line and is all that is left.
    block = Block{rest.first(size == 0 ? rest.size() : size), owner_, name_, position_, position_ == 0};
    // The next block begins where this one ends: blocks cover the bytes without gaps.
    position_ += block.bytes.size();
    if (size == 0 && options_.newline_at_end) add_newline(block);
    return true;
  }

 private:
  std::span<const std::byte> bytes_;
  std::shared_ptr<const void> owner_;
  std::shared_ptr<const std::string> name_;
  CutOptions options_;
  std::size_t position_ = 0;
};

class StreamBlocks : public BlockSource {
 public:
  StreamBlocks(std::unique_ptr<ByteSource> bytes, const std::string& name, const CutOptions& options)
      : bytes_(std::move(bytes)), name_(std::make_shared<const std::string>(name)), options_(options) {}

  bool next(Block& block) override {
    // A buffer for each block, as the one before may still be decoded by another thread.
    auto buffer = std::make_shared<std::vector<std::byte>>(std::move(rest_));
    rest_.clear();
    std::size_t size = 0;
    // Reads until the buffer holds at least one whole row.
    for (std::size_t wanted = kBlockBytes; size == 0; wanted *= 2) {
      read_until(*buffer, wanted);
      size = options_.cut(*buffer, kBlockBytes);
      if (ended_) break;
      if (size == 0 && buffer->size() > options_.max_row_bytes) fail_row_too_long(*name_, offset_, options_);
    }
    if (buffer->empty()) return false;
    // Neither a full row nor more bytes: the last row has no newline (or no padding).
    const bool cut_row = size == 0;  // at the end of the stream only
    if (cut_row) size = buffer->size();
    // The beginning of a row that is cut off here begins the next block.
    rest_.assign(buffer->begin() + static_cast<std::ptrdiff_t>(size), buffer->end());
    if (cut_row && options_.newline_at_end) buffer->push_back(std::byte{'\n'});
    buffer->resize(buffer->size() - rest_.size());
    // Shared: another thread may decode this block long after the next one was read.
    block = Block{*buffer, buffer, name_, offset_, offset_ == 0};
    offset_ += size;
    return true;
  }

 private:
  void read_until(std::vector<std::byte>& buffer, std::size_t wanted) {
    std::size_t have = buffer.size();
    // The rest of the block before may already be long enough.
    if (have >= wanted) return;
    buffer.resize(wanted);
    while (have < wanted && !ended_) {
      const std::size_t got = bytes_->read(std::span(buffer).subspan(have));
      have += got;
      ended_ = got == 0;
    }
    buffer.resize(have);
  }

  std::unique_ptr<ByteSource> bytes_;
  std::shared_ptr<const std::string> name_;
  CutOptions options_;
  std::vector<std::byte> rest_;
  std::uint64_t offset_ = 0;
  bool ended_ = false;
};

/// A whole file mapped read-only.
/// Files of a channel are immutable blobs, so that no truncation can cut the mapping short.
struct Mapping {
  void* address = MAP_FAILED;
  std::size_t size = 0;
  Mapping(int fd, std::size_t bytes, const std::string& name) : size(bytes) {
    address = ::mmap(nullptr, bytes, PROT_READ, MAP_PRIVATE, fd, 0);
    if (address == MAP_FAILED) throw_errno("map " + name);
    // Advice: read ahead, and drop pages that were read.
    ::madvise(address, bytes, MADV_SEQUENTIAL);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
  ~Mapping() { ::munmap(address, size); }
  std::span<const std::byte> bytes() const noexcept { return {static_cast<const std::byte*>(address), size}; }
};

class FileBlocks : public BlockSource {
 public:
  FileBlocks(std::vector<InputFile> files, const CutOptions& options) : files_(std::move(files)), options_(options) {}

  bool next(Block& block) override {
    while (true) {
      // A file without rows is passed over.
      if (current_ && current_->next(block)) return true;
      if (file_ == files_.size()) return false;
      current_ = open(files_[file_++]);
    }
  }

 private:
  std::unique_ptr<BlockSource> open(const InputFile& file) const {
    const std::string name = file.name.empty() ? file.path.filename().string() : file.name;
    UniqueFd fd = open_file(file.path, O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw_errno("stat " + name);
    // Pipes and devices cannot be mapped.
    if (!S_ISREG(status.st_mode)) return stream_blocks(open_bytes(std::move(fd), name), name, options_);
    if (status.st_size == 0) return nullptr;
    // The blocks own the mapping, and with it the file's pages, as long as they are used.
    auto mapping = std::make_shared<Mapping>(fd.get(), static_cast<std::size_t>(status.st_size), name);
    if (is_gzip(mapping->bytes())) return stream_blocks(open_bytes(std::move(fd), name), name, options_);
    const auto bytes = mapping->bytes();
    return std::make_unique<SpanBlocks>(bytes, std::move(mapping), name, options_);
  }

  std::vector<InputFile> files_;
  CutOptions options_;
  std::size_t file_ = 0;
  std::unique_ptr<BlockSource> current_;
};

}  // namespace

std::unique_ptr<BlockSource> stream_blocks(std::unique_ptr<ByteSource> bytes, const std::string& name,
                                           const CutOptions& options) {
  return std::make_unique<StreamBlocks>(std::move(bytes), name, options);
}

std::unique_ptr<BlockSource> file_blocks(std::vector<InputFile> files, const CutOptions& options) {
  return std::make_unique<FileBlocks>(std::move(files), options);
}

std::unique_ptr<BlockSource> memory_blocks(std::span<const std::byte> bytes, const std::string& name,
                                           const CutOptions& options) {
  return std::make_unique<SpanBlocks>(bytes, nullptr, name, options);
}

}  // namespace clary::formats
