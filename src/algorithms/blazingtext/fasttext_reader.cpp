// SPDX-License-Identifier: Apache-2.0
// See fasttext_file.h.
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "algorithms/blazingtext/fasttext_file.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/byte_cursor.h"

namespace clary::blazingtext {

using artifact::ByteCursor;

namespace {

constexpr std::int32_t kMagic = 793'712'314;
constexpr std::int32_t kOldVersion = 11, kVersion = 12;
constexpr std::int32_t kMaxForeignDimension = 1 << 16;     // ours
constexpr std::int32_t kMaxNgram = 1000;                   // ours: an n-gram costs its length at every character
constexpr std::uint64_t kSmallestEntry = 1 + 8 + 1;        // NUL, count, type
constexpr std::int64_t kMaxCount = 1'000'000'000'000'000;  // fastText's infinity in its Huffman tree

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
  if (static_cast<std::uint64_t>(size) > in.left() / kSmallestEntry)
    in.fail(at, fmt::format("{} entries, but only {} bytes follow", size, in.left()));
  read_entries(in, out);
  out.build_index();
  return out;
}

/// @param pruned  pairs that follow; -1: the model was not pruned
void read_kept_buckets(ByteCursor& in, std::int64_t pruned, Model& out) {
  if (pruned < 0) return;
  const std::size_t at = in.at();
  if (static_cast<std::uint64_t>(pruned) > in.left() / 8)
    in.fail(at, fmt::format("pruneidx_size is {}, but only {} bytes follow", pruned, in.left()));
  auto& kept = out.kept_buckets.emplace();
  kept.reserve(static_cast<std::size_t>(pruned));
  for (std::int64_t i = 0; i < pruned; ++i) {
    const auto bucket = in.take<std::int32_t>("a kept bucket");
    kept[bucket] = in.between<std::int32_t>("the row of a kept bucket", 0, pruned - 1);
  }
}

void copy_floats(std::span<const std::byte> bytes, std::span<float> out) {
  if (!bytes.empty()) std::memcpy(out.data(), bytes.data(), bytes.size());
}

Matrix read_matrix(ByteCursor& in, std::int64_t columns, const char* what) {
  Matrix out;
  out.rows = in.between<std::int64_t>(what, 0, kMaxRows);
  out.columns = in.between<std::int64_t>(what, columns, columns);
  const auto values = static_cast<std::uint64_t>(out.rows * out.columns);  // below 2^47
  const auto bytes = in.block(values, sizeof(float), what);
  out.values.resize(static_cast<std::size_t>(values));
  copy_floats(bytes, out.values);
  return out;
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
std::int64_t input_rows(const Model& model, std::int64_t pruned) {
  const bool hashes = model.settings.max_char > 0 || model.settings.word_ngrams > 1;
  const std::int64_t hashed = pruned >= 0 ? pruned : hashes ? model.settings.buckets : 0;
  return model.dictionary.nwords + hashed;
}

void check_rows(const ByteCursor& in, std::int64_t rows, std::int64_t wanted, const char* what) {
  if (rows < wanted || wanted > kMaxRows)
    in.fail(in.at(), fmt::format("the {} matrix has {} rows, the model needs {}", what, rows, wanted));
}

void read_matrices(ByteCursor& in, std::int64_t pruned, Model& out) {
  const std::int64_t columns = out.settings.dim;
  const bool quantized = in.flag("quant_input");
  if (quantized)
    out.quantized_input = read_quantized(in, columns, "the shape of the input matrix");
  else
    out.input = read_matrix(in, columns, "the shape of the input matrix");
  if (!quantized && pruned >= 0) in.fail(in.at(), "a pruned model must be quantised");
  check_rows(in, quantized ? out.quantized_input->rows : out.input.rows, input_rows(out, pruned), "input");
  const bool quantized_output = in.flag("qout") && quantized;
  if (quantized_output)
    out.quantized_output = read_quantized(in, columns, "the shape of the output matrix");
  else
    out.output = read_matrix(in, columns, "the shape of the output matrix");
  check_rows(in, quantized_output ? out.quantized_output->rows : out.output.rows,
             out.is_supervised() ? out.dictionary.nlabels : out.dictionary.nwords, "output");
}

class MappedFile {
 public:
  explicit MappedFile(const std::filesystem::path& path) {
    const UniqueFd fd = open_file(path, O_RDONLY | O_CLOEXEC);
    struct stat status {};
    if (fstat(fd.get(), &status) != 0) throw_errno(path.string());
    size_ = static_cast<std::size_t>(status.st_size);
    if (size_ == 0) return;
    void* start = mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, fd.get(), 0);
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

 private:
  void* start_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace

Model read_fasttext(std::span<const std::byte> bytes, const std::string& name) {
  ByteCursor in(bytes, name);
  Model out;
  out.settings = read_settings(in);
  std::int64_t pruned = -1;
  out.dictionary = read_dictionary(in, pruned);
  read_kept_buckets(in, pruned, out);
  read_matrices(in, pruned, out);
  if (!out.is_supervised()) return out;
  const auto& d = out.dictionary;
  if (d.nlabels == 0) in.fail(in.at(), "a classifier needs at least one label");
  if (out.settings.loss == Loss::kHierarchicalSoftmax)
    out.tree = build_huffman_tree(std::span(d.counts).subspan(static_cast<std::size_t>(d.nwords)));
  return out;
}

Model read_fasttext_file(const std::filesystem::path& path) {
  const MappedFile file(path);
  return read_fasttext(file.bytes(), path.filename().string());
}

}  // namespace clary::blazingtext
