// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/encode.h"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "base/error.h"
#include "base/json.h"
#include "formats/record_proto.h"

namespace clary::shell {
namespace {

using Kind = Column::Kind;

// One element is a value, several are a list, as the column says and whatever the row's length.
void append_values(std::string& out, const Column& column, std::int64_t row) {
  const bool list = column.kind == Kind::kNumbers || column.kind == Kind::kTexts;
  if (list) out += '[';
  bool first = true;
  const auto separate = [&] {
    if (!first) out += ", ";
    first = false;
  };
  if (column.kind == Kind::kNumber || column.kind == Kind::kNumbers) {
    for (const float value : column.numbers_of(row)) separate(), append_number(out, value, column.digits);
  } else {
    for (const std::string& text : column.texts_of(row)) separate(), append_json_text(out, text);
  }
  if (list) out += ']';
}

void append_object(std::string& out, const std::vector<std::string>& keys, const Predictions& predictions,
                   std::int64_t row) {
  out += '{';
  for (std::size_t c = 0; c < keys.size(); ++c) {
    if (c > 0) out += ", ";
    out += keys[c];
    append_values(out, predictions.columns[c], row);
  }
  out += '}';
}

/// `"name": ` of each column, escaped once.
std::vector<std::string> json_keys(const Predictions& predictions) {
  std::vector<std::string> keys;
  for (const Column& column : predictions.columns) {
    std::string& key = keys.emplace_back();
    append_json_text(key, column.name);
    key += ": ";
  }
  return keys;
}

// Slightly too large: one allocation for the answer instead of a series of doublings.
std::size_t size_hint(const Predictions& predictions) {
  // 14: the longest float32 with its separator; 24: a guess for texts.
  std::size_t bytes = 32;
  for (const Column& column : predictions.columns)
    bytes += column.numbers.size() * 14 + column.texts.size() * 24 +
             static_cast<std::size_t>(predictions.rows) * (column.name.size() + 8);
  return bytes;
}

std::string encode_json(const Predictions& predictions) {
  const auto keys = json_keys(predictions);
  std::string out;
  out.reserve(size_hint(predictions));
  out += "{\"predictions\": [";
  for (std::int64_t row = 0; row < predictions.rows; ++row) {
    if (row > 0) out += ", ";
    append_object(out, keys, predictions, row);
  }
  return out += "]}";
}

std::string encode_json_lines(const Predictions& predictions) {
  const auto keys = json_keys(predictions);
  std::string out;
  out.reserve(size_hint(predictions));
  for (std::int64_t row = 0; row < predictions.rows; ++row) {
    append_object(out, keys, predictions, row);
    out += '\n';
  }
  return out;
}

/// RFC 4180: quoted when it holds a comma, a quote or a line end.
void append_csv_text(std::string& out, std::string_view text) {
  if (text.find_first_of(",\"\r\n") == std::string_view::npos) {
    out += text;
    return;
  }
  out += '"';
  for (const char c : text) {
    if (c == '"') out += '"';
    out += c;
  }
  out += '"';
}

std::string encode_csv(const Predictions& predictions) {
  std::string out;
  out.reserve(size_hint(predictions));
  // A line of CSV is flat: lists of a row follow each other in it.
  for (std::int64_t row = 0; row < predictions.rows; ++row) {
    bool first = true;
    const auto separate = [&] {
      if (!first) out += ',';
      first = false;
    };
    for (const Column& column : predictions.columns) {
      if (column.kind == Kind::kNumber || column.kind == Kind::kNumbers)
        for (const float value : column.numbers_of(row)) separate(), append_number(out, value, column.digits);
      else
        for (const std::string& text : column.texts_of(row)) separate(), append_csv_text(out, text);
    }
    out += '\n';
  }
  return out;
}

/// Numbers become label tensors; texts, for which the record has no place, a JSON object in `metadata`.
std::string encode_records(const Predictions& predictions, const std::vector<std::string>& uids) {
  std::string out, metadata;
  formats::RecordWriter writer(out);
  std::vector<formats::NamedTensor> tensors;
  for (std::int64_t row = 0; row < predictions.rows; ++row) {
    tensors.clear();
    metadata.clear();
    for (const Column& column : predictions.columns) {
      if (column.kind == Kind::kNumber || column.kind == Kind::kNumbers) {
        tensors.push_back({column.name, column.numbers_of(row)});
        continue;
      }
      metadata += metadata.empty() ? "{" : ", ";
      append_json_text(metadata, column.name);
      metadata += ": ";
      append_values(metadata, column, row);
    }
    if (!metadata.empty()) metadata += '}';
    // uids are per row, or absent for all.
    writer.write_answer(tensors, uids.empty() ? std::string_view() : uids[static_cast<std::size_t>(row)], metadata);
  }
  return out;
}

}  // namespace

// to_chars gives the shortest text that reads back as the same float; ".0" keeps it a float for clients that look at
// the form.
void append_number(std::string& out, float value) {
  if (!std::isfinite(value)) {
    // As JSON has no NaN.
    out += "null";
    return;
  }
  char text[32];
  const auto [end, error] = std::to_chars(text, text + sizeof text, value);
  out.append(text, end);
  if (std::string_view(text, static_cast<std::size_t>(end - text)).find_first_of(".e") == std::string_view::npos)
    out += ".0";
}

void append_number(std::string& out, float value, Column::Digits digits) {
  if (digits == Column::Digits::kFloat) return append_number(out, value);
  if (!std::isfinite(value)) {
    out += "null";
    return;
  }
  char text[64];
  char* end = text;
  if (digits == Column::Digits::kInteger) {
    end = std::to_chars(text, text + sizeof text, static_cast<std::int64_t>(std::llround(value))).ptr;
  } else {
    const double x = value, size = std::abs(x);  // Python's repr: an exponent below 1e-4 and from 1e16
    const auto form =
        x == 0 || (size >= 1e-4 && size < 1e16) ? std::chars_format::fixed : std::chars_format::scientific;
    end = std::to_chars(text, text + sizeof text, x, form).ptr;
    if (form == std::chars_format::fixed && std::find(text, end, '.') == end) *end++ = '.', *end++ = '0';
  }
  out.append(text, end);
}

void append_json_text(std::string& out, std::string_view text) {
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 0x20 || byte >= 0x7f || c == '"' || c == '\\') {
      out += dump_json(Json(std::string(text)));  // the rare case: escapes, and U+FFFD for what is not UTF-8
      return;
    }
  }
  out += '"';
  out += text;
  out += '"';
}

std::string encode(const Predictions& predictions, formats::Format format, const std::vector<std::string>& uids) {
  switch (format) {
    case formats::Format::kJson:
      return encode_json(predictions);
    case formats::Format::kJsonLines:
      return encode_json_lines(predictions);
    case formats::Format::kCsv:
      return encode_csv(predictions);
    case formats::Format::kRecordIoProtobuf:
      return encode_records(predictions, uids);
    case formats::Format::kLibsvm:
    case formats::Format::kText:
    case formats::Format::kOther:
      break;
  }
  throw Error(clary::Kind::kInternal, "encode: no such format");
}

}  // namespace clary::shell
