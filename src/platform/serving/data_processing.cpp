// SPDX-License-Identifier: Apache-2.0
#include "platform/serving/data_processing.h"

#include "base/error.h"
#include "base/json.h"
#include "base/json_fault.h"

namespace clary::serving {
namespace {

std::string_view without_line_end(std::string_view text) {
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  return text;
}

// The fields keep their quotes, so that what is joined here is valid CSV again without knowing which field needed
// them.
std::string filtered_row(const FilterPath& path, std::string_view row) {
  if (path.is_whole()) return std::string(row);
  const std::vector<std::string_view> fields = csv_fields(row);
  std::string out;
  bool first = true;
  for (const std::size_t i : path.select_columns(fields.size())) {
    if (!first) out += ',';
    out += fields[i];
    first = false;
  }
  return out;
}

// Columns can be picked and joined within one line only: over several, the answer of every row would follow the last
// row. A record holds several lines when the object is sent unsplit.
void check_one_line(std::string_view row, const char* what, const char* rule) {
  if (row.find_first_of("\r\n") != row.npos) throw Error(Kind::kMalformed, std::string(what) + rule);
}

// Invalid UTF-8 in a record is replaced by U+FFFD: dump() would throw otherwise, and one odd byte of a user's data
// must not fail the job.
std::string text_of(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

// The form that the developer guide documents for JoinSource Input: the answer becomes a member of the record; a
// record that is not an object (an array, a number) is wrapped together with its answer.
OrderedJson joined(OrderedJson record, OrderedJson answer) {
  if (!record.is_object()) return {{"SageMakerInput", std::move(record)}, {"SageMakerOutput", std::move(answer)}};
  record["SageMakerOutput"] = std::move(answer);
  return record;
}

}  // namespace

OrderedJson parse_ordered_json(std::string_view text) {
  // dump() and FilterPath recurse over the value: its depth is bounded while it is parsed.
  const auto bounded = [](int depth, OrderedJson::parse_event_t, OrderedJson&) {
    if (depth > kMaxJsonDepth)
      throw Error(Kind::kMalformed, "JSON is nested deeper than " + std::to_string(kMaxJsonDepth));
    return true;
  };
  try {
    return OrderedJson::parse(text, bounded);
  } catch (const OrderedJson::parse_error& e) {
    throw Error(Kind::kMalformed, json_fault_at(text, e.byte).message());
  } catch (const OrderedJson::exception& e) {
    throw Error(Kind::kMalformed, std::string("not valid JSON: ") + e.what());
  }
}

std::vector<std::string_view> csv_fields(std::string_view row) {
  std::vector<std::string_view> fields;
  std::size_t start = 0;
  bool quoted = false;
  for (std::size_t i = 0; i < row.size(); ++i) {
    // An escaped quote ("" inside a quoted field) toggles twice and so leaves the state as it was.
    if (row[i] == '"') quoted = !quoted;
    if (row[i] != ',' || quoted) continue;
    fields.push_back(row.substr(start, i - start));
    start = i + 1;
  }
  if (quoted) throw Error(Kind::kMalformed, "a quoted CSV field is not closed on its line");
  fields.push_back(row.substr(start));
  return fields;
}

DataProcessing::DataProcessing(RecordForm form, std::string_view input_filter, std::string_view output_filter,
                               bool join_input)
    : form_(form),
      input_(FilterPath::parse(input_filter)),
      output_(FilterPath::parse(output_filter)),
      join_(join_input) {
  if (form == RecordForm::kJson) return;
  if (!input_.fits_csv() || !output_.fits_csv())
    throw Error(Kind::kInvalid, "JSONPath '" + std::string(input_.fits_csv() ? output_filter : input_filter) +
                                    "': only $, indexes and slices apply to text/csv");
}

std::string DataProcessing::request_for(std::string_view record) const {
  const std::string_view row = without_line_end(record);
  // Without a filter the record is sent as it is, never parsed and printed again: numbers keep their spelling.
  if (form_ == RecordForm::kCsv)
    check_one_line(row, "the CSV has several lines",
                   ", which DataProcessing needs one by one: SplitType and AssembleWith must be Line");
  if (input_.is_whole()) return std::string(row);
  return form_ == RecordForm::kCsv ? filtered_row(input_, row) : text_of(input_.select(parse_ordered_json(row)));
}

std::string DataProcessing::result_for(std::string_view record, std::string_view answer) const {
  const std::string_view row = without_line_end(record);
  const std::string_view reply = without_line_end(answer);
  // The join is textual for CSV: the answer's columns follow the record's, and OutputFilter counts over both.
  if (form_ == RecordForm::kCsv)
    check_one_line(reply, "the answer to one record has several lines", ": they cannot be joined with it or filtered");
  if (form_ == RecordForm::kCsv)
    return filtered_row(output_, join_ ? std::string(row) + "," + std::string(reply) : std::string(reply));
  if (!join_ && output_.is_whole()) return std::string(reply);
  OrderedJson value = parse_ordered_json(reply);
  if (join_) value = joined(parse_ordered_json(row), std::move(value));
  return text_of(output_.select(value));
}

}  // namespace clary::serving
