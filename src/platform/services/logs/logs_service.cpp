// SPDX-License-Identifier: Apache-2.0
#include "platform/services/logs/logs_service.h"

#include <algorithm>
#include <charconv>

#include "base/error.h"
#include "base/hash.h"
#include "platform/aws/service_error.h"
#include "platform/services/logs/filter_pattern.h"

namespace clary::services {

namespace {

using aws::Caller;
using aws::Code;
using aws::ServiceError;
using telemetry::LogEvent;
using telemetry::LogStore;
using telemetry::LogStream;

ServiceError bad_parameter(const std::string& message) { return {Code::kInvalidParameterException, message}; }

ServiceError no_group() { return {Code::kResourceNotFoundException, "The specified log group does not exist."}; }

/// logGroupName, or logGroupIdentifier (a name or an ARN).
std::string group_of(const Json& input) {
  if (input.contains("logGroupName")) return input["logGroupName"];
  std::string id = input.value("logGroupIdentifier", "");
  constexpr std::string_view kMark = ":log-group:";
  // An ARN may end in ":*".
  if (const auto at = id.find(kMark); at != std::string::npos) {
    id = id.substr(at + kMark.size());
    id = id.substr(0, id.find(':'));
  }
  if (id.empty()) throw bad_parameter("logGroupName must be given.");
  return id;
}

std::string group_arn(const Caller& caller, const std::string& group) {
  return aws::arn(caller, "logs", "log-group:" + group);
}

/// The name after which the next page begins.
std::string encode_token(const std::string& last) { return to_base64(last); }
std::string decode_token(const Json& input) {
  const std::string token = input.value("nextToken", "");
  const auto last = from_base64(token);
  if (!last) throw bad_parameter("The specified nextToken is invalid.");
  return *last;
}

Json describe_groups(const Json& input, const Caller& caller, const LogStore& logs) {
  const std::string after = decode_token(input);
  const std::size_t limit = input.value("limit", 50U);
  Json answer{{"logGroups", Json::array()}};
  for (const telemetry::LogGroup& group : logs.groups(input.value("logGroupNamePrefix", ""))) {
    if (!after.empty() && group.name <= after) continue;
    if (answer["logGroups"].size() == limit) {
      answer["nextToken"] = encode_token(answer["logGroups"].back()["logGroupName"]);
      break;
    }
    answer["logGroups"].push_back({{"logGroupName", group.name},
                                   {"creationTime", group.created},
                                   // Not counted: the value is of use to billing only.
                                   {"metricFilterCount", 0},
                                   {"storedBytes", 0},
                                   {"arn", group_arn(caller, group.name) + ":*"}});
  }
  return answer;
}

Json stream_json(const LogStream& stream, const std::string& group, const Caller& caller) {
  Json item{{"logStreamName", stream.name},
            {"creationTime", stream.created},
            {"arn", group_arn(caller, group) + ":log-stream:" + stream.name},
            {"uploadSequenceToken", std::to_string(stream.bytes)},
            {"storedBytes", 0}};
  if (stream.bytes == 0) return item;
  item["firstEventTimestamp"] = stream.first_event;
  item["lastEventTimestamp"] = stream.last_event;
  item["lastIngestionTime"] = stream.last_event;
  return item;
}

// The token is the last stream's name, so the order must be the same for each page: ties of time are broken by name
// (stable_sort over a list that is sorted by name).
Json describe_streams(const Json& input, const Caller& caller, const LogStore& logs) {
  const std::string group = group_of(input), prefix = input.value("logStreamNamePrefix", "");
  const bool by_time = input.value("orderBy", "LogStreamName") == "LastEventTime";
  if (by_time && !prefix.empty()) throw bad_parameter("Cannot order by LastEventTime with a logStreamNamePrefix.");
  if (!logs.group_exists(group)) throw no_group();
  std::vector<LogStream> streams = logs.streams(group, prefix);
  if (by_time)
    std::stable_sort(streams.begin(), streams.end(),
                     [](const LogStream& a, const LogStream& b) { return a.last_event < b.last_event; });
  if (input.value("descending", false)) std::reverse(streams.begin(), streams.end());
  auto at = streams.begin();
  if (const std::string after = decode_token(input); !after.empty()) {
    at = std::find_if(streams.begin(), streams.end(), [&](const LogStream& stream) { return stream.name == after; });
    // The stream was deleted between two pages.
    if (at == streams.end()) throw bad_parameter("The specified nextToken is invalid.");
    ++at;
  }
  const std::size_t limit = input.value("limit", 50U);
  Json answer{{"logStreams", Json::array()}};
  for (; at != streams.end(); ++at) {
    if (answer["logStreams"].size() == limit) {
      answer["nextToken"] = encode_token((at - 1)->name);
      break;
    }
    answer["logStreams"].push_back(stream_json(*at, group, caller));
  }
  return answer;
}

// --- GetLogEvents: "f/<offset>" goes on forward from a byte, "b/<offset>" backward.

std::string event_token(char direction, std::uint64_t offset) {
  std::string digits = std::to_string(offset);
  // Fixed width makes tokens comparable as texts, and a token that repeats marks the end.
  digits.insert(0, 56 - digits.size(), '0');  // as long as AWS's
  return std::string(1, direction) + "/" + digits;
}

void apply_token(const std::string& token, LogStore::ReadQuery& query) {
  if (token.size() < 3 || (token[0] != 'f' && token[0] != 'b') || token[1] != '/')
    throw bad_parameter("The specified nextToken is invalid.");
  std::uint64_t offset = 0;
  const auto [end, error] = std::from_chars(token.data() + 2, token.data() + token.size(), offset);
  if (error != std::errc() || end != token.data() + token.size())
    throw bad_parameter("The specified nextToken is invalid.");
  query.offset = offset;
  query.forward = token[0] == 'f';
}

std::optional<EpochMs> time_of(const Json& input, const char* name) {
  if (!input.contains(name)) return std::nullopt;
  return input[name].get<EpochMs>();
}

Json get_events(const Json& input, const LogStore& logs) {
  const std::string group = group_of(input), stream = input.at("logStreamName");
  // Without a token the last page is answered first, as GetLogEvents does by default.
  LogStore::ReadQuery query;
  // The direction is in the token: paging goes on in the way it began.
  query.forward = input.value("startFromHead", false);
  if (input.contains("nextToken")) apply_token(input["nextToken"], query);
  query.start = time_of(input, "startTime");
  query.end = time_of(input, "endTime");
  query.max_events = input.value("limit", 10'000U);
  telemetry::LogPage page;
  try {
    page = logs.read(group, stream, query);
  } catch (const Error& error) {
    if (error.kind() != Kind::kNotFound) throw;
    throw ServiceError(Code::kResourceNotFoundException, error.what());
  }
  Json events = Json::array();
  for (const LogEvent& event : page.events)
    events.push_back({{"timestamp", event.time}, {"message", event.message}, {"ingestionTime", event.time}});
  return {{"events", std::move(events)},
          // Both tokens are always given: the client polls for new events with the forward one.
          {"nextForwardToken", event_token('f', page.end)},
          {"nextBackwardToken", event_token('b', page.begin)}};
}

// --- FilterLogEvents: the streams merged by (time, stream, offset); a token is the last event's place in that order.

struct Place {
  EpochMs time = 0;
  std::string stream;
  std::uint64_t offset = 0;
  auto operator<=>(const Place&) const = default;
};

/// The events of one stream from a place on, read page by page.
/// A k-way merge reads a bounded page of each stream at a time.
class StreamCursor {
 public:
  StreamCursor(const LogStore& logs, std::string group, std::string stream, LogStore::ReadQuery query,
               const std::optional<Place>& after)
      : logs_(logs), group_(std::move(group)), stream_(std::move(stream)), query_(query) {
    refill();
    // query.start is the token's time, so that at most the events of that millisecond are skipped here.
    // place() <= after: the event of the token itself was on the page before.
    while (after && current() != nullptr && place() <= *after) advance();
  }

  const LogEvent* current() const { return at_ < page_.events.size() ? &page_.events[at_] : nullptr; }
  Place place() const { return {current()->time, stream_, current()->offset}; }
  void advance() {
    if (++at_ == page_.events.size()) refill();
  }

 private:
  // Pages of 1,000: few system calls, little memory for each stream.
  void refill() {
    query_.max_events = 1000;
    page_ = logs_.read(group_, stream_, query_);
    query_.offset = page_.end;
    at_ = 0;
  }

  const LogStore& logs_;
  std::string group_, stream_;
  LogStore::ReadQuery query_;
  telemetry::LogPage page_;
  std::size_t at_ = 0;
};

std::vector<std::string> streams_to_search(const Json& input, const std::string& group, const LogStore& logs) {
  if (input.contains("logStreamNames") && input.contains("logStreamNamePrefix"))
    throw bad_parameter("logStreamNames and logStreamNamePrefix cannot be given together.");
  std::vector<std::string> names;
  if (input.contains("logStreamNames")) {
    for (const Json& name : input["logStreamNames"]) {
      names.push_back(name);
      if (!logs.stream_exists(group, names.back()))
        throw ServiceError(Code::kResourceNotFoundException, "The specified log stream does not exist.");
    }
    return names;
  }
  // Streams that ended before the time asked for are not opened.
  const EpochMs start = time_of(input, "startTime").value_or(0);
  for (const LogStream& stream : logs.streams(group, input.value("logStreamNamePrefix", "")))
    if (stream.bytes != 0 && stream.last_event >= start) names.push_back(stream.name);
  return names;
}

std::optional<Place> decode_place(const Json& input) {
  if (!input.contains("nextToken")) return std::nullopt;
  try {
    // Tokens come from clients: anything that does not parse is their error.
    const Json json = parse_json(from_base64(input["nextToken"].get<std::string>()).value_or(""));
    return Place{exact_integer(json.at(0)).value(), json.at(1),
                 static_cast<std::uint64_t>(exact_integer(json.at(2)).value())};
  } catch (const std::exception&) {
    throw bad_parameter("The specified nextToken is invalid.");
  }
}

// Unique and stable: time, stream and offset identify an event. The digits are as many as AWS's.
std::string event_id(const Place& place) {
  const auto padded = [](std::string digits, std::size_t width) {
    return std::string(width - std::min(width, digits.size()), '0') + digits;
  };
  const std::string crc = digest(Digest::kCrc32, place.stream);
  std::uint32_t hash = 0;
  for (const char byte : crc) hash = hash << 8U | static_cast<unsigned char>(byte);
  return padded(std::to_string(place.time), 20) + padded(std::to_string(hash), 12) +
         padded(std::to_string(place.offset), 24);
}

StreamCursor* earliest(std::vector<StreamCursor>& cursors) {
  StreamCursor* first = nullptr;
  // Linear: jobs have a handful of streams.
  for (StreamCursor& cursor : cursors)
    if (cursor.current() != nullptr && (first == nullptr || cursor.place() < first->place())) first = &cursor;
  return first;
}

Json filter_events(const Json& input, const LogStore& logs) {
  constexpr std::size_t kMaxBytes = 1 << 20;  // AWS limit of a page
  // Bounds the time of a request whose pattern matches nothing; the client goes on with the token.
  constexpr std::size_t kMaxSearched = 1'000'000;  // events looked at for one page
  const std::string group = group_of(input);
  if (!logs.group_exists(group)) throw no_group();
  const FilterPattern pattern(input.value("filterPattern", ""));
  const std::optional<Place> after = decode_place(input);
  const std::size_t limit = input.value("limit", 10'000U);
  LogStore::ReadQuery query;
  query.start = time_of(input, "startTime");
  query.end = time_of(input, "endTime");
  if (after) query.start = std::max(query.start.value_or(0), after->time);
  std::vector<StreamCursor> cursors;
  for (const std::string& stream : streams_to_search(input, group, logs))
    cursors.emplace_back(logs, group, stream, query, after);

  Json answer{{"events", Json::array()}, {"searchedLogStreams", Json::array()}};
  // Counts messages as CloudWatch does, 26 bytes of overhead included.
  std::size_t bytes = 0, searched = 0;
  while (StreamCursor* cursor = earliest(cursors)) {
    const Place place = cursor->place();
    const LogEvent& event = *cursor->current();
    if (pattern.matches(event.message)) {
      bytes += event.message.size() + 26;
      answer["events"].push_back({{"logStreamName", place.stream},
                                  {"timestamp", event.time},
                                  {"message", event.message},
                                  {"ingestionTime", event.time},
                                  {"eventId", event_id(place)}});
    }
    cursor->advance();
    // The page ends by count, by bytes, or by work done.
    if (answer["events"].size() < limit && bytes < kMaxBytes && ++searched < kMaxSearched) continue;
    // A token only if there is more: SDKs stop at its absence.
    if (earliest(cursors) != nullptr)
      answer["nextToken"] = to_base64(dump_json({place.time, place.stream, place.offset}));
    break;
  }
  return answer;
}

}  // namespace

aws::JsonService logs_service(const LogStore& logs) {
  aws::JsonService service;
  service.target_prefix = "Logs_20140328";
  service.model = "logs";
  service.operations = {
      {"DescribeLogGroups", [&](const Json& in, const Caller& who) { return describe_groups(in, who, logs); }},
      {"DescribeLogStreams", [&](const Json& in, const Caller& who) { return describe_streams(in, who, logs); }},
      {"GetLogEvents", [&](const Json& in, const Caller&) { return get_events(in, logs); }},
      {"FilterLogEvents", [&](const Json& in, const Caller&) { return filter_events(in, logs); }},
  };
  return service;
}

}  // namespace clary::services
