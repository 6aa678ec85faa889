// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/line_relay.h"

#include <algorithm>
#include <utility>

#include "base/log.h"

namespace clary::agent {
namespace {

/// A tab as CloudWatch shows it, "#011": published regexes of metrics search for that.
std::string stored(std::string_view line) {
  std::string out;
  for (const char c : line)
    if (c == '\t')
      out += "#011";
    else
      out += c;
  return out;
}

}  // namespace

LineRelay::LineRelay(const std::filesystem::path& log_file, const std::filesystem::path& metrics_file,
                     MetricExtractor extractor)
    : log_(log_file), metrics_(metrics_file), extractor_(std::move(extractor)) {}

// Called for each read() of the program's output. partial_ never exceeds one event's limit plus one read.
void LineRelay::add(std::string_view bytes) {
  // One time for all lines of one read: when they were written is not known, and their order is kept by the file.
  std::vector<telemetry::LogEvent> events;
  const EpochMs now = now_ms();
  for (std::size_t newline; (newline = bytes.find('\n')) != std::string_view::npos;) {
    partial_ += bytes.substr(0, newline);
    bytes.remove_prefix(newline + 1);
    if (partial_.ends_with('\r')) partial_.pop_back();  // a progress bar, or text from Windows
    events.push_back({now, std::move(partial_)});
    partial_.clear();  // moved from: defined again
  }
  partial_ += bytes;
  if (partial_.size() > telemetry::LogWriter::kMaxEventBytes) {  // a program that never ends its line
    events.push_back({now, std::move(partial_)});
    partial_.clear();
  }
  flush(events);
}

void LineRelay::finish() {
  if (partial_.empty()) return;
  std::vector<telemetry::LogEvent> events{{now_ms(), std::move(partial_)}};
  partial_.clear();
  flush(events);
}

// Not through partial_: it may hold the beginning of a line of the program's.
void LineRelay::add_line(std::string_view line) { log_.append(now_ms(), line); }

void LineRelay::remember(std::string_view line) {
  if (line.find_first_not_of(" \t\r") == std::string_view::npos) return;
  last_.emplace_back(line.substr(0, kLastBytes));
  if (last_.size() > kLastLines) last_.pop_front();
}

std::string LineRelay::last_lines() const {
  std::string out;
  // From the last line backwards: what comes last says what went wrong.
  for (auto line = last_.rbegin(); line != last_.rend(); ++line) {
    if (out.size() + line->size() + 1 > kLastBytes) break;
    out = out.empty() ? *line : *line + "\n" + out;
  }
  return out;
}

void LineRelay::flush(std::vector<telemetry::LogEvent>& events) {
  if (events.empty()) return;
  // The last few are enough: the reads before are older.
  for (std::size_t i = events.size() - std::min(events.size(), 2 * kLastLines); i < events.size(); ++i)
    remember(events[i].message);
  std::vector<telemetry::MetricPoint> points;
  for (telemetry::LogEvent& event : events) {
    if (event.message.find('\t') == std::string::npos) {
      extractor_.extract(event.message, event.time, points);
    } else {
      // A regex may expect either form: the one that CloudWatch shows or the one that the program printed.
      const std::string printed = std::exchange(event.message, stored(event.message));
      extractor_.extract(event.message, event.time, points, printed);
    }
  }
  // The log first: a crash in between loses points of the metric, never a line that a point came from.
  log_.append(events);
  if (!points.empty()) metrics_.append(points);
}

}  // namespace clary::agent
