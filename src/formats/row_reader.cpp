// SPDX-License-Identifier: Apache-2.0
#include "formats/row_reader.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "formats/block_source.h"
#include "formats/csv.h"
#include "formats/libsvm.h"
#include "formats/parallel_reader.h"
#include "formats/record_decoder.h"

namespace clary::formats {
namespace {

constexpr std::uint64_t kMaxRowBytes = 1ULL << 30;  // offsets inside a block are 32 bits wide

CsvOptions csv_options(const ContentType& type, const ReadOptions& options) {
  type.require_utf8();
  CsvOptions csv;
  csv.feature_dim = options.feature_dim;
  csv.label_size = type.label_size();
  csv.default_label_size = options.label_size;
  csv.label_optional = options.label_optional;
  csv.ignore_labels = options.ignore_labels;
  csv.label_rule = options.label_rule;
  csv.allow_non_finite = options.allow_non_finite;
  csv.missing_allowed = options.missing_allowed;
  csv.delimiter = delimiter_parameter(type).value_or(options.delimiter);
  csv.header = type.parameter("header") == "present";
  return csv;
}

MakeDecoder decoder_for(const ContentType& type, const ReadOptions& options) {
  if (type.format() == Format::kCsv) {
    return [csv = csv_options(type, options)] { return std::make_unique<CsvDecoder>(csv); };
  }
  if (type.format() == Format::kLibsvm) {
    type.require_utf8();
    return [libsvm = LibsvmOptions{options.feature_dim, options.libsvm_request, options.missing_allowed,
                                   options.label_rule}] { return std::make_unique<LibsvmDecoder>(libsvm); };
  }
  if (type.type.empty() || type.format() == Format::kRecordIoProtobuf) {
    return [record = RecordOptions{options.feature_dim, options.ignore_labels, options.allow_non_finite,
                                   options.label_rule}] { return std::make_unique<RecordDecoder>(record); };
  }
  throw Error(Kind::kInvalid,
              "content type \"" + type.text() +
                  "\" is not supported for rows: use application/x-recordio-protobuf, text/csv or text/libsvm");
}

CutOptions cut_options(const ContentType& type, const ReadOptions& options) {
  CutOptions cut;
  cut.max_row_bytes = std::min(options.max_row_bytes, kMaxRowBytes);
  if (type.format() == Format::kCsv || type.format() == Format::kLibsvm) {
    cut.cut = [](std::span<const std::byte> bytes, std::size_t) { return complete_csv_lines(bytes); };
    cut.newline_at_end = true;
    cut.unit = "line";
  } else {
    cut.cut = complete_records;
    // One thread decodes a mapped file as one block: walking the headers first would only wait for memory twice.
    cut.whole_when_mapped = options.num_threads <= 1;
  }
  return cut;
}

/// Decodes in the caller's thread, straight into the caller's batch.
class InlineReader : public RowReader {
 public:
  InlineReader(std::unique_ptr<BlockSource> source, const MakeDecoder& make_decoder, const ReadOptions& options)
      : source_(std::move(source)), decoder_(make_decoder()), layout_(options.layout), as_blocks_(options.as_blocks) {}

  bool next(Batch& out, std::int64_t max_rows) override {
    BatchBuilder builder(out, layout_ == Layout::kSparse);
    // Blocks without rows (blank lines) are passed over.
    while (builder.rows() < max_rows && (block_.position < block_.bytes.size() || next_block())) {
      try {
        decoder_->decode(block_, shape_, builder, max_rows);
      } catch (const RowProblem& problem) {
        throw_problem(problem, *block_.file, decoder_->unit(), units_before_);
      }
      if (as_blocks_ && builder.rows() > 0) break;
    }
    builder.finish(shape_);
    if (layout_ == Layout::kDense) make_dense(out);
    rows_read_ += out.rows;
    return out.rows > 0;
  }

  std::int64_t rows_read() const override { return rows_read_; }

 private:
  bool next_block() {
    units_before_ += block_.units;
    if (!source_->next(block_)) return false;
    if (block_.file_start) units_before_ = 0;
    return true;
  }

  std::unique_ptr<BlockSource> source_;
  std::unique_ptr<BlockDecoder> decoder_;
  Layout layout_;
  bool as_blocks_;
  RowShape shape_;
  Block block_;
  std::int64_t units_before_ = 0;
  std::int64_t rows_read_ = 0;
};

std::unique_ptr<RowReader> make_reader(std::unique_ptr<BlockSource> source, const ContentType& type,
                                       const ReadOptions& options) {
  const MakeDecoder decoder = decoder_for(type, options);
  if (options.num_threads <= 1) return std::make_unique<InlineReader>(std::move(source), decoder, options);
  return make_parallel_reader(std::move(source), decoder, options);
}

}  // namespace

void throw_problem(const RowProblem& problem, const std::string& file, const char* unit, std::int64_t units_before) {
  throw Error(problem.limit ? Kind::kLimit : Kind::kMalformed,
              fmt::format("{}: {} {}: {}", file, unit, units_before + problem.unit + 1, problem.text));
}

// Hidden files and folders are no data. Names are relative and sorted, so that every host reads in the same order.
std::vector<InputFile> list_input_files(const std::filesystem::path& folder) {
  namespace fs = std::filesystem;
  std::vector<InputFile> files;
  for (auto it = fs::recursive_directory_iterator(folder); it != fs::recursive_directory_iterator(); ++it) {
    if (it->path().filename().string().starts_with('.')) {
      if (it->is_directory()) it.disable_recursion_pending();
      continue;
    }
    if (it->is_regular_file()) files.push_back({it->path(), fs::relative(it->path(), folder).string()});
  }
  std::sort(files.begin(), files.end(), [](const InputFile& a, const InputFile& b) { return a.name < b.name; });
  return files;
}

std::unique_ptr<RowReader> open_rows(std::vector<InputFile> files, const ContentType& type,
                                     const ReadOptions& options) {
  return make_reader(file_blocks(std::move(files), cut_options(type, options)), type, options);
}

std::unique_ptr<RowReader> open_rows(UniqueFd fd, const std::string& name, const ContentType& type,
                                     const ReadOptions& options) {
  return make_reader(stream_blocks(open_bytes(std::move(fd), name), name, cut_options(type, options)), type, options);
}

std::unique_ptr<RowReader> open_rows(std::span<const std::byte> bytes, const std::string& name, const ContentType& type,
                                     const ReadOptions& options) {
  return make_reader(memory_blocks(bytes, name, cut_options(type, options)), type, options);
}

}  // namespace clary::formats
