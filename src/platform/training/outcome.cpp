// SPDX-License-Identifier: Apache-2.0
#include "platform/training/outcome.h"

#include <algorithm>

namespace clary::training {

namespace {

std::string cut(std::string text, std::size_t size) {
  if (text.size() <= size) return text;
  // UTF-8 continuation bytes are 10xxxxxx: the cut moves back to the first byte of a character.
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0U) == 0x80U) --size;  // not inside a character
  text.resize(size);
  return text;
}

bool has_class(const std::string& text) {
  return text.starts_with("ClientError:") || text.starts_with("AlgorithmError:") ||
         text.starts_with("InternalServerError:");
}

/// The text that the program left in its failure file, or the signal in its exit code, or its last lines of output.
std::string program_text(const agent::AgentEvent& end, const std::string& host) {
  if (end.failure && !end.failure->empty()) return cut(*end.failure, kMaxFailureReason);
  // Shells and bubblewrap report a death by signal n as exit code 128 + n.
  if (end.exit_code > 128 && end.exit_code < 160)
    return "the program of " + host + " was killed by signal " + std::to_string(end.exit_code - 128);
  return cut(end.text, kMaxFailureReason);
}

/// A program that was asked to stop may end with any exit code: it is then Stopped, not Failed.
bool failed(const InstanceReport& instance) {
  if (instance.lost()) return true;
  const agent::AgentEvent* end = instance.ended();
  if (end == nullptr || end->stop == "Terminate") return false;  // stopped because another instance had failed
  // Three ways to fail: the program could not be run; the agent itself was signalled (not by the server, which uses a
  // stop file); a program that nobody asked to stop returned non-zero.
  return end->cause != agent::EndCause::kExit || end->stop == "Signal" || (end->exit_code != 0 && end->stop.empty());
}

std::string lost_reason(const InstanceReport& instance) {
  return std::string(kInternalError) + " (The agent of " + instance.host + " " +
         (instance.end.empty() ? "was killed" : instance.end) + " before it could report.)";
}

}  // namespace

const agent::AgentEvent* InstanceReport::ended() const {
  // The agent writes its last event before it releases its lock, so the last event alone decides; see InstanceReport
  // in follow().
  return !events.empty() && events.back().kind == agent::AgentEventKind::kEnded ? &events.back() : nullptr;
}

std::string failure_reason(const agent::AgentEvent& end, const std::string& host, bool builtin) {
  if (end.cause == agent::EndCause::kDownload)
    return cut("ClientError: Data download failed:" + end.text, kMaxFailureReason);
  if (end.cause == agent::EndCause::kAgent)
    return cut(std::string(kInternalError) + " (The agent of " + host + ": " + end.text + ")", kMaxFailureReason);
  if (end.stop == "Signal") return std::string(kInternalError) + " (The agent of " + host + " was ended by a signal.)";
  std::string text = program_text(end, host);
  // The shell of the built-in algorithms writes the class of the error before its text; a user's program does not get
  // to choose the class of its failure.
  if (builtin && has_class(text)) {
    if (!text.starts_with("AlgorithmError:")) return text;
    // "AlgorithmError" gets the service's form with the exit code below; other classes are final as they are.
    text = text.substr(sizeof "AlgorithmError:" - 1);
    text.erase(0, text.find_first_not_of(' '));
  }
  const std::string code = ", exit code: " + std::to_string(end.exit_code);
  // The text is cut, never the exit code behind it.
  return cut("AlgorithmError: " + text, kMaxFailureReason - code.size()) + code;
}

JobReport summarize(const std::vector<InstanceReport>& instances, bool builtin) {
  JobReport report;
  report.training = true;
  report.over = true;
  // Times of different instances are comparable: all agents run on one clock, this machine's.
  EpochMs first_failure = 0;
  for (const InstanceReport& instance : instances) {
    // An instance that ended counts as started: otherwise a program faster than the reading of events would never be
    // "Training".
    bool trains = instance.ended() != nullptr;
    for (const agent::AgentEvent& event : instance.events) {
      report.downloading |= event.kind == agent::AgentEventKind::kDownloading;
      trains |= event.kind == agent::AgentEventKind::kTraining;
      report.max_runtime |= event.stop == "MaxRuntime";
    }
    // Every instance must have got there, while one downloading instance is enough for Downloading.
    report.training &= trains;
    report.over &= instance.over();
    report.agent_lost |= instance.lost();
    if (!failed(instance)) continue;
    // The first to fail counts, since the others often fail because of it; an agent that died left no time and counts
    // as the last.
    const agent::AgentEvent* end = instance.ended();
    if (end != nullptr && (!report.failure || first_failure == 0 || end->time < first_failure)) {
      report.failure = failure_reason(*end, instance.host, builtin);
      first_failure = end->time;
    } else if (end == nullptr && !report.failure) {
      report.failure = lost_reason(instance);
    }
  }
  // All instances ended without a program started (all downloads failed) is no training.
  const bool any_training = std::any_of(instances.begin(), instances.end(), [](const InstanceReport& instance) {
    return std::any_of(instance.events.begin(), instance.events.end(),
                       [](const agent::AgentEvent& event) { return event.kind == agent::AgentEventKind::kTraining; });
  });
  report.training &= any_training;
  return report;
}

}  // namespace clary::training
