// SPDX-License-Identifier: Apache-2.0
// Files and descriptors. "Durable" here means: the bytes and the directory entry were fsynced before the call returned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <utility>

namespace clary {

/// Owns a file descriptor; -1 is "none".
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) noexcept : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    reset(std::exchange(other.fd_, -1));
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset(int fd = -1) noexcept;

 private:
  int fd_ = -1;
};

/// @throws Error (throw_errno) naming the path
UniqueFd open_file(const std::filesystem::path& path, int flags, unsigned mode = 0644);

/// Whole file as text. @throws Error{kNotFound}; Error{kLimit} when larger than max_bytes
std::string read_file(const std::filesystem::path& path, std::uint64_t max_bytes = 1ULL << 30);

void write_all(int fd, std::span<const std::byte> bytes, const std::string& what);
inline void write_all(int fd, std::string_view text, const std::string& what) {
  write_all(fd, std::as_bytes(std::span(text)), what);
}

/// Whether every byte is zero.
bool all_zero(std::span<const std::byte> bytes);

/// Writes a new file from its start. Long runs of zeros become holes, which take neither time nor room on the disk.
class SparseWriter {
 public:
  /// @param fd    empty, at its start; stays the caller's
  /// @param what  for messages
  SparseWriter(int fd, std::string what) : fd_(fd), what_(std::move(what)) {}
  void write(std::span<const std::byte> bytes);
  void write(std::string_view text) { write(std::as_bytes(std::span(text))); }
  void zeros(std::uint64_t count) { zeros_ += count; }
  /// Writes what is left and gives the file its length; must be called.
  void finish();

 private:
  void flush();
  void write_zeros();

  int fd_;
  std::string what_;
  std::string buffer_;
  std::uint64_t zeros_ = 0;  // to be written behind the buffer
};

/// Replaces `path` durably: writes path.tmp-<random>, fsyncs, renames over, fsyncs the folder. Readers see old or new,
/// never half.
void write_file_durably(const std::filesystem::path& path, std::string_view text, unsigned mode = 0644);

/// The same without fsync: atomic against readers and kill -9 of this process, not against power loss.
void write_file_atomically(const std::filesystem::path& path, std::string_view text, unsigned mode = 0644);

/// folder / relative for a foreign name, such as an object's key, with the folders between made.
/// @throws Error{kInvalid} when the name would leave the folder, or has a part that no file system takes (empty, ".",
///         longer than 255 bytes, NUL), or lies below a file
std::filesystem::path place_in(const std::filesystem::path& folder, std::string_view relative);

void fsync_folder(const std::filesystem::path& folder);

/// A fresh folder below `parent` (default: the system's temporary folder), removed with its content on destruction.
class TemporaryFolder {
 public:
  explicit TemporaryFolder(const std::filesystem::path& parent = std::filesystem::temp_directory_path());
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  ~TemporaryFolder();
  const std::filesystem::path& path() const noexcept { return path_; }

 private:
  std::filesystem::path path_;
};

}  // namespace clary
