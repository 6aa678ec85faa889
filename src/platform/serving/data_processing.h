// SPDX-License-Identifier: Apache-2.0
// DataProcessing of a transform job, one record at a time: InputFilter picks what is sent, the original record is
// joined with the answer, OutputFilter picks what is written. Immutable after construction; any thread.
#pragma once

#include <string>
#include <string_view>

#include "platform/serving/filter_path.h"

namespace clary::serving {

enum class RecordForm { kCsv, kJson };  // JSON lines are kJson, one value a record

class DataProcessing {
 public:
  /// @throws Error{kInvalid} on a bad path, or a path that cannot apply to CSV
  DataProcessing(RecordForm form, std::string_view input_filter, std::string_view output_filter, bool join_input);

  /// True when records pass through untouched, so that nobody needs to keep or parse them.
  bool is_identity() const noexcept { return input_.is_whole() && output_.is_whole() && !join_; }

  /// What is sent to the model for this record. @throws Error{kMalformed}
  std::string request_for(std::string_view record) const;

  /// What is written for this record, without a line end. @throws Error{kMalformed}
  std::string result_for(std::string_view record, std::string_view answer) const;

 private:
  RecordForm form_;
  FilterPath input_, output_;
  bool join_;
};

/// JSON with its member order kept. @throws Error{kMalformed}, also beyond kMaxJsonDepth
OrderedJson parse_ordered_json(std::string_view text);

/// Fields of one CSV row, unchanged (quotes kept), RFC 4180. @throws Error{kMalformed} on an unclosed quote
std::vector<std::string_view> csv_fields(std::string_view row);

}  // namespace clary::serving
