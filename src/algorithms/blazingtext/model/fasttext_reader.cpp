// SPDX-License-Identifier: Apache-2.0
// See fasttext_file.h.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <optional>

#include "algorithms/blazingtext/model/fasttext_file.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/byte_cursor.h"

namespace clary::blazingtext {

using artifact::ByteCursor;

namespace {

constexpr std::int32_t kMagic = 793'712'314;
constexpr std::int32_t kOldVersion = 11, kVersion = 12;
constexpr std::int32_t kMaxForeignDimension = 1 << 16;  // Clary's limit
constexpr std::int32_t kMaxNgram = 1000;                // Clary's limit: an n-gram costs its length at every character
constexpr std::uint64_t kSmallestEntry = 1 + 8 + 1;     // NUL, count, type
constexpr std::int64_t kMaxCount = 1'000'000'000'000'000;  // fastText's infinity in its Huffman tree

// In the order of fastText's Args::load; every value is bounded where it is used as a size or a loop's limit.
Settings read_settings(ByteCursor& in) {
  if (in.take<std::int32_t>("magic number") != kMagic)
    in.fail(0, "is not a fastText binary model (wrong magic number)");
  const auto version = in.between<std::int32_t>("version", kOldVersion, kVersion);
  Settings out;
  out.dim = in.between<std::int32_t>("dim", 1, kMaxForeignDimension);
  out.window_size = in.take<std::int32_t>("ws");
  out.epochs = in.take<std::int32_t>("epoch");
  out.min_count = in.take<std::int32_t>("minCount");
  out.negative_samples = in.take<std::int32_t>("neg");
  out.word_ngrams = in.between<std::int32_t>("wordNgrams", 0, kMaxNgram);
  out.loss = Loss{in.between<std::int32_t>("loss", 1, 4)};
  out.architecture = Architecture{in.between<std::int32_t>("model", 1, 3)};
  out.buckets = in.between<std::int32_t>("bucket", 0);
  out.min_char = in.between<std::int32_t>("minn", 0, kMaxNgram);
  out.max_char = in.between<std::int32_t>("maxn", 0, kMaxNgram);
  out.update_rate = in.take<std::int32_t>("lrUpdateRate");
  out.sampling_threshold = in.take<double>("t");
  if (version == kOldVersion && out.is_supervised()) out.max_char = 0;  // fastText's rule
  return out;
}

/// @param out  its nwords and nlabels decide which type an entry must have: words first, labels after
void read_entries(ByteCursor& in, Dictionary& out) {
  const auto size = static_cast<std::size_t>(out.size());
  out.words.reserve(size), out.counts.reserve(size);
  for (std::size_t i = 0; i < size; ++i) {
    out.words.emplace_back(in.text("a word"));
    out.counts.push_back(in.between<std::int64_t>("a word's count", 0, kMaxCount - 1));
    const std::uint8_t type = out.is_label(static_cast<std::int64_t>(i)) ? 1 : 0;
    const std::size_t at = in.at();
    if (in.take<std::uint8_t>("a word's type") != type)
      in.fail(at, fmt::format("the type of entry {} must be {}: words come before labels", i, type));
  }
}

// fastText's Dictionary::load: words and labels in one list, words first.
Dictionary read_dictionary(ByteCursor& in, std::int64_t& pruned) {
  Dictionary out;
  const std::size_t at = in.at();
  const auto size = in.between<std::int32_t>("the dictionary's size", 0);
  out.nwords = in.between<std::int32_t>("nwords", 0);
  out.nlabels = in.between<std::int32_t>("nlabels", 0);
  out.ntokens = in.take<std::int64_t>("ntokens");
  pruned = in.between<std::int64_t>("pruneidx_size", -1);
  if (out.nwords + out.nlabels != size)
    in.fail(at, fmt::format("{} words and {} labels do not make {} entries", out.nwords, out.nlabels, size));
  // Checked before reserve(): the count is foreign.
  if (static_cast<std::uint64_t>(size) > in.left() / kSmallestEntry)
    in.fail(at, fmt::format("{} entries, but only {} bytes follow", size, in.left()));
  read_entries(in, out);
  out.build_index();
  return out;
}

/// @param pruned  pairs that follow; -1: the model was not pruned
/// Only quantised models are pruned: pairs of a bucket and its row.
void read_kept_buckets(ByteCursor& in, std::int64_t pruned, Model& out) {
  if (pruned < 0) return;
  const std::size_t at = in.at();
  if (static_cast<std::uint64_t>(pruned) > in.left() / 8)
    in.fail(at, fmt::format("pruneidx_size is {}, but only {} bytes follow", pruned, in.left()));
  std::vector<BucketTable::Entry> kept(static_cast<std::size_t>(pruned));
  for (auto& entry : kept) {
    entry.bucket = in.take<std::int32_t>("a kept bucket");
    entry.row = in.between<std::int32_t>("the row of a kept bucket", 0, pruned - 1);
  }
  out.bucket_rows.emplace(std::move(kept));
}

// memcpy: the file has no alignment.
void copy_floats(std::span<const std::byte> bytes, std::span<float> out) {
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
}

/// A matrix in the file.
struct Rows {
  std::int64_t rows = 0, columns = 0;
  std::size_t at = 0;  // of the first row in the file
  std::span<const std::byte> bytes;

  std::size_t row_bytes() const { return static_cast<std::size_t>(columns) * sizeof(float); }
  std::span<const std::byte> of(std::int64_t first, std::int64_t count) const {
    return bytes.subspan(static_cast<std::size_t>(first) * row_bytes(), static_cast<std::size_t>(count) * row_bytes());
  }
};

// A view of the mapped file; nothing is copied yet.
Rows read_rows(ByteCursor& in, std::int64_t columns, const char* what) {
  Rows out;
  out.rows = in.between<std::int64_t>(what, 0, kMaxRows);
  out.columns = in.between<std::int64_t>(what, columns, columns);
  out.at = in.at();
  out.bytes = in.block(static_cast<std::uint64_t>(out.rows * out.columns), sizeof(float), what);  // below 2^47
  return out;
}

/// Memory that nothing is written to yet.
Matrix empty_matrix(std::int64_t rows, std::int64_t columns) {
  Matrix out;
  out.rows = rows, out.columns = columns;
  out.values.resize(static_cast<std::size_t>(rows * columns));
  return out;
}

Matrix read_matrix(ByteCursor& in, std::int64_t columns, const char* what) {
  const Rows rows = read_rows(in, columns, what);
  Matrix out = empty_matrix(rows.rows, rows.columns);
  copy_floats(rows.bytes, out.values);
  return out;
}

/// Buckets whose rows, all behind the first `words`, are not zeros, numbered from 1; nothing when a table of them would
/// save little memory.
/// fastText writes a row for each of up to millions of buckets, most of which no text ever used. They are zeros, often
/// holes of a sparse file, and keeping only the others saves most of the memory.
std::optional<std::vector<BucketTable::Entry>> used_buckets(const Rows& rows, std::int64_t words,
                                                            const NextData& next_data) {
  constexpr std::uint64_t kEntryBytes = 16;  // in a BucketTable
  constexpr std::uint64_t kHole = 64 << 10;  // zeros after which it is worth asking for the end of a hole
  const std::int64_t buckets = rows.rows - words;
  const std::uint64_t row_bytes = rows.row_bytes();
  // Above this number the table would need more than three quarters of the dense rows.
  const std::uint64_t most = static_cast<std::uint64_t>(buckets) * row_bytes / 4 * 3 / (row_bytes + kEntryBytes);
  const std::uint64_t first_at = rows.at + static_cast<std::uint64_t>(words) * row_bytes;
  std::vector<BucketTable::Entry> out;
  std::uint64_t zeros = 0;
  for (std::int64_t bucket = 0; bucket < buckets;) {
    if (!all_zero(rows.of(words + bucket, 1))) {
      if (out.size() >= most) return std::nullopt;
      out.push_back({static_cast<std::int32_t>(bucket++), static_cast<std::int32_t>(out.size() + 1)});
      zeros = 0;
      continue;
    }
    ++bucket;
    // After a run of zeros the file system is asked for the next data (SEEK_DATA), so that a hole of gigabytes is not
    // read.
    if ((zeros += row_bytes) < kHole) continue;
    const std::uint64_t data = next_data(first_at + static_cast<std::uint64_t>(bucket) * row_bytes);
    bucket = std::clamp(static_cast<std::int64_t>((data - first_at) / row_bytes), bucket, buckets);
    zeros = 0;
  }
  return out;
}

/// E of words and buckets; of unused buckets one row of zeros is kept.
void read_input(const Rows& rows, const NextData& next_data, Model& out) {
  const std::int64_t words = out.dictionary.nwords;
  auto used = rows.rows - words == out.settings.buckets && rows.rows > words ? used_buckets(rows, words, next_data)
                                                                             : std::nullopt;
  if (!used) {
    out.input = empty_matrix(rows.rows, rows.columns);
    return copy_floats(rows.bytes, out.input.values);
  }
  out.input = empty_matrix(words + 1 + std::ssize(*used), rows.columns);
  const auto values = std::span(out.input.values);
  copy_floats(rows.of(0, words), values);
  std::fill_n(out.input.row(words).begin(), rows.columns, 0.0F);
  for (const auto& entry : *used) copy_floats(rows.of(words + entry.bucket, 1), out.input.row(words + entry.row));
  out.bucket_rows.emplace(std::move(*used), 0);
}

ProductQuantizer read_quantizer(ByteCursor& in, std::int64_t dim) {
  ProductQuantizer out;
  const std::size_t at = in.at();
  out.dim = in.between<std::int32_t>("the quantiser's dim", dim, dim);
  out.parts = in.between<std::int32_t>("nsubq", 1, dim);
  out.part_dim = in.between<std::int32_t>("dsub", 1, dim);
  out.last_dim = in.between<std::int32_t>("lastdsub", 1, out.part_dim);
  if (static_cast<std::int64_t>(out.parts - 1) * out.part_dim + out.last_dim != dim)
    in.fail(at, fmt::format("{} parts of {} and a last one of {} do not make {} columns", out.parts, out.part_dim,
                            out.last_dim, dim));
  const auto values = static_cast<std::uint64_t>(dim) * ProductQuantizer::kCentroids;
  const auto bytes = in.block(values, sizeof(float), "centroids");
  out.centroids.resize(static_cast<std::size_t>(values));
  copy_floats(bytes, out.centroids);
  return out;
}

std::vector<std::uint8_t> read_codes(ByteCursor& in, std::int64_t count, const char* what) {
  const auto bytes = in.block(static_cast<std::uint64_t>(count), 1, what);
  const auto* begin = reinterpret_cast<const std::uint8_t*>(bytes.data());
  return {begin, begin + bytes.size()};
}

QuantizedMatrix read_quantized(ByteCursor& in, std::int64_t columns, const char* what) {
  QuantizedMatrix out;
  out.has_norms = in.flag("qnorm");
  out.rows = in.between<std::int64_t>(what, 0, kMaxRows);
  out.columns = in.between<std::int64_t>(what, columns, columns);
  const std::size_t at = in.at();
  const auto code_size = in.between<std::int32_t>("codesize", 0);
  out.codes = read_codes(in, code_size, "codes");
  out.quantizer = read_quantizer(in, columns);
  if (out.rows * out.quantizer.parts != code_size)
    in.fail(at, fmt::format("codesize is {}, must be {} rows x {} parts", code_size, out.rows, out.quantizer.parts));
  if (!out.has_norms) return out;
  out.norm_codes = read_codes(in, out.rows, "norm codes");
  out.norm_quantizer = read_quantizer(in, 1);
  return out;
}

/// The number of rows that inference may ask the input matrix for.
/// What the hash functions can produce decides, not what the file claims.
std::int64_t input_rows(const Model& model, std::int64_t pruned) {
  const bool hashes = model.settings.max_char > 0 || model.settings.word_ngrams > 1;
  const std::int64_t hashed = pruned >= 0 ? pruned : hashes ? model.settings.buckets : 0;
  return model.dictionary.nwords + hashed;
}

void check_rows(const ByteCursor& in, std::int64_t rows, std::int64_t wanted, const char* what) {
  if (rows < wanted || wanted > kMaxRows)
    in.fail(in.at(), fmt::format("the {} matrix has {} rows, the model needs {}", what, rows, wanted));
}

void read_matrices(ByteCursor& in, std::int64_t pruned, const NextData& next_data, Model& out) {
  const std::int64_t columns = out.settings.dim;
  // The order is fastText's: input matrix, then output matrix, each with a flag whether it is quantised.
  const bool quantized = in.flag("quant_input");
  if (quantized) {
    out.quantized_input = read_quantized(in, columns, "the shape of the input matrix");
    check_rows(in, out.quantized_input->rows, input_rows(out, pruned), "input");
  } else {
    if (pruned >= 0) in.fail(in.at(), "a pruned model must be quantised");
    const Rows rows = read_rows(in, columns, "the shape of the input matrix");
    check_rows(in, rows.rows, input_rows(out, pruned), "input");
    read_input(rows, next_data, out);
  }
  // qout only counts if the input is quantised (fastText's FastText::loadModel).
  const bool quantized_output = in.flag("qout") && quantized;
  if (quantized_output)
    out.quantized_output = read_quantized(in, columns, "the shape of the output matrix");
  else
    out.output = read_matrix(in, columns, "the shape of the output matrix");
  check_rows(in, quantized_output ? out.quantized_output->rows : out.output.rows,
             out.is_supervised() ? out.dictionary.nlabels : out.dictionary.nwords, "output");
}

// Mapped: the file is read once, front to back, and needs no second copy in memory.
class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) : fd_(open_file(path, O_RDONLY | O_CLOEXEC)) {
    struct stat status {};
    if (fstat(fd_.get(), &status) != 0) throw_errno(path.string());
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    void* start = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd_.get(), 0);
    if (start == MAP_FAILED) throw_errno(path.string());
    start_ = start;
    madvise(start_, size_, MADV_SEQUENTIAL);
  }
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;
  ~MappedFile() {
    if (start_ != nullptr) munmap(start_, size_);
  }
  std::span<const std::byte> bytes() const { return {static_cast<const std::byte*>(start_), start_ ? size_ : 0}; }
  /// The end of the hole at `place`, or `place` where there is none or the file system does not report holes.
  std::size_t next_data(std::size_t place) const {
    const off_t data = ::lseek(fd_.get(), static_cast<off_t>(place), SEEK_DATA);
    if (data >= 0) return static_cast<std::size_t>(data);
    return errno == ENXIO ? size_ : place;  // ENXIO: only a hole is left
  }

 private:
  UniqueFd fd_;
  void* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

Model read_fasttext(std::span<const std::byte> bytes, const std::string& name, const NextData& next_data) {
  ByteCursor in(bytes, name);
  Model out;
  out.settings = read_settings(in);
  std::int64_t pruned = -1;
  out.dictionary = read_dictionary(in, pruned);
  read_kept_buckets(in, pruned, out);
  read_matrices(in, pruned, next_data, out);
  if (!out.is_supervised()) return out;
  const auto& d = out.dictionary;
  if (d.nlabels == 0) in.fail(in.at(), "a classifier needs at least one label");
  if (out.settings.loss == Loss::kHierarchicalSoftmax)
    out.tree = build_huffman_tree(std::span(d.counts).subspan(static_cast<std::size_t>(d.nwords)));
  return out;
}

Model read_fasttext_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return read_fasttext(file.bytes(), path.filename().string(),
                       [&](std::size_t place) { return file.next_data(place); });
}

}  // namespace clary::blazingtext
