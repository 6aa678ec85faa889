// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/payload_reader.h"

#include "base/error.h"
#include "base/text.h"

namespace clary::serving {
namespace {

[[noreturn]] void rethrow_with_record(const Error& e, std::uint64_t record) {
  throw Error(e.kind(), "record " + std::to_string(record) + ": " + e.what());
}

}  // namespace

// Without a split the whole object is one record, so that both cases send one record a request.
bool PayloadReader::single() const noexcept {
  return rules_.split == SplitType::kNone || rules_.strategy == BatchStrategy::kSingleRecord;
}

// What a record contributes to the request body. One record a request: its content without framing. Several: with
// their framing (newline, RecordIO header), because the model has to find the boundaries again.
std::string_view PayloadReader::form_of(const RecordView& record) {
  if (!rules_.processing) return single() ? record.content : record.framed;
  try {
    scratch_ = rules_.processing->request_for(record.content);
  } catch (const Error& e) {
    rethrow_with_record(e, records_.record());
  }
  // Filtered records have lost their line end; the model gets JSON lines or CSV rows.
  if (!single()) scratch_ += '\n';
  // The view is valid until the next record: the caller copies it into the body or into held_.
  return scratch_;
}

std::optional<Payload> PayloadReader::next() {
  Payload payload;
  // The record that did not fit the payload before begins this one. It was the last one read, so record() is its
  // number.
  if (held_) {
    payload = Payload{std::move(*held_), records_.record(), 1, {}};
    if (rules_.processing) payload.originals.push_back(std::move(held_original_));
    held_.reset();
    if (single()) return payload;
  }
  while (const auto record = records_.next()) {
    const std::string_view form = form_of(*record);
    // A first record is always taken, whatever its size: RecordReader has bounded it, and an empty payload would never
    // end.
    if (payload.records > 0 && payload.body.size() + form.size() > rules_.max_payload_bytes) {
      held_ = form;
      if (rules_.processing) held_original_ = record->content;
      return payload;
    }
    if (payload.records++ == 0) payload.first_record = records_.record();
    payload.body.append(form);
    if (rules_.processing) payload.originals.emplace_back(record->content);
    if (single()) return payload;
  }
  if (payload.records == 0) return std::nullopt;
  return payload;
}

std::string assembled(const BatchRules& rules, const Payload& payload, std::string answer) {
  if (!rules.processing) {
    if (rules.assembly == Assembly::kLine && !answer.ends_with('\n')) answer += '\n';
    return answer;
  }
  // One record: the answer is taken as it is, newlines inside included. Several: the model answers a line for each.
  std::vector<std::string_view> answers{answer};
  if (payload.records > 1) {
    answers = split(answer, '\n');
    // A final newline ends the last answer; it does not begin another.
    if (answers.back().empty()) answers.pop_back();
  }
  // Answers are matched to records by their position alone, so a differing count cannot be repaired: failing names the
  // records.
  if (answers.size() != payload.originals.size())
    throw Error(Kind::kMalformed, "records " + std::to_string(payload.first_record) + " to " +
                                      std::to_string(payload.first_record + payload.records - 1) + ": " +
                                      std::to_string(payload.records) + " were sent but the answer has " +
                                      std::to_string(answers.size()) + " lines; DataProcessing needs one a record");
  std::string out;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    try {
      out += rules.processing->result_for(payload.originals[i], answers[i]);
    } catch (const Error& e) {
      rethrow_with_record(e, payload.first_record + i);
    }
    if (rules.assembly == Assembly::kLine) out += '\n';
  }
  return out;
}

}  // namespace clary::serving
