// SPDX-License-Identifier: Apache-2.0
// Unpacking: libarchive only parses; the files are made here, one path part at a time below a folder descriptor with
// O_NOFOLLOW, so that nothing an archive says (nor a link somebody plants meanwhile) leads outside.
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <span>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "formats/archive.h"

namespace clary::formats {
namespace {

constexpr std::size_t kMaxPathBytes = 4096;
constexpr std::size_t kMaxDepth = 64;
constexpr std::size_t kPageBytes = 4096;

struct ArchiveReaderFree {
  void operator()(::archive* a) const noexcept { archive_read_free(a); }
};

/// For messages: an entry's name is foreign text.
std::string shown_name(std::string_view name) {
  std::string out;
  for (const char c : name.substr(0, 200)) out += (c >= ' ' && c <= '~') ? c : '?';
  return out;
}

class Unpacker {
 public:
  Unpacker(const std::filesystem::path& path, const std::filesystem::path& folder, const UnpackLimits& limits)
      : name_(path.filename().string()),
        limits_(limits),
        root_(open_file(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)),
        file_(open_file(path, O_RDONLY | O_CLOEXEC)),
        archive_(archive_read_new()) {
    // Only tar and gzip: other formats and filters of libarchive would be attack surface without use.
    archive_read_support_format_tar(archive_.get());
    archive_read_support_filter_gzip(archive_.get());
    check(archive_read_open_fd(archive_.get(), file_.get(), 1 << 18));
  }

  void run() {
    archive_entry* entry = nullptr;
    for (std::uint64_t entries = 0;; ++entries) {
      const int result = archive_read_next_header(archive_.get(), &entry);
      if (result == ARCHIVE_EOF) break;
      check(result);
      // Bounds the number of files, which max_bytes does not.
      if (entries >= limits_.max_entries) {
        throw Error(Kind::kLimit, name_ + ": more than " + std::to_string(limits_.max_entries) + " entries");
      }
      unpack(entry);
    }
  }

 private:
  void unpack(archive_entry* entry) {
    const char* raw = archive_entry_pathname(entry);
    if (raw == nullptr) raw = archive_entry_pathname_utf8(entry);  // pax names under the C locale
    const std::string name = raw == nullptr ? "" : raw;
    const auto type = archive_entry_filetype(entry);
    // Hard links have the type of a regular file, hence the first test.
    if (archive_entry_hardlink(entry) != nullptr || (type != AE_IFREG && type != AE_IFDIR)) {
      refuse(name, "only files and folders are allowed, no links or devices");
    }
    const std::vector<std::string> parts = path_parts(name);
    // The root itself.
    if (parts.empty()) return;  // "./"
    UniqueFd folder = make_folders(parts, type == AE_IFDIR ? parts.size() : parts.size() - 1, name);
    if (type == AE_IFREG) write_file(folder, parts.back(), name, (archive_entry_perm(entry) & S_IXUSR) != 0);
  }

  std::vector<std::string> path_parts(const std::string& name) {
    if (name.empty() || name.size() > kMaxPathBytes) refuse(name, "the path is empty or longer than 4096 bytes");
    if (name.front() == '/') refuse(name, "absolute paths are not allowed");
    std::vector<std::string> parts;
    // A name like a//b or ./a is legal tar and means the same as a/b.
    for (const auto part : split(name, '/')) {
      if (part.empty() || part == ".") continue;
      if (part == "..") refuse(name, "\"..\" is not allowed");
      parts.emplace_back(part);
    }
    if (parts.size() > kMaxDepth) refuse(name, "folders nested deeper than 64");
    return parts;
  }

  UniqueFd make_folders(const std::vector<std::string>& parts, std::size_t count, const std::string& name) {
    // A duplicate of the root descriptor, so that `at` can be replaced on the way down.
    UniqueFd at(::openat(root_.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!at) throw_errno("unpack " + shown_name(name));
    for (std::size_t i = 0; i < count; ++i) {
      // An existing folder is no error; whether it is a folder is decided by the open below, which follows no link.
      if (::mkdirat(at.get(), parts[i].c_str(), 0755) != 0 && errno != EEXIST)
        throw_errno("unpack " + shown_name(name));
      UniqueFd next(::openat(at.get(), parts[i].c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
      if (!next && (errno == ENOTDIR || errno == ELOOP)) refuse(name, "a file is in the place of its folder");
      if (!next) throw_errno("unpack " + shown_name(name));
      at = std::move(next);
    }
    return at;
  }

  void write_file(const UniqueFd& folder, const std::string& part, const std::string& name, bool executable) {
    // O_EXCL: an entry cannot overwrite, or write through, what an earlier one made.
    const UniqueFd out(::openat(folder.get(), part.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
                                executable ? 0755 : 0644));
    if (!out && errno == EEXIST) refuse(name, "the name occurs twice or is there already");
    if (!out) throw_errno("unpack " + shown_name(name));
    // Holes and data go to the descriptor in order; finish() sets the size when the file ends in a hole.
    SparseWriter file(out.get(), "unpack " + shown_name(name));
    while (true) {
      const la_ssize_t got = archive_read_data(archive_.get(), buffer_.data(), buffer_.size());
      if (got < 0) check(static_cast<int>(got));
      if (got <= 0) break;
      // Counted as unpacked, not as announced: a few KB of gzip can hold gigabytes.
      bytes_ += static_cast<std::uint64_t>(got);
      if (bytes_ > limits_.max_bytes) {
        throw Error(Kind::kLimit, name_ + ": more than " + std::to_string(limits_.max_bytes) + " bytes unpacked");
      }
      write_pages(file, std::as_bytes(std::span(buffer_.data(), static_cast<std::size_t>(got))));
    }
    file.finish();
  }

  /// Pages of zeros become holes: tables of models are often mostly zero, and cost neither disk nor memory then.
  static void write_pages(SparseWriter& file, std::span<const std::byte> bytes) {
    while (!bytes.empty()) {
      const auto page = bytes.first(std::min(bytes.size(), kPageBytes));
      all_zero(page) ? file.zeros(page.size()) : file.write(page);
      bytes = bytes.subspan(page.size());
    }
  }

  void check(int result) {
    if (result >= ARCHIVE_WARN) return;
    const char* text = archive_error_string(archive_.get());
    throw Error(Kind::kMalformed,
                name_ + ": not a readable tar.gz archive: " + shown_name(text != nullptr ? text : "unknown error"));
  }

  [[noreturn]] void refuse(const std::string& entry, const std::string& rule) {
    throw Error(Kind::kMalformed, name_ + ": entry \"" + shown_name(entry) + "\": " + rule);
  }

  std::string name_;
  UnpackLimits limits_;
  UniqueFd root_;
  UniqueFd file_;
  std::unique_ptr<::archive, ArchiveReaderFree> archive_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  std::uint64_t bytes_ = 0;
};

}  // namespace

void unpack_tar_gz(const std::filesystem::path& archive, const std::filesystem::path& folder,
                   const UnpackLimits& limits) {
  Unpacker(archive, folder, limits).run();
}

}  // namespace clary::formats
