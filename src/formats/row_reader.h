// SPDX-License-Identifier: Apache-2.0
// Rows of a whole channel, batch after batch: RecordIO-protobuf, CSV and libsvm, from files (mapped) or from a
// descriptor (a FIFO in Pipe mode), gunzipped by their first bytes. Memory stays bounded by num_threads blocks of about
// a megabyte (or one row, where a row is larger). Row order is the order of the files and of the rows in them, also
// with threads. One reader belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/files.h"
#include "formats/batch.h"
#include "formats/content_type.h"
#include "formats/label_rule.h"

namespace clary::formats {

struct ReadOptions {
  std::int64_t feature_dim = 0;  // rows must be this wide; 0: the first row decides
  // Label columns of CSV where the content type has no label_size. Records carry their labels themselves.
  std::int64_t label_size = 1;
  // CSV without label_size whose rows are exactly feature_dim wide has no labels (NTM's rule).
  bool label_optional = false;
  bool ignore_labels = false;  // labels are checked for form but not stored
  std::optional<LabelRule> label_rule{};
  Layout layout = Layout::kAsData;
  bool allow_non_finite = false;  // accept nan and inf; CSV: also an empty field, as nan
  // XGBoost's rules for CSV and libsvm: empty fields, nan and NA are missing (NaN), infinity and quotes are refused.
  bool missing_allowed = false;
  char delimiter = ',';         // CSV without a delimiter parameter in its content type
  bool libsvm_request = false;  // libsvm with or without labels, which are skipped; a blank line is a row
  bool as_blocks = false;       // next() hands out blocks as they were decoded, so that no row is copied again
  int num_threads = 1;          // decoding threads; 1 decodes in next() itself
  std::uint64_t max_row_bytes = 256ULL << 20;  // one CSV line or one record
};

class RowReader {
 public:
  virtual ~RowReader() = default;

  /// Replaces `out` by the next rows, at most max_rows (>= 1) and fewer only at the end; false at the end of the data.
  /// Batches of one reader have the same width (libsvm: the largest index so far + 1), label width and, unless
  /// Layout::kAsData meets both kinds, layout.
  /// @throws Error{kMalformed} naming file, record or line, column, value and rule
  virtual bool next(Batch& out, std::int64_t max_rows) = 0;

  /// Rows handed out so far.
  virtual std::int64_t rows_read() const = 0;
};

struct InputFile {
  std::filesystem::path path;
  std::string name;  // for messages; "" means the path's file name
};

/// Regular files below `folder`, sorted by path, without hidden ones ("." at the start of a part); names are relative.
std::vector<InputFile> list_input_files(const std::filesystem::path& folder);

/// Empty type means RecordIO-protobuf, as for the built-in algorithms.
/// @throws Error{kInvalid} for a content type that is not rows
std::unique_ptr<RowReader> open_rows(std::vector<InputFile> files, const ContentType& type, const ReadOptions& options);
std::unique_ptr<RowReader> open_rows(UniqueFd fd, const std::string& name, const ContentType& type,
                                     const ReadOptions& options);
/// Bytes in memory; they outlive the reader. Not gunzipped.
std::unique_ptr<RowReader> open_rows(std::span<const std::byte> bytes, const std::string& name, const ContentType& type,
                                     const ReadOptions& options);

}  // namespace clary::formats
