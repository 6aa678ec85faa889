// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/read_pairs.h"

#include <fcntl.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

#include "base/error.h"
#include "base/files.h"
#include "base/mapped_file.h"
#include "formats/byte_source.h"
#include "formats/recordio.h"
#include "formats/recordio_stream.h"
#include "formats/sequence_record.h"

namespace clary::seq2seq {
namespace {

constexpr std::uint64_t kMaxVocabularyBytes = 512 << 20;
constexpr std::size_t kMaxRecordBytes = 64 << 20;  // of a file that is gunzipped: some ten million words

struct Side {
  const char* feature;
  const char* vocabulary;  // the file's name, for messages
  std::int64_t size;       // of the vocabulary
  std::int64_t longest;    // in words
};

/// Takes the records of one channel, one after the other.
class PairReader {
 public:
  PairReader(std::string name, const ReadOptions& options)
      : name_(std::move(name)),
        source_{"source", kSourceVocabularyFile, options.source_vocabulary, options.max_source},
        target_{"target", kTargetVocabularyFile, options.target_vocabulary, options.max_target - 1} {}

  void begin_file(std::string name) {
    name_ = std::move(name);
    record_ = 0;
  }

  void add(std::span<const std::byte> payload) {
    try {
      formats::parse_sequence_record(payload, parsed_);
      if (!parsed_.has_source) missing(source_);
      if (!parsed_.has_target) missing(target_);
      keep(cleaned(parsed_.source, source_), cleaned(parsed_.target, target_));
    } catch (const Error& error) {
      throw Error(error.kind(), fmt::format("{}: record {} {}", name_, record_, error.what()));
    }
    out_.from_floats += parsed_.from_floats ? 1 : 0;
    ++out_.records;
    ++record_;
  }

  PairData take() {
    if (out_.pairs.size() == 0)
      throw Error(Kind::kInvalid,
                  fmt::format("{}: no pair of sequences is left of {} records; one of the sides is empty in {}", name_,
                              out_.records, out_.empty));
    const auto n = static_cast<double>(out_.pairs.size());
    out_.length_ratio_mean = ratio_sum_ / n;
    // Two passes: the difference of two large sums would lose what is looked for.
    double squares = 0;
    for (std::int64_t i = 0; i < out_.pairs.size(); ++i) {
      const double difference = ratio(i) - out_.length_ratio_mean;
      squares += difference * difference;
    }
    out_.length_ratio_std = std::sqrt(squares / n);
    return std::move(out_);
  }

 private:
  [[noreturn]] void missing(const Side& side) const {
    std::string found = parsed_.has_source ? "source" : parsed_.has_target ? "target" : "";
    if (!parsed_.other_features.empty()) found += (found.empty() ? "" : ", ") + parsed_.other_features;
    throw Error(Kind::kMalformed,
                fmt::format("has no feature '{}' (found: {})", side.feature, found.empty() ? "none" : found));
  }

  /// The words, without padding behind them. @throws Error{kMalformed} for an id outside the vocabulary
  std::span<const std::int32_t> cleaned(std::vector<std::int32_t>& ids, const Side& side) const {
    while (!ids.empty() && ids.back() == kPad) ids.pop_back();
    for (std::size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] < 0 || ids[i] >= side.size)
        throw Error(Kind::kMalformed, fmt::format("feature '{}': value {} is {}, must be an id of {}: from 0 to {}",
                                                  side.feature, i, ids[i], side.vocabulary, side.size - 1));
      if (ids[i] == kPad) ids[i] = kUnknown;
    }
    return ids;
  }

  static std::span<const std::int32_t> shortened(std::span<const std::int32_t> words, const Side& side,
                                                 SideCounts& counts) {
    if (std::ssize(words) > side.longest) {
      words = words.first(static_cast<std::size_t>(side.longest));
      ++counts.cut;
    }
    counts.words += std::ssize(words);
    counts.unknown += std::count(words.begin(), words.end(), kUnknown);
    return words;
  }

  void keep(std::span<const std::int32_t> source, std::span<const std::int32_t> target) {
    if (source.empty() || target.empty()) {
      ++out_.empty;
      return;
    }
    out_.pairs.source.add(shortened(source, source_, out_.source));
    out_.pairs.target.add(shortened(target, target_, out_.target));
    ratio_sum_ += ratio(out_.pairs.size() - 1);
  }

  double ratio(std::int64_t pair) const {
    return static_cast<double>(out_.pairs.target.length(pair) + 1) /
           static_cast<double>(out_.pairs.source.length(pair));
  }

  std::string name_;  // of the file, in messages
  Side source_, target_;
  formats::SequenceRecord parsed_;
  PairData out_;
  double ratio_sum_ = 0;
  std::int64_t record_ = 0;  // within the file
};

void read_gzip(const formats::InputFile& file, const std::string& name, PairReader& to) {
  formats::RecordIoStream records(formats::open_bytes(open_file(file.path, O_RDONLY | O_CLOEXEC), name), name,
                                  kMaxRecordBytes);
  std::string payload;
  while (records.next(payload)) to.add(std::as_bytes(std::span(payload)));
}

void read_file_of_pairs(const formats::InputFile& file, const std::string& name, PairReader& to) {
  const MappedFile mapped(file.path);
  if (formats::is_gzip(mapped.bytes())) return read_gzip(file, name, to);
  formats::RecordIoReader records(mapped.bytes(), name);
  while (const auto record = records.next()) to.add(record->payload);
}

std::string file_name(const formats::InputFile& file) { return file.path.filename().string(); }

/// The one file of that name, wherever in the channel it is.
std::optional<std::filesystem::path> find_file(std::span<const formats::InputFile> files, const std::string& channel,
                                               const char* name) {
  std::optional<std::filesystem::path> out;
  for (const formats::InputFile& file : files) {
    if (file_name(file) != name) continue;
    if (out)
      throw Error(Kind::kInvalid, fmt::format("channel {}: holds {} twice; it must be there once", channel, name));
    out = file.path;
  }
  return out;
}

}  // namespace

Vocabularies read_vocabularies(const shell::Channel& channel) {
  const std::vector<formats::InputFile> files = channel.files();
  const auto source = find_file(files, channel.name(), kSourceVocabularyFile),
             target = find_file(files, channel.name(), kTargetVocabularyFile);
  if (!source || !target) {
    std::vector<std::string> found;
    for (std::size_t i = 0; i < std::min<std::size_t>(files.size(), 5); ++i) found.push_back(file_name(files[i]));
    throw Error(Kind::kInvalid,
                fmt::format("Vocab files are not present in the input directory: channel {} must hold {} and "
                            "{} (found: {}{})",
                            channel.name(), kSourceVocabularyFile, kTargetVocabularyFile,
                            found.empty() ? "nothing" : fmt::format("{}", fmt::join(found, ", ")),
                            files.size() > found.size() ? ", ..." : ""));
  }
  return {Vocabulary::parse(read_file(*source, kMaxVocabularyBytes), kSourceVocabularyFile),
          Vocabulary::parse(read_file(*target, kMaxVocabularyBytes), kTargetVocabularyFile)};
}

PairData read_pairs(std::span<const formats::InputFile> files, const std::string& name, const ReadOptions& options) {
  if (files.empty())
    throw Error(Kind::kInvalid, fmt::format("channel {}: holds no files; records of pairs are needed", name));
  PairReader reader(name, options);
  for (const formats::InputFile& file : files) {
    // One file needs no name besides the channel's.
    const std::string shown = files.size() == 1 ? name : file.name.empty() ? file_name(file) : file.name;
    reader.begin_file(shown);
    read_file_of_pairs(file, shown, reader);
  }
  reader.begin_file(name);
  return reader.take();
}

PairData read_pairs(const shell::Channel& channel, const ReadOptions& options) {
  return read_pairs(channel.files(), channel.name(), options);
}

}  // namespace clary::seq2seq
