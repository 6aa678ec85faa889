// SPDX-License-Identifier: Apache-2.0
#include "base/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <cstring>

#include "base/error.h"
#include "base/ids.h"
#include "base/text.h"

namespace clary {

namespace fs = std::filesystem;

void UniqueFd::reset(int fd) noexcept {
  if (fd_ >= 0) ::close(fd_);
  fd_ = fd;
}

UniqueFd open_file(const fs::path& path, int flags, unsigned mode) {
  UniqueFd fd(::open(path.c_str(), flags | O_CLOEXEC, mode));
  if (!fd) throw_errno(path.string());
  return fd;
}

// The limit is on what is read, not on the size that stat() reports: the file may grow, and files of /proc report 0.
std::string read_file(const fs::path& path, std::uint64_t max_bytes) {
  const UniqueFd fd = open_file(path, O_RDONLY);
  std::string text;
  char buffer[1 << 16];
  for (;;) {
    const ssize_t n = ::read(fd.get(), buffer, sizeof buffer);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("read " + path.string());
    if (n == 0) return text;
    if (text.size() + static_cast<std::size_t>(n) > max_bytes)
      throw Error(Kind::kLimit, path.string() + " is larger than " + std::to_string(max_bytes) + " bytes");
    text.append(buffer, static_cast<std::size_t>(n));
  }
}

void write_all(int fd, std::span<const std::byte> bytes, const std::string& what) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("write " + what);
    bytes = bytes.subspan(static_cast<std::size_t>(n));
  }
}

bool all_zero(std::span<const std::byte> bytes) {
  // Equal to itself moved by one, and the first is zero: memcmp's vectors do the rest.
  return bytes.empty() ||
         (bytes[0] == std::byte{0} && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

void SparseWriter::write(std::span<const std::byte> bytes) {
  constexpr std::size_t kBuffer = 1 << 20;
  if (zeros_ > 0) write_zeros();
  if (buffer_.size() + bytes.size() > kBuffer) flush();
  // Large blocks bypass the buffer (which flush() has emptied).
  if (bytes.size() > kBuffer) return write_all(fd_, bytes, what_);
  buffer_.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

void SparseWriter::write_zeros() {
  constexpr std::uint64_t kHole =
      64 << 10;  // shorter runs are written: a hole begins and ends at a file system's block
  const std::uint64_t count = std::exchange(zeros_, 0);
  if (count < kHole) return buffer_.append(count, '\0'), void();
  flush();
  if (::lseek(fd_, static_cast<off_t>(count), SEEK_CUR) < 0) throw_errno("write " + what_);
}

void SparseWriter::flush() {
  write_all(fd_, buffer_, what_);
  buffer_.clear();
}

// ftruncate() gives the file its length if it ends in a hole: a seek alone does not.
void SparseWriter::finish() {
  flush();
  const off_t end = ::lseek(fd_, static_cast<off_t>(zeros_), SEEK_CUR);
  if (end < 0 || ::ftruncate(fd_, end) != 0) throw_errno("write " + what_);
}

namespace {

// The temporary file lies in the same folder, since rename() cannot cross file systems. A reader sees the old content
// or the new one, never a part. Durable: fsync() of the file before the rename, so that the new name never refers to
// missing bytes after a power cut, and of the folder after it, so that the name itself stays.
void replace_file(const fs::path& path, std::string_view text, unsigned mode, bool durable) {
  const fs::path temporary = path.string() + ".tmp-" + random_hex(8);
  try {
    UniqueFd fd = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, mode);
    write_all(fd.get(), text, temporary.string());
    if (durable && ::fsync(fd.get()) != 0) throw_errno("fsync " + temporary.string());
    // Closed before the rename: no descriptor of this process writes to the published file.
    fd.reset();
    if (::rename(temporary.c_str(), path.c_str()) != 0) throw_errno("rename to " + path.string());
  } catch (...) {
    ::unlink(temporary.c_str());
    throw;
  }
  if (durable) fsync_folder(path.has_parent_path() ? path.parent_path() : fs::path("."));
}

}  // namespace

void write_file_durably(const fs::path& path, std::string_view text, unsigned mode) {
  replace_file(path, text, mode, true);
}

void write_file_atomically(const fs::path& path, std::string_view text, unsigned mode) {
  replace_file(path, text, mode, false);
}

// Keys of objects become paths here: every component is checked, so that none leaves the folder.
std::filesystem::path place_in(const std::filesystem::path& folder, std::string_view relative) {
  const std::string name(relative);
  for (const std::string_view part : split(relative, '/'))
    if (part == ".." || part == "." || part.empty() || part.size() > NAME_MAX ||
        part.find('\0') != std::string_view::npos)
      throw Error(Kind::kInvalid, "\"" + name + "\" cannot be a file name");
  std::filesystem::path place = folder / name;
  std::error_code failed;
  std::filesystem::create_directories(place.parent_path(), failed);
  if (failed) throw Error(Kind::kInvalid, "\"" + name + "\" lies below another file");
  return place;
}

void fsync_folder(const fs::path& folder) {
  const UniqueFd fd = open_file(folder, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0) throw_errno("fsync " + folder.string());
}

TemporaryFolder::TemporaryFolder(const fs::path& parent) {
  std::string pattern = (parent / "clary-XXXXXX").string();
  if (::mkdtemp(pattern.data()) == nullptr) throw_errno("mkdtemp " + pattern);
  path_ = pattern;
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  fs::remove_all(path_, ignored);
}

}  // namespace clary
