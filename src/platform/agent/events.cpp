// SPDX-License-Identifier: Apache-2.0
#include "platform/agent/events.h"

#include <fcntl.h>

#include <array>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace clary::agent {

namespace {

constexpr std::array<const char*, 4> kKinds{"Downloading", "Training", "Stopping", "Ended"};
constexpr std::array<const char*, 3> kCauses{"Exit", "Download", "Agent"};

template <class Enum, std::size_t N>
Enum parse_name(const std::array<const char*, N>& names, const std::string& name) {
  for (std::size_t i = 0; i < N; ++i)
    if (name == names[i]) return static_cast<Enum>(i);
  throw Error(Kind::kMalformed, "events.jsonl: \"" + name + "\" is not an event");
}

}  // namespace

Json to_json(const AgentEvent& event) {
  Json json{{"Event", kKinds[static_cast<std::size_t>(event.kind)]}, {"Time", event.time}, {"Stop", event.stop}};
  if (event.kind != AgentEventKind::kEnded) return json;
  json["Cause"] = kCauses[static_cast<std::size_t>(event.cause)];
  json["ExitCode"] = event.exit_code;
  json["Text"] = event.text;
  if (event.failure) json["Failure"] = *event.failure;
  return json;
}

AgentEvent parse_agent_event(const Json& json) {
  AgentEvent event;
  event.kind = parse_name<AgentEventKind>(kKinds, json.at("Event"));
  event.time = json.at("Time");
  event.stop = json.value("Stop", "");
  if (event.kind != AgentEventKind::kEnded) return event;
  event.cause = parse_name<EndCause>(kCauses, json.at("Cause"));
  event.exit_code = json.at("ExitCode");
  event.text = json.value("Text", "");
  if (json.contains("Failure")) event.failure = json["Failure"].get<std::string>();
  return event;
}

// One write() of a whole line with O_APPEND. No fsync(): after a crash of the machine the agent is dead too, and an
// agent without a last event counts as lost.
void append_event(const std::filesystem::path& instance, const AgentEvent& event) {
  const UniqueFd fd = open_file(instance / "events.jsonl", O_WRONLY | O_CREAT | O_APPEND);
  write_all(fd.get(), dump_json(to_json(event)) + "\n", "events.jsonl");
}

std::vector<AgentEvent> read_events(const std::filesystem::path& instance) {
  std::vector<AgentEvent> events;
  const std::filesystem::path file = instance / "events.jsonl";
  if (!std::filesystem::exists(file)) return events;
  // An agent writes at most four lines, and a failure text is bounded: a larger file is not one that it wrote.
  const std::string text = read_file(file, 16U << 20U);
  // What follows the last newline is a line that is being written.
  const auto whole = text.rfind('\n');
  if (whole == std::string::npos) return events;
  for (const std::string_view line : split(std::string_view(text).substr(0, whole), '\n'))
    events.push_back(parse_agent_event(parse_json(line)));
  return events;
}

}  // namespace clary::agent
