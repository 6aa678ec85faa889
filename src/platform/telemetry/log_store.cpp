// SPDX-License-Identifier: Apache-2.0
#include "platform/telemetry/log_store.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "platform/telemetry/names_on_disk.h"

namespace clary::telemetry {

namespace fs = std::filesystem;

namespace {

constexpr std::size_t kTailBytes = 4096;  // read at once while the last newline is looked for

/// The bytes up to the last newline: a line without its newline is still being written.
/// By pread(), because a writer that opens the stream cuts such a line off (LogWriter): a mapped page that lies behind
/// the file's end raises SIGBUS when it is read.
std::size_t whole_bytes(int fd, const std::string& what) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno(what);
  std::array<char, kTailBytes> tail;
  for (auto end = static_cast<std::size_t>(status.st_size); end > 0;) {
    const std::size_t begin = end - std::min(end, tail.size());
    const ssize_t got = ::pread(fd, tail.data(), end - begin, static_cast<off_t>(begin));
    if (got < 0) throw_errno("read " + what);
    const auto newline = std::string_view(tail.data(), static_cast<std::size_t>(got)).rfind('\n');
    if (newline != std::string_view::npos) return begin + newline + 1;
    end = begin;
  }
  return 0;
}

/// A stream's whole lines mapped for reading. The writer may append while this is mapped; what comes later is not seen.
/// No writer ever cuts a whole line off, so that the mapped bytes stay there. MAP_SHARED shows the file's own pages, so
/// nothing is copied.
class MappedLines {
 public:
  explicit MappedLines(const fs::path& file) {
    const UniqueFd fd = open_file(file, O_RDONLY);
    whole_ = whole_bytes(fd.get(), file.string());
    if (whole_ == 0) return;
    void* address = ::mmap(nullptr, whole_, PROT_READ, MAP_SHARED, fd.get(), 0);
    if (address == MAP_FAILED) throw_errno("mmap " + file.string());
    address_ = static_cast<const char*>(address);
  }
  MappedLines(const MappedLines&) = delete;
  MappedLines& operator=(const MappedLines&) = delete;
  ~MappedLines() {
    if (address_ != nullptr) ::munmap(const_cast<char*>(address_), whole_);
  }

  std::string_view text() const { return {address_, whole_}; }

  /// Start of the line that holds `offset` (or of the one after it when offset is the end).
  std::size_t line_start(std::size_t offset) const {
    if (offset == 0) return 0;
    const auto newline = text().rfind('\n', offset - 1);
    return newline == std::string_view::npos ? 0 : newline + 1;
  }
  std::size_t line_end(std::size_t start) const {
    const auto newline = text().find('\n', start);
    return newline == std::string_view::npos ? whole_ : newline + 1;
  }
  EpochMs time_at(std::size_t start) const {
    EpochMs time = 0;
    std::from_chars(address_ + start, address_ + whole_, time);
    return time;
  }

  /// Offset of the first line whose time is at least `time`.
  /// Bisection over bytes, not lines: the middle is moved to the start of its line. Invariant: lines before `low` are
  /// older than `time`, the one at `high` (if there is one) is not. It relies on times that never go back within a
  /// stream, which LogWriter ensures.
  std::size_t first_at_or_after(EpochMs time) const {
    std::size_t low = 0, high = whole_;
    while (low < high) {
      const std::size_t middle = line_start(low + (high - low) / 2);
      if (time_at(middle) >= time)
        high = middle;
      else
        low = line_end(middle);
    }
    return low;
  }

 private:
  const char* address_ = nullptr;
  std::size_t whole_ = 0;
};

LogEvent event_at(const MappedLines& lines, std::size_t start, std::size_t end) {
  const std::string_view line = lines.text().substr(start, end - start - 1);
  const auto space = line.find(' ');
  return {lines.time_at(start), space == std::string_view::npos ? "" : std::string(line.substr(space + 1)), start};
}

LogStream describe(const fs::path& file, std::string name) {
  LogStream stream{.name = std::move(name)};
  struct stat status {};
  // st_ctim is the inode's last change, which appending moves: the first event's time corrects it below.
  if (::stat(file.c_str(), &status) == 0) stream.created = static_cast<EpochMs>(status.st_ctim.tv_sec) * 1000;
  const MappedLines lines(file);
  stream.bytes = lines.text().size();
  if (stream.bytes != 0) {
    stream.first_event = lines.time_at(0);
    stream.last_event = lines.time_at(lines.line_start(stream.bytes - 1));
    stream.created = std::min(stream.created, stream.first_event);
  }
  return stream;
}

/// "job/algo-1-17" lies in folder "job" as "algo-1-17"; a stream without a slash in folder "%" + its name.
/// Job names contain no slash, so that all streams of a job lie in one folder, and a list by the prefix "job/" reads
/// that folder only. '%' alone is no encoding of a name, hence free.
std::pair<std::string, std::string> folder_and_entry(std::string_view stream) {
  const auto slash = stream.find('/');
  if (slash == std::string_view::npos) return {"%", entry_name(stream)};
  return {entry_name(stream.substr(0, slash)), entry_name(stream.substr(slash + 1))};
}

}  // namespace

LogStore::LogStore(fs::path root) : root_(std::move(root)) { fs::create_directories(root_); }

fs::path LogStore::file(std::string_view group, std::string_view stream) const {
  const auto [folder, entry] = folder_and_entry(stream);
  return root_ / entry_name(group) / folder / entry;
}

void LogStore::append(std::string_view group, std::string_view stream, const std::vector<LogEvent>& events) const {
  writer(group, stream).append(events);
}

bool LogStore::group_exists(std::string_view group) const {
  std::error_code ignored;  // a name that is too long for a file
  return fs::is_directory(root_ / entry_name(group), ignored);
}

bool LogStore::stream_exists(std::string_view group, std::string_view stream) const {
  std::error_code ignored;  // a name that is too long for a file
  return fs::is_regular_file(file(group, stream), ignored);
}

std::vector<LogGroup> LogStore::groups(std::string_view prefix) const {
  std::vector<LogGroup> groups;
  for (const auto& entry : fs::directory_iterator(root_)) {
    const auto name = name_of_entry(entry.path().filename().string());
    if (!name || !name->starts_with(prefix)) continue;
    struct stat status {};
    if (::stat(entry.path().c_str(), &status) != 0) continue;
    groups.push_back({*name, static_cast<EpochMs>(status.st_ctim.tv_sec) * 1000});
  }
  std::sort(groups.begin(), groups.end(), [](const LogGroup& a, const LogGroup& b) { return a.name < b.name; });
  return groups;
}

std::vector<LogStream> LogStore::streams(std::string_view group, std::string_view prefix) const {
  const fs::path folder = root_ / entry_name(group);
  if (!fs::is_directory(folder)) throw Error(Kind::kNotFound, "The specified log group does not exist.");
  std::vector<LogStream> streams;
  const auto add_folder = [&](const std::string& first, const std::string& before) {
    std::error_code ec;
    for (const auto& entry : fs::directory_iterator(folder / first, ec)) {
      const auto rest = name_of_entry(entry.path().filename().string());
      if (!rest || !(before + *rest).starts_with(prefix)) continue;
      streams.push_back(describe(entry.path(), before + *rest));
    }
  };
  if (const auto slash = prefix.find('/'); slash != std::string_view::npos) {
    add_folder(entry_name(prefix.substr(0, slash)), std::string(prefix.substr(0, slash + 1)));
  } else {
    for (const auto& entry : fs::directory_iterator(folder)) {
      const std::string first = entry.path().filename().string();
      if (const auto name = name_of_entry(first)) {
        if (name->empty() || name->starts_with(prefix)) add_folder(first, name->empty() ? "" : *name + "/");
      }
    }
  }
  std::sort(streams.begin(), streams.end(), [](const LogStream& a, const LogStream& b) { return a.name < b.name; });
  return streams;
}

void LogStore::remove_streams(std::string_view group, std::string_view prefix) const {
  for (const LogStream& stream : streams(group, prefix)) fs::remove(file(group, stream.name));
}

LogPage LogStore::read(std::string_view group, std::string_view stream, const ReadQuery& query) const {
  if (!group_exists(group)) throw Error(Kind::kNotFound, "The specified log group does not exist.");
  if (!stream_exists(group, stream)) throw Error(Kind::kNotFound, "The specified log stream does not exist.");
  const MappedLines lines(file(group, stream));
  const std::size_t whole = lines.text().size();
  const std::size_t low = query.start ? lines.first_at_or_after(*query.start) : 0;
  const std::size_t high = std::max(low, query.end ? lines.first_at_or_after(*query.end) : whole);
  LogPage page;
  std::size_t bytes = 0;
  const auto fits = [&](std::size_t start, std::size_t end) {
    // page.events is empty for the first event: an event larger than the limit is returned alone, otherwise a reader
    // would never get past it.
    bytes += end - start + 26;  // CloudWatch counts 26 bytes of overhead an event
    return page.events.size() < query.max_events && (page.events.empty() || bytes <= query.max_bytes);
  };
  if (query.forward) {
    // A token is clamped to a line start, so that a made-up one cannot cut an event.
    std::size_t at = query.offset ? std::min<std::size_t>(*query.offset, whole) : low;
    at = lines.line_start(at);
    at = std::max(at, low);
    page.begin = at;
    while (at < high) {
      const std::size_t end = lines.line_end(at);
      if (!fits(at, end)) break;
      page.events.push_back(event_at(lines, at, end));
      at = end;
    }
    page.end = at;
  } else {
    // Backwards from `at`: the page ends where the token points, and its events are collected from the last to the
    // first.
    std::size_t at =
        std::min(query.offset ? lines.line_start(std::min<std::size_t>(*query.offset, whole)) : high, high);
    page.end = at;
    while (at > low) {
      const std::size_t start = lines.line_start(at - 1);
      if (!fits(start, at)) break;
      page.events.push_back(event_at(lines, start, at));
      at = start;
    }
    page.begin = at;
    std::reverse(page.events.begin(), page.events.end());
  }
  return page;
}

}  // namespace clary::telemetry
