// SPDX-License-Identifier: Apache-2.0
#include "formats/libsvm.h"

#include <fmt/format.h>

#include <charconv>
#include <limits>

#include "formats/csv.h"
#include "formats/number.h"

namespace clary::formats {
namespace {

constexpr std::uint64_t kMaxIndex = std::numeric_limits<std::int32_t>::max() - 1;
constexpr std::ptrdiff_t kReadAhead = 16;  // bytes that the fast paths may look at

bool is_blank(char c) noexcept { return c == ' ' || c == '\t' || c == '\r'; }
/// Blank, tab, carriage return, newline or #.
bool ends_word(char c) noexcept {
  constexpr std::uint64_t kEnds = 1ULL << ' ' | 1ULL << '\t' | 1ULL << '\r' | 1ULL << '\n' | 1ULL << '#';
  const auto code = static_cast<unsigned char>(c);
  return code <= '#' && (kEnds >> code & 1) != 0;
}
bool is_digit(char c) noexcept { return static_cast<unsigned char>(c - '0') < 10; }

}  // namespace

/// One line being read. Words end at a blank, the line end or a comment.
struct LibsvmDecoder::Line {
  const char* text;   // of the block
  const char* begin;  // of the line
  const char* at;     // how far reading has come
  const char* end;    // of the block: its last byte is a newline
  std::int64_t unit;

  const char* word_end() const noexcept {
    const char* p = at;
    while (!ends_word(*p)) ++p;
    return p;
  }
  void skip_blanks() noexcept {
    while (is_blank(*at)) ++at;
  }
  bool ended() const noexcept { return *at == '\n' || *at == '#'; }
  [[noreturn]] void fail(const char* where, std::string_view word, const std::string& problem) const {
    throw RowProblem{unit, fmt::format("column {}: {} {}", where - begin + 1, quoted_for_message(word), problem)};
  }
  [[noreturn]] void fail(const std::string& problem) const {
    fail(at, {at, static_cast<std::size_t>(word_end() - at)}, problem);
  }
};

// The block ends in a newline (CutOptions::newline_at_end): scanning to the end of a line needs no bound.
void LibsvmDecoder::decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) {
  // Rows of libsvm are always sparse.
  to.become_sparse();
  const std::string_view text = block.text();
  if (block.file_start && block.position == 0) {
    check_text(block);
    if (text.starts_with("\xEF\xBB\xBF")) block.position = 3;
  }
  shape.label_width = options_.request ? 0 : 1;
  if (options_.feature_dim > 0) shape.width = options_.feature_dim;
  Line line{text.data(), nullptr, text.data() + block.position, text.data() + text.size(), block.units};
  while (line.at != line.end && to.rows() < max_rows) {
    line.begin = line.at;
    decode_line(line, shape, to);
    while (*line.at != '\n') ++line.at;  // a comment
    ++line.at;
    line.unit = ++block.units;
    block.position = static_cast<std::size_t>(line.at - line.text);
  }
}

bool LibsvmDecoder::decode_line(Line& line, RowShape& shape, BatchBuilder& to) {
  line.skip_blanks();
  // A blank line is no row in training; in a request it is a row without features, as its answer has a place.
  if (line.ended() && (!options_.request || *line.at == '#')) return false;
  count_ = 0;
  ascending_ = true;
  weight_.reset();
  query_.reset();
  options_.request ? skip_label(line) : static_cast<void>(read_label(line, to));
  read_features(line);

  // Indices need not ascend in the file; a doubled one is an error, not a sum, since it is most often a mistake.
  if (!ascending_) {
    const std::size_t kept = sort_and_sum(count_, columns_.data(), values_.data());
    if (kept != count_) throw RowProblem{line.unit, "an index appears twice in the row"};
  }
  if (count_ > 0) {
    const std::int64_t width = std::int64_t{columns_[count_ - 1]} + 1;
    if (width > shape.width) {
      if (options_.feature_dim > 0)
        throw RowProblem{line.unit, fmt::format("index {} is not below feature_dim {}", width - 1, shape.width)};
      shape.width = width;
    }
  }
  std::copy_n(values_.data(), count_, to.values_room(count_));
  std::copy_n(columns_.data(), count_, to.columns_room(count_));
  to.add_row(count_, options_.request ? 0 : 1);
  if (weight_) to.set_weight(*weight_);
  if (query_) to.set_query(*query_);
  return true;
}

/// label, label:weight
bool LibsvmDecoder::read_label(Line& line, BatchBuilder& to) {
  const char* const begin = line.at;
  const char* const end = line.word_end();
  const char* colon = begin;
  while (colon != end && *colon != ':') ++colon;
  *to.labels_room(1) = number(line, begin, colon);
  const float label = *to.labels_room(1);
  if (std::isnan(label)) line.fail("is no label, expected a number");
  if (options_.label_rule && !options_.label_rule->allows(label))
    throw RowProblem{line.unit, "column 1: " + options_.label_rule->problem(label)};
  if (colon != end) {
    weight_ = number(line, colon + 1, end);
    if (!(*weight_ >= 0)) line.fail("has a weight that is negative or missing");
  }
  line.at = end;
  return true;
}

/// In a request the first word may be a label: a number without a colon. Anything else is a feature, or no libsvm.
void LibsvmDecoder::skip_label(Line& line) {
  const char* const end = line.word_end();
  const std::string_view word(line.at, static_cast<std::size_t>(end - line.at));
  if (word.empty() || word.find(':') != std::string_view::npos) return;
  number(line, line.at, end);
  line.at = end;
}

void LibsvmDecoder::read_features(Line& line) {
  for (line.skip_blanks(); !line.ended(); line.skip_blanks()) {
    // Grows geometrically; kept for the next line.
    if (values_.size() < count_ + 1) {
      values_.resize(2 * count_ + 64);
      columns_.resize(2 * count_ + 64);
    }
    // The fast path reads 16 bytes at once, which must lie in the block.
    if (line.end - line.at < kReadAhead || !read_short_feature(line)) read_feature(line);
  }
}

/// "123:4.5" with up to 7 digits of index; false, and nothing read, for everything else.
bool LibsvmDecoder::read_short_feature(Line& line) {
  namespace d = number_detail;
  // Eight characters at once; after the exclusive or a byte above 9 is no digit.
  const std::uint64_t digits = d::load8(line.at) ^ 0x3030303030303030;
  const std::uint64_t odd = d::non_digits(digits);
  if (odd == 0) return false;
  const int length = std::countr_zero(odd) / 8;
  if (length == 0 || line.at[length] != ':') return false;
  const char* const begin = line.at + length + 1;
  // Shifts the digits to the end of the word: the places in front count as zeros.
  const std::uint64_t index = d::eight_digits(digits << (8 * (8 - length)));
  float value;
  const char* end = begin + 1;
  // One digit: the most frequent value of counts and flags.
  if (is_digit(*begin) && ends_word(*end)) {
    value = static_cast<float>(*begin - '0');
  } else {
    while (!ends_word(*end)) ++end;
    if (end == begin || end - line.text < 16 || *begin == '\n') return false;
    if (!parse_short_decimal(begin, end, value) && !parse_long_decimal(begin, end, value)) return false;
  }
  add_feature(line, index, value);
  line.at = end;
  return true;
}

void LibsvmDecoder::read_feature(Line& line) {
  const char* const end = line.word_end();
  const std::string_view word(line.at, static_cast<std::size_t>(end - line.at));
  const std::size_t colon = word.find(':');
  if (colon == std::string_view::npos && options_.request) line.fail("is not index:value");
  const std::string_view name = word.substr(0, colon);
  if (name == "qid" && colon != std::string_view::npos) {
    const std::string_view id = word.substr(colon + 1);
    std::int64_t query = 0;
    const auto [stop, error] = std::from_chars(id.data(), id.data() + id.size(), query);
    if (error != std::errc() || stop != id.data() + id.size() || query < 0)
      line.fail("is not qid:n with a whole number n >= 0");
    // qid belongs between the label and the features (SVMrank's format).
    if (count_ > 0) line.fail("comes after features, expected after the label");
    query_ = query;
    line.at = end;
    return;
  }
  std::uint64_t index = 0;
  // kMaxIndex: index + 1 is the width, which must fit in 32 bits.
  const auto [stop, error] = std::from_chars(name.data(), name.data() + name.size(), index);
  if (error == std::errc::result_out_of_range || (error == std::errc() && index > kMaxIndex))
    line.fail(fmt::format("has an index above {}", kMaxIndex));
  if (error != std::errc() || stop != name.data() + name.size())
    line.fail("is not index:value, with an index that is a whole number >= 0");
  add_feature(line, index, colon == std::string_view::npos ? 1 : number(line, line.at + colon + 1, end));
  line.at = end;
}

void LibsvmDecoder::add_feature(const Line&, std::uint64_t index, float value) {
  const auto column = static_cast<std::int32_t>(index);
  ascending_ &= count_ == 0 || column > columns_[count_ - 1];
  columns_[count_] = column;
  values_[count_++] = value;
}

float LibsvmDecoder::number(const Line& line, const char* begin, const char* end) const {
  float value = 0;
  const std::string_view text(begin, static_cast<std::size_t>(end - begin));
  const bool quoted = text.find('"') != std::string_view::npos;
  switch (quoted ? NumberProblem::kNotANumber : parse_any_number(text, value)) {
    case NumberProblem::kNone:
      return value;
    case NumberProblem::kNotFinite:
      if (options_.missing_allowed && std::isnan(value)) return value;
      line.fail(begin, text, "is not a finite number");
    case NumberProblem::kOutOfRange:
      line.fail(begin, text, "is outside the range of float32");
    default:
      line.fail(begin, text, "is not a number");
  }
}

}  // namespace clary::formats
