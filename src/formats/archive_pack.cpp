// SPDX-License-Identifier: Apache-2.0
// Packing walks with openat and O_NOFOLLOW: the folder is a user program's output, and a link planted in it must not
// make us read a file outside.
#include <archive.h>
#include <archive_entry.h>
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <exception>
#include <memory>

#include "base/error.h"
#include "base/files.h"
#include "formats/archive.h"
#include "formats/gzip_writer.h"

namespace clary::formats {
namespace {

constexpr int kMaxDepth = 64;

struct ArchiveWriterFree {
  void operator()(::archive* a) const noexcept { archive_write_free(a); }
};
struct EntryFree {
  void operator()(archive_entry* e) const noexcept { archive_entry_free(e); }
};
struct DirClose {
  void operator()(DIR* d) const noexcept { ::closedir(d); }
};

std::vector<std::string> sorted_names(int folder, const std::string& shown) {
  // A second descriptor: fdopendir() takes over the one it gets, and the caller's is still needed for openat().
  const int fd = ::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) throw_errno("read folder " + shown);
  std::unique_ptr<DIR, DirClose> dir(::fdopendir(fd));
  if (!dir) {
    ::close(fd);
    throw_errno("read folder " + shown);
  }
  std::vector<std::string> names;
  while (const dirent* entry = ::readdir(dir.get())) {
    const std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(name);
  }
  // Sorted: the same folder gives the same archive, byte for byte.
  std::sort(names.begin(), names.end());
  return names;
}

class Packer {
 public:
  explicit Packer(GzipWriter::Sink sink) : gzip_(std::move(sink)), archive_(archive_write_new()) {
    // GNU tar takes names and sizes of any length, and every tar reads it.
    check(archive_write_set_format_gnutar(archive_.get()));
    // No padding to tape blocks of 10 KiB.
    check(archive_write_set_bytes_per_block(archive_.get(), 0));
    check(archive_write_open(archive_.get(), this, nullptr, write_bytes, nullptr));
  }

  // Recursive, with one open descriptor per level: kMaxDepth bounds both.
  void pack_folder(int folder, const std::string& prefix, int depth) {
    if (depth > kMaxDepth) throw Error(Kind::kLimit, "pack " + prefix + ": folders nested deeper than 64");
    for (const std::string& name : sorted_names(folder, prefix.empty() ? "." : prefix)) {
      pack_entry(folder, name, prefix + name, depth);
    }
  }

  PackReport finish() {
    // libarchive writes the end of the archive here, through gzip_, which must be finished after it.
    check(archive_write_close(archive_.get()));
    gzip_.finish();
    return std::move(report_);
  }

 private:
  /// libarchive is C: what is thrown waits for check().
  static la_ssize_t write_bytes(::archive*, void* self, const void* bytes, std::size_t size) noexcept {
    auto& packer = *static_cast<Packer*>(self);
    try {
      packer.gzip_.write({static_cast<const std::byte*>(bytes), size});
      return static_cast<la_ssize_t>(size);
    } catch (...) {
      packer.error_ = std::current_exception();
      return -1;
    }
  }

  void pack_entry(int folder, const std::string& name, const std::string& shown, int depth) {
    struct stat before {};
    if (::fstatat(folder, name.c_str(), &before, AT_SYMLINK_NOFOLLOW) != 0) throw_errno("pack " + shown);
    // Links, sockets and devices are left out and reported; what is hard-linked is packed as two files.
    if (!S_ISREG(before.st_mode) && !S_ISDIR(before.st_mode)) {
      report_.left_out.push_back(shown);
      return;
    }
    // O_NONBLOCK: a FIFO put in the file's place meanwhile must not hang us.
    const UniqueFd fd(::openat(folder, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    // Once more by the descriptor: what was looked at by name may have been replaced since.
    if (!fd) throw_errno("pack " + shown);
    struct stat status {};
    if (::fstat(fd.get(), &status) != 0) throw_errno("pack " + shown);
    if (S_ISDIR(status.st_mode)) {
      write_header(shown + "/", AE_IFDIR, 0755, 0);
      pack_folder(fd.get(), shown + "/", depth + 1);
    } else if (S_ISREG(status.st_mode)) {
      write_header(shown, AE_IFREG, (status.st_mode & S_IXUSR) != 0 ? 0755 : 0644, status.st_size);
      write_content(fd.get(), shown, static_cast<std::uint64_t>(status.st_size));
      ++report_.files;
    } else {
      report_.left_out.push_back(shown);
    }
  }

  // Times, owners and most permission bits are fixed values, so that equal contents give equal archives.
  void write_header(const std::string& name, unsigned type, mode_t mode, std::int64_t size) {
    const std::unique_ptr<archive_entry, EntryFree> entry(archive_entry_new());
    archive_entry_copy_pathname(entry.get(), name.c_str());
    archive_entry_set_filetype(entry.get(), type);
    archive_entry_set_perm(entry.get(), mode);
    archive_entry_set_mtime(entry.get(), 0, 0);
    archive_entry_set_uid(entry.get(), 0);
    archive_entry_set_gid(entry.get(), 0);
    archive_entry_set_size(entry.get(), size);
    check(archive_write_header(archive_.get(), entry.get()));
  }

  // As many bytes as the header announced: a file that grows meanwhile is cut there, one that shrinks is an error.
  void write_content(int fd, const std::string& shown, std::uint64_t size) {
    for (std::uint64_t done = 0; done < size;) {
      const auto want = std::min<std::uint64_t>(buffer_.size(), size - done);
      const ssize_t got = ::read(fd, buffer_.data(), want);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) throw_errno("pack " + shown);
      if (got == 0) throw Error(Kind::kConflict, "pack " + shown + ": the file shrank while it was packed");
      if (archive_write_data(archive_.get(), buffer_.data(), static_cast<std::size_t>(got)) != got) fail();
      done += static_cast<std::uint64_t>(got);
    }
    report_.bytes += size;
  }

  // Warnings of libarchive (a name that the locale cannot express) are no failure.
  void check(int result) {
    if (result < ARCHIVE_WARN) fail();
  }

  [[noreturn]] void fail() {
    // The sink's own error (a full disk) says more than libarchive's "write failed".
    if (error_) std::rethrow_exception(error_);
    const char* text = archive_error_string(archive_.get());
    throw Error(Kind::kInternal, std::string("write the archive: ") + (text != nullptr ? text : "unknown error"));
  }

  GzipWriter gzip_;
  std::exception_ptr error_;  // of gzip_, on its way through libarchive
  std::unique_ptr<::archive, ArchiveWriterFree> archive_;
  std::vector<char> buffer_ = std::vector<char>(1 << 18);
  PackReport report_;
};

}  // namespace

PackReport pack_tar_gz(const std::filesystem::path& folder, const GzipWriter::Sink& sink) {
  const UniqueFd root = open_file(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  Packer packer(sink);
  packer.pack_folder(root.get(), "", 0);
  return packer.finish();
}

PackReport pack_tar_gz(const std::filesystem::path& folder, const std::filesystem::path& archive) {
  const UniqueFd file = open_file(archive, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC);
  return pack_tar_gz(folder, [&](std::span<const std::byte> bytes) { write_all(file.get(), bytes, archive.string()); });
}

}  // namespace clary::formats
