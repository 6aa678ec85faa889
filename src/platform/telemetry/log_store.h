// SPDX-License-Identifier: Apache-2.0
// Log groups and streams as flat, append-only files: <root>/<group>/<first part of the stream>/<rest>, percent-encoded.
// One line an event: "<ms> <message>". A token is a byte offset, so it keeps its place for ever; times within a stream
// never go back, so a time is found by bisection. Any process may append (O_APPEND); an agent writes its own stream.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/files.h"
#include "base/time.h"

namespace clary::telemetry {

struct LogEvent {
  EpochMs time = 0;
  std::string message;
  std::uint64_t offset = 0;  // where it lies in its stream
};

struct LogStream {
  std::string name;
  EpochMs created = 0, first_event = 0, last_event = 0;  // 0: no events yet
  std::uint64_t bytes = 0;
};

struct LogGroup {
  std::string name;
  EpochMs created = 0;
};

struct LogPage {
  std::vector<LogEvent> events;      // oldest first
  std::uint64_t begin = 0, end = 0;  // the offsets between which the events lie
};

/// Appends to one stream. Lines longer than kMaxEventBytes are cut into several events, bytes that are not UTF-8 become
/// U+FFFD, and a time before the last one is lifted to it.
class LogWriter {
 public:
  static constexpr std::size_t kMaxEventBytes = 256 * 1024;  // CloudWatch's limit of an event
  /// Creates the stream when it is not there. @throws throw_errno
  explicit LogWriter(const std::filesystem::path& file);
  /// One write(2) for all of them.
  void append(const std::vector<LogEvent>& events);
  void append(EpochMs time, std::string_view message);

 private:
  void encode(EpochMs time, std::string_view message, std::string& out);
  std::filesystem::path file_;
  UniqueFd fd_;
  EpochMs last_ = 0;
};

class LogStore {
 public:
  explicit LogStore(std::filesystem::path root);

  /// The file of a stream, for a writer in another process.
  std::filesystem::path file(std::string_view group, std::string_view stream) const;
  LogWriter writer(std::string_view group, std::string_view stream) const { return LogWriter(file(group, stream)); }
  void append(std::string_view group, std::string_view stream, const std::vector<LogEvent>& events) const;

  bool group_exists(std::string_view group) const;
  bool stream_exists(std::string_view group, std::string_view stream) const;
  std::vector<LogGroup> groups(std::string_view prefix = {}) const;  // by name
  /// By name. @throws Error{kNotFound} when the group is not there
  std::vector<LogStream> streams(std::string_view group, std::string_view prefix = {}) const;
  void remove_streams(std::string_view group, std::string_view prefix) const;

  struct ReadQuery {
    std::optional<std::uint64_t> offset = std::nullopt;  // forward: first byte to read; backward: byte to end before
    bool forward = true;
    std::optional<EpochMs> start = std::nullopt, end = std::nullopt;  // [start, end)
    std::size_t max_events = 10'000;
    std::size_t max_bytes = 1 << 20;  // CloudWatch's page limit
  };
  /// @throws Error{kNotFound} when group or stream is not there
  LogPage read(std::string_view group, std::string_view stream, const ReadQuery& query) const;

 private:
  std::filesystem::path root_;
};

}  // namespace clary::telemetry
