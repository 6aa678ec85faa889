// SPDX-License-Identifier: Apache-2.0
#include "formats/csv.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/text.h"
#include "formats/number.h"
#include "formats/simd.h"

namespace clary::formats {
namespace {

constexpr std::size_t kTextChecked = 512;  // bytes of a file's start in which a zero byte means no text
constexpr std::size_t kIndexAhead = 4096;  // separators found at a time: the text between stays in the L1/L2 cache

std::string_view without_carriage_return(std::string_view line) {
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

std::string_view line_at(std::string_view text, std::size_t position) {
  return without_carriage_return(text.substr(position, text.find('\n', position) - position));
}

std::size_t count_fields(std::string_view line, char delimiter) {
  return static_cast<std::size_t>(std::count(line.begin(), line.end(), delimiter)) + 1;
}

/// How missing numbers are written: nothing, nan, NA (blanks around and case do not matter).
bool is_missing(std::string_view field) {
  field = trimmed(field);
  if (!field.empty() && (field.front() == '+' || field.front() == '-')) field.remove_prefix(1);
  const std::string word = lower(field);
  return word.empty() || word == "nan" || word == "na" || word == "n/a";
}

}  // namespace

std::string quoted_for_message(std::string_view text) {
  constexpr std::size_t kShown = 40;
  std::string out = "\"";
  for (const char c : text.substr(0, kShown)) {
    if (c >= ' ' && c <= '~') {
      out += c;
    } else {
      out += fmt::format("\\x{:02X}", static_cast<unsigned char>(c));
    }
  }
  out += text.size() > kShown ? "...\"" : "\"";
  return out;
}

void check_text(const Block& block) {
  struct Form {
    std::string_view start, name;
  };
  constexpr auto kForms = std::to_array<Form>({
      {"PAR1", "a Parquet file"},
      {"PK\x03\x04", "a zip archive (an Excel workbook, perhaps)"},
      {"\x89HDF", "an HDF5 file"},
      {"\x93NUMPY", "an array of numpy"},
      {"Obj\x01", "an Avro file"},
      {"\xFF\xFE", "UTF-16 text; expected UTF-8"},
      {"\xFE\xFF", "UTF-16 text; expected UTF-8"},
  });
  const std::string_view text = block.text();
  for (const auto& [start, name] : kForms)
    if (text.starts_with(start)) throw RowProblem{block.units, fmt::format("this is {}, not text", name)};
  const std::size_t zero = text.substr(0, kTextChecked).find('\0');
  if (zero != std::string_view::npos)
    throw RowProblem{block.units, fmt::format("byte {} is 0: this is a binary file, not text", zero + 1)};
}

// Quoted line ends are not supported (numbers have none): the last newline ends a row.
std::size_t complete_csv_lines(std::span<const std::byte> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  const auto newline = text.rfind('\n');
  return newline == std::string_view::npos ? 0 : newline + 1;
}

// The order of preference of Python's csv.Sniffer, then the most frequent punctuation mark.
char guess_delimiter(std::string_view line) {
  for (const char preferred : {',', '\t', ';', ' ', ':'})
    if (line.find(preferred) != std::string_view::npos) return preferred;
  std::array<std::size_t, 128> count{};
  char best = ',';
  for (const char c : line) {
    const auto code = static_cast<unsigned char>(c);
    // Characters that occur in numbers, quotes and blanks cannot be what separates them.
    if (code <= ' ' || code >= 127 || std::isalnum(code) || std::strchr("+-.\"'", c) != nullptr) continue;
    if (++count[code] > count[static_cast<unsigned char>(best)]) best = c;
  }
  return best;
}

std::optional<char> delimiter_parameter(const ContentType& type) {
  const auto value = type.parameter("delimiter");
  if (!value) return std::nullopt;
  const std::string word = lower(*value);
  if (word == "tab" || word == "t" || word == "\\t") return '\t';  // "\t" in quotes loses its backslash
  if (word == "space" || word == "blank") return ' ';
  if (word == "comma") return ',';
  if (word == "semicolon") return ';';
  if (value->size() == 1 && !std::isalnum(static_cast<unsigned char>(value->front())) &&
      std::strchr("+-.\"\r\n", value->front()) == nullptr)
    return value->front();
  throw Error(Kind::kInvalid, "content type: delimiter: " + quoted_for_message(*value) +
                                  " is not one character, \"tab\", \"space\", \"comma\" or \"semicolon\"");
}

// Separators are found ahead by vector code (simd.cpp); numbers are read between them. indexed_ and expected_position_
// say whether the index still fits: the same block, continued where the last call ended.
void CsvDecoder::decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) {
  start(block);
  const std::string_view text = block.text();
  while (block.position < block.bytes.size() && to.rows() < max_rows) {
    if (skip_blank_line(block)) continue;
    if (shape.width == 0 || shape.label_width < 0) find_shape(block, shape);
    if (to.rows() == 0 && !to.sparse()) {
      const std::size_t line = line_at(text, block.position).size() + 1;
      to.expect(std::min(max_rows, rows_expected(text.size() - block.position, line)), shape.width);
    }
    if (to.sparse()) {
      decode_row<true>(block, shape, to);
    } else {
      decode_row<false>(block, shape, to);
    }
  }
  expected_position_ = block.position;
}

void CsvDecoder::start(Block& block) {
  const std::string_view text = block.text();
  const bool fresh = block.position == 0;
  if (block.file_start && fresh) {
    check_text(block);
    if (text.starts_with("\xEF\xBB\xBF")) block.position = 3;  // byte order mark
    // A header is skipped once per file, as each file has its own.
    if (options_.header) {
      while (block.position < text.size()) {
        const std::string_view line = line_at(text, block.position);
        block.position = text.find('\n', block.position) + 1;
        ++block.units;
        if (!trimmed(line).empty()) break;
      }
    }
  }
  if (!fresh && indexed_ == block.bytes.data() && expected_position_ == block.position) return;
  indexed_ = block.bytes.data();
  indexed_to_ = block.position;
  next_ = count_ = 0;
}

/// Makes at least `fields` separators available, or all that the block has left.
/// Unused separators move to the front, and the search goes on behind the last one.
void CsvDecoder::fill(const Block& block, std::size_t fields) {
  if (count_ - next_ >= fields) return;
  std::copy(separators_.begin() + static_cast<std::ptrdiff_t>(next_),
            separators_.begin() + static_cast<std::ptrdiff_t>(count_), separators_.begin());
  count_ -= next_;
  next_ = 0;
  const std::size_t wanted = fields + kIndexAhead;
  if (separators_.size() < wanted + simd::kIndexSlack) separators_.resize(wanted + simd::kIndexSlack);
  count_ += simd::index_separators(block.text(), indexed_to_, separators_.data() + count_, wanted - count_,
                                   options_.delimiter);
}

bool CsvDecoder::skip_blank_line(Block& block) {
  const char first = block.text()[block.position];
  if (first != '\n' && first != '\r' && first != ' ' && first != '\t') return false;
  if (first == options_.delimiter && first == '\t') return false;  // a row whose first field is empty
  // Every line of a block ends with a newline (newline_at_end), so that find() succeeds.
  const std::size_t end = block.text().find('\n', block.position);
  const std::string_view line = block.text().substr(block.position, end - block.position);
  if (!trimmed(line).empty()) return false;
  // Where blanks separate, a line of them is a row of missing values. It also has more than the one separator, its line
  // end, that is skipped below.
  if (line.find(options_.delimiter) != std::string_view::npos) return false;
  fill(block, 1);
  ++next_;
  block.position = end + 1;
  ++block.units;
  return true;
}

/// The first row says how wide rows are.
void CsvDecoder::find_shape(const Block& block, RowShape& shape) const {
  const auto fields =
      static_cast<std::int64_t>(count_fields(line_at(block.text(), block.position), options_.delimiter));
  const std::int64_t dim = options_.feature_dim;
  std::int64_t labels = options_.label_size.value_or(options_.default_label_size);
  // NTM's files may come with or without a label column; the width decides.
  if (options_.label_optional && !options_.label_size && dim > 0 && fields == dim) labels = 0;
  if (dim > 0 && fields != dim + labels) {
    throw RowProblem{block.units, fmt::format("the row has {} columns, expected {} (feature_dim {} + label_size {})",
                                              fields, dim + labels, dim, labels)};
  }
  if (fields <= labels) {
    throw RowProblem{block.units,
                     fmt::format("the row has {} columns, no features beside the {} of label_size", fields, labels)};
  }
  if (options_.label_rule && labels != 1) {
    throw RowProblem{block.units, fmt::format("the row has {} labels (label_size), expected one", labels)};
  }
  if (fields > std::numeric_limits<std::int32_t>::max())
    throw RowProblem{block.units, "the row has too many columns", true};
  shape.width = fields - labels;
  shape.label_width = labels;
}

template <bool kSparse>
void CsvDecoder::decode_row(Block& block, const RowShape& shape, BatchBuilder& to) {
  const auto labels = static_cast<std::size_t>(shape.label_width);
  const auto width = static_cast<std::size_t>(shape.width);
  const std::size_t fields = labels + width;
  fill(block, fields);
  const char* const text = block.text().data();
  // Nothing is read behind text_end: the fast paths check what they need.
  const char* const text_end = text + block.bytes.size();
  // The row must end with the newline at its last separator; otherwise it is ragged.
  // separators[f] is the offset of the separator behind field f.
  const std::uint32_t* const separators = separators_.data() + next_;
  if (count_ - next_ < fields || text[separators[fields - 1]] != '\n') fail(block, fields, fields, "");

  const char* begin = text + block.position;
  const char delimiter = options_.delimiter;
  const auto number = [&](std::size_t column) {
    const char* const separator = text + separators[column];
    if (column + 1 != fields && *separator != delimiter) fail(block, fields, column, "");
    const char* end = separator;
    // The fast parsers look at the 16 bytes before the number's end, which must lie in the block.
    if (column + 1 == fields && end != begin && end[-1] == '\r') --end;
    // The usual short and long decimals are parsed in registers; everything else (exponents, blanks, quotes) goes the
    // slow way.
    float value;
    if (end - text < 16 || end == begin ||
        !(parse_short_decimal(begin, end, value) || parse_long_decimal(begin, end, value))) {
      value = slow_number(block, fields, column, begin, end);
    }
    begin = separator + 1;
    return value;
  };

  // Room now, the count in add_row(): a row that fails leaves the batch as it was.
  float* const label = to.labels_room(labels);
  for (std::size_t f = 0; f < labels; ++f) label[f] = number(f);
  if (options_.label_rule && !options_.label_rule->allows(label[0]))
    fail(block, fields, 0, options_.label_rule->problem(label[0]), /*header_hint=*/false);

  float* const values = to.values_room(width);
  std::int32_t* const columns = kSparse ? to.columns_room(width) : nullptr;
  std::size_t kept = 0;
  for (std::size_t d = 0; d < width;) {
    // Counts and flags: eight one-digit fields at once.
    if (width - d > simd::kDigitRun && delimiter == ',' && begin[1] == ',' &&
        text_end - begin >= simd::kDigitRunBytes) {
      bool run = false;
      if constexpr (kSparse) {
        run = simd::is_zero_run(begin);
        if (!run) {
          const int added = simd::sparse_digit_run(begin, static_cast<std::int32_t>(d), values + kept, columns + kept);
          run = added >= 0;
          kept += static_cast<std::size_t>(std::max(added, 0));
        }
      } else {
        run = simd::digit_run(begin, values + d);
      }
      if (run) {
        begin += simd::kDigitRunBytes;
        d += simd::kDigitRun;
        continue;
      }
    }
    const float value = number(labels + d);
    if constexpr (kSparse) {
      if (value != 0) {
        values[kept] = value;
        columns[kept++] = static_cast<std::int32_t>(d);
      }
    } else {
      values[d] = value;
    }
    ++d;
  }
  to.add_row(kSparse ? kept : width, options_.ignore_labels ? 0 : labels);
  next_ += fields;
  // begin is behind the row's newline.
  block.position = static_cast<std::size_t>(begin - text);
  ++block.units;
}

float CsvDecoder::slow_number(const Block& block, std::size_t fields, std::size_t column, const char* begin,
                              const char* end) const {
  float value = 0;
  const std::string_view field(begin, static_cast<std::size_t>(end - begin));
  if (options_.missing_allowed) return missing_or_number(block, fields, column, field);
  switch (parse_any_number(field, value)) {
    case NumberProblem::kNone:
      return value;
    case NumberProblem::kEmpty:
      if (options_.allow_non_finite) return std::numeric_limits<float>::quiet_NaN();
      fail(block, fields, column, "the field is empty, expected a number");
    case NumberProblem::kNotFinite:
      if (options_.allow_non_finite) return value;
      fail(block, fields, column, quoted_for_message(field) + " is not a finite number");
    case NumberProblem::kOutOfRange:
      fail(block, fields, column, quoted_for_message(field) + " is outside the range of float32");
    case NumberProblem::kNotANumber:
      break;
  }
  fail(block, fields, column, quoted_for_message(field) + " is not a number");
}

/// XGBoost's rules: empty, nan and NA are missing, except as a label; infinity and numbers in quotes are refused.
float CsvDecoder::missing_or_number(const Block& block, std::size_t fields, std::size_t column,
                                    std::string_view field) const {
  float value = 0;
  const bool quoted = field.find('"') != std::string_view::npos;
  if (!quoted && is_missing(field)) {
    const auto labels = static_cast<std::size_t>(options_.label_size.value_or(options_.default_label_size));
    if (column < labels)
      fail(block, fields, column, quoted_for_message(field) + " is a missing label or weight, expected a number");
    return std::numeric_limits<float>::quiet_NaN();
  }
  switch (quoted ? NumberProblem::kNotANumber : parse_any_number(field, value)) {
    case NumberProblem::kNone:
      return value;
    case NumberProblem::kNotFinite:
    case NumberProblem::kOutOfRange:
      fail(block, fields, column, quoted_for_message(field) + " is infinite or outside the range of float32");
    default:
      break;
  }
  fail(block, fields, column,
       quoted_for_message(field) + (quoted ? " is in quotes, expected a plain number" : " is not a number"));
}

/// Looks at the row again to name what is wrong: its width first, then the number.
void CsvDecoder::fail(const Block& block, std::size_t fields, std::size_t column, const std::string& problem,
                      bool header_hint) const {
  const std::size_t found = count_fields(line_at(block.text(), block.position), options_.delimiter);
  if (found != fields) {
    throw RowProblem{block.units, fmt::format("the row has {} columns, expected {}", found, fields)};
  }
  // Numbers that cannot be read in the first line are most often column names.
  const bool first = header_hint && block.file_start && block.units == 0 && !options_.header;
  throw RowProblem{block.units, fmt::format("column {}: {}{}", column + 1, problem,
                                            first ? " (if this line is a header, say text/csv;header=present)" : "")};
}

}  // namespace clary::formats
