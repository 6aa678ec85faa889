// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/pretrained.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "algorithms/blazingtext/model/fasttext_file.h"
#include "algorithms/blazingtext/model/vectors_text.h"
#include "base/error.h"
#include "base/files.h"
#include "formats/byte_source.h"

namespace clary::blazingtext {
namespace {

constexpr std::size_t kReadBytes = 1 << 20;
constexpr std::size_t kMaxLine = 16 << 20;  // Clary's limit: 65,536 numbers of 25 letters, and a long word

/// Lines of a stream, one buffer of memory.
/// Vectors files have gigabytes: one line at a time, in one buffer.
class LineStream {
 public:
  LineStream(const std::filesystem::path& path, const std::string& name)
      : bytes_(formats::open_bytes(open_file(path, O_RDONLY | O_CLOEXEC), name)), name_(name) {}

  /// Valid until the next call; false at the end.
  bool next(std::string_view& line) {
    std::size_t end = 0;
    while ((end = buffer_.find('\n', at_)) == std::string::npos) {
      if (ended_) break;
      if (buffer_.size() - at_ > kMaxLine)
        throw Error(Kind::kMalformed, fmt::format("{}: line {} is longer than {} bytes", name_, number_ + 1, kMaxLine));
      fill();
    }
    if (end == std::string::npos && at_ == buffer_.size()) return false;
    end = std::min(end, buffer_.size());
    line = std::string_view(buffer_).substr(at_, end - at_);
    if (line.ends_with('\r')) line.remove_suffix(1);
    at_ = std::min(end + 1, buffer_.size());
    ++number_;
    return true;
  }
  std::int64_t number() const { return number_; }  // of the line last read, from 1

 private:
  void fill() {
    buffer_.erase(0, at_);
    at_ = 0;
    const std::size_t had = buffer_.size();
    buffer_.resize(had + kReadBytes);
    const std::size_t got = bytes_->read(std::as_writable_bytes(std::span(buffer_).subspan(had)));
    buffer_.resize(had + got);
    ended_ = got == 0;
  }

  std::unique_ptr<formats::ByteSource> bytes_;
  std::string name_;
  std::string buffer_;
  std::size_t at_ = 0;
  std::int64_t number_ = 0;
  bool ended_ = false;
};

bool is_fasttext_binary(const std::filesystem::path& path) {
  return path.extension() == ".bin" || path.extension() == ".ftz";
}

/// Puts new words between the old words and the labels.
/// Words must stay before labels, and the table numbers words by their position: it is built again.
void insert_words(Vocabulary& v, const std::vector<std::string>& words) {
  Dictionary& d = v.dictionary;
  const auto at = static_cast<std::ptrdiff_t>(d.nwords);
  d.words.insert(d.words.begin() + at, words.begin(), words.end());
  d.counts.insert(d.counts.begin() + at, words.size(), 1);
  d.nwords += std::ssize(words);
  v.table = WordTable(d.words.size());
  for (const std::string& word : d.words) v.table.insert(word);
  v.end_of_line = v.table.find(kEndOfLine);
}

}  // namespace

PretrainedVectors::PretrainedVectors(std::filesystem::path path, std::string name)
    : path_(std::move(path)), name_(std::move(name)) {
  if (is_fasttext_binary(path_)) binary_ = std::make_shared<const Model>(read_fasttext_file(path_));
}

PretrainedVectors::PretrainedVectors(const shell::Channel& channel)
    : PretrainedVectors([&] {
        const auto files = channel.files();
        if (files.size() != 1)
          throw Error(Kind::kInvalid, fmt::format("channel {}: must hold one file, a vectors.txt (*.vec) or a fastText "
                                                  "*.bin, but holds {}",
                                                  channel.name(), files.size()));
        return PretrainedVectors(files.front().path, files.front().name);
      }()) {}

void PretrainedVectors::check_dimension(std::int64_t given, std::int64_t wanted) const {
  if (given != wanted)
    throw Error(Kind::kInvalid, fmt::format("{}: its vectors have {} numbers, but vector_dim is {}; they must be equal",
                                            name_, given, wanted));
}

void PretrainedVectors::for_each(std::int64_t dimension, bool vectors, const Use& use) const {
  if (binary_) {
    check_dimension(binary_->dim(), dimension);
    for (std::int64_t id = 0; id < binary_->dictionary.nwords; ++id) {
      const std::string& word = binary_->dictionary.words[static_cast<std::size_t>(id)];
      use(word, vectors ? word_vector(*binary_, word) : std::vector<float>());
    }
    return;
  }
  LineStream lines(path_, name_);
  std::string_view line;
  if (!lines.next(line))
    throw Error(Kind::kMalformed, name_ + ": is empty; must begin `<number of words> <dimension>`");
  const VectorsHead head = read_vectors_head(line, name_);
  check_dimension(head.dim, dimension);
  std::vector<float> vector(static_cast<std::size_t>(vectors ? dimension : 0));
  for (std::int64_t row = 0; row < head.words; ++row) {
    if (!lines.next(line))
      throw Error(Kind::kMalformed, fmt::format("{}: ends after {} of {} words", name_, row, head.words));
    use(read_vector_line(line, name_, lines.number(), vector), vector);
  }
}

// Only the words are read in the first pass: the vocabulary decides how large the matrix is, and the second pass fills
// it.
std::int64_t PretrainedVectors::add_words(Vocabulary& vocabulary, std::int64_t dimension) const {
  std::vector<std::string> words;
  WordTable seen;
  for_each(dimension, false, [&](std::string_view word, std::span<const float>) {
    if (word.size() > kMaxTokenBytes || word.starts_with(kLabelPrefix)) return;
    if (vocabulary.table.find(word) >= 0 || seen.find(word) >= 0) return;
    seen.insert(word);
    words.emplace_back(word);
  });
  if (!words.empty()) insert_words(vocabulary, words);
  return std::ssize(words);
}

std::int64_t PretrainedVectors::put_vectors(const Vocabulary& vocabulary, TrainingMatrix& input) const {
  std::int64_t found = 0;
  for_each(input.columns, true, [&](std::string_view word, std::span<const float> vector) {
    const std::int64_t row = vocabulary.table.find(word);
    if (row < 0 || row >= vocabulary.dictionary.nwords) return;
    if (!std::all_of(vector.begin(), vector.end(), [](float value) { return std::isfinite(value); }))
      throw Error(Kind::kMalformed,
                  fmt::format("{}: the vector of '{}' holds a number that is not finite", name_, word));
    std::copy(vector.begin(), vector.end(), input.row(row));
    ++found;
  });
  return found;
}

}  // namespace clary::blazingtext
