// SPDX-License-Identifier: Apache-2.0
// CSV blocks to rows of float32. Separators are found 64 bytes at a time into an index, so that the fields between them
// are parsed independently of each other; numbers go through number.h. Internal to formats.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "formats/block.h"
#include "formats/content_type.h"
#include "formats/label_rule.h"

namespace clary::formats {

struct CsvOptions {
  std::int64_t feature_dim = 0;            // 0: the first row decides
  std::optional<std::int64_t> label_size;  // explicit, from the content type
  std::int64_t default_label_size = 1;
  bool label_optional = false;
  bool ignore_labels = false;
  std::optional<LabelRule> label_rule{};
  bool allow_non_finite = false;
  bool missing_allowed = false;  // ReadOptions::missing_allowed
  char delimiter = ',';
  bool header = false;  // the first line of every file is one
};

class CsvDecoder : public BlockDecoder {
 public:
  explicit CsvDecoder(const CsvOptions& options) : options_(options) {}

  void decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) override;
  const char* unit() const noexcept override { return "line"; }

 private:
  void start(Block& block);
  void fill(const Block& block, std::size_t fields);
  bool skip_blank_line(Block& block);
  void find_shape(const Block& block, RowShape& shape) const;
  template <bool kSparse>
  void decode_row(Block& block, const RowShape& shape, BatchBuilder& to);
  float slow_number(const Block& block, std::size_t fields, std::size_t column, const char* begin,
                    const char* end) const;
  float missing_or_number(const Block& block, std::size_t fields, std::size_t column, std::string_view field) const;
  [[noreturn]] void fail(const Block& block, std::size_t fields, std::size_t column, const std::string& problem,
                         bool header_hint = true) const;

  CsvOptions options_;
  // Index of the separators (',' and '\n') of one block, as offsets from its start; [next_, count_) are still to use.
  const std::byte* indexed_ = nullptr;
  std::size_t indexed_to_ = 0;
  std::size_t expected_position_ = 0;
  std::vector<std::uint32_t> separators_;
  std::size_t next_ = 0;
  std::size_t count_ = 0;
};

/// Refuses a file that is no text by its first bytes, which would otherwise be an odd value of line 1.
/// @param block  the first of its file
/// @throws RowProblem naming what the file is
void check_text(const Block& block);

/// Bytes of `text` up to and with its last newline: what can be decoded before more arrives.
std::size_t complete_csv_lines(std::span<const std::byte> bytes);

/// The delimiter of a first line as Python's csv.Sniffer finds it for one line, without its mistake of taking a digit:
/// the first of `,` tab `;` blank `:` that occurs, else the most frequent mark that cannot belong to a number; `,` for
/// one column.
char guess_delimiter(std::string_view line);

/// The `delimiter` parameter of a content type ("tab", "space", "\\t" or one character), or nothing.
/// @throws Error{kInvalid} for anything else
std::optional<char> delimiter_parameter(const ContentType& type);

/// Foreign text for a message: at most 40 bytes, unprintable ones as \xNN.
std::string quoted_for_message(std::string_view text);

}  // namespace clary::formats
