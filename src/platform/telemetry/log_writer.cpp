// SPDX-License-Identifier: Apache-2.0
// The only writer of the format in log_store.h. A reader may look at any time and takes whole lines only. Writers of
// one stream do not mix their lines (O_APPEND, one write a call), but only one writer keeps its times in order: each
// stream has one, an agent or a replica. One thread at a time uses a LogWriter.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/text.h"
#include "platform/telemetry/log_store.h"

namespace clary::telemetry {

namespace {

/// Length of the UTF-8 sequence at the start of `text`, 0 when it is not one.
/// 0xC0 and 0xC1 would be overlong forms, 0xF5 and above are outside Unicode; is_utf8() checks the rest.
std::size_t sequence_length(std::string_view text) {
  const auto lead = static_cast<unsigned char>(text[0]);
  const std::size_t length = lead < 0x80 ? 1 : lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC2 ? 2 : 0;
  return length != 0 && length <= text.size() && is_utf8(text.substr(0, length)) ? length : 0;
}

// One U+FFFD for each bad byte. Readers (JSON, the browser) may rely on valid UTF-8.
void append_repaired(std::string_view text, std::string& out) {
  while (!text.empty()) {
    const std::size_t length = sequence_length(text);
    if (length == 0)
      out += "\xEF\xBF\xBD";
    else
      out.append(text.substr(0, length));
    text.remove_prefix(std::max<std::size_t>(length, 1));
  }
}

/// The time of the last whole line; also drops a line that a power loss cut.
/// Called once, when a stream is opened. Only the process that owns the stream may do this: cutting a line that
/// another writer is about to finish would damage it.
EpochMs recovered_tail(int fd, const std::string& what) {
  // One event at its longest, with room for its time: the window begins before the last line, or at the start of the
  // file.
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw_errno(what);
  const off_t window = std::min<off_t>(status.st_size, LogWriter::kMaxEventBytes + 64);
  std::string tail(static_cast<std::size_t>(window), '\0');
  if (window == 0) return 0;
  if (::pread(fd, tail.data(), tail.size(), status.st_size - window) != window) throw_errno("read " + what);
  const auto last_newline = tail.rfind('\n');
  const std::size_t whole = last_newline == std::string::npos ? 0 : last_newline + 1;
  // No fsync() per line: after a power loss the file may end inside one. Without the cut the next event would be glued
  // to its remains.
  if (whole != tail.size() && ::ftruncate(fd, status.st_size - window + static_cast<off_t>(whole)) != 0)
    throw_errno(what);
  if (whole == 0) return 0;
  const auto previous = tail.rfind('\n', whole - 2);
  const char* begin = tail.data() + (whole < 2 || previous == std::string::npos ? 0 : previous + 1);
  EpochMs time = 0;
  std::from_chars(begin, tail.data() + tail.size(), time);
  return time;
}

}  // namespace

LogWriter::LogWriter(const std::filesystem::path& file) : file_(file) {
  std::filesystem::create_directories(file.parent_path());
  fd_ = open_file(file, O_RDWR | O_CREAT | O_APPEND);
  last_ = recovered_tail(fd_.get(), file_.string());
}

void LogWriter::encode(EpochMs time, std::string_view message, std::string& out) {
  // last_ carries over restarts of the writer, by recovered_tail().
  last_ = std::max(last_, time);  // readers bisect by time: a clock that was set back must not show
  // A newline inside a message would be taken for the end of the event: such a message becomes several.
  do {
    std::string_view piece = message.substr(0, std::min(message.find('\n'), message.size()));
    const bool cut = piece.size() > kMaxEventBytes / 3;  // repaired bytes grow threefold
    if (cut) piece = piece.substr(0, kMaxEventBytes / 3);
    message.remove_prefix(std::min(message.size(), piece.size() + (cut ? 0 : 1)));
    out += std::to_string(last_);
    out += ' ';
    if (is_utf8(piece))
      out += piece;
    else
      append_repaired(piece, out);
    out += '\n';
  } while (!message.empty());
}

void LogWriter::append(const std::vector<LogEvent>& events) {
  // One write() with O_APPEND: the lines of one call stay together, and a reader sees at most the last incomplete.
  std::string text;
  for (const LogEvent& event : events) encode(event.time, event.message, text);
  write_all(fd_.get(), text, file_.string());
}

void LogWriter::append(EpochMs time, std::string_view message) {
  std::string text;
  encode(time, message, text);
  write_all(fd_.get(), text, file_.string());
}

}  // namespace clary::telemetry
