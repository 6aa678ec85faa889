// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/data/dataset.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "algorithms/ntm/kernels/kernels.h"
#include "base/error.h"
#include "base/files.h"
#include "base/text.h"
#include "learning/numeric/philox.h"

namespace clary::ntm {
namespace {

constexpr std::int64_t kReadRows = 4096;
/// Documents of a stream that are kept for NPMI.
constexpr std::int64_t kStreamSample = 50'000;
constexpr std::uint32_t kOrderStream = 0x4f524452;  // "ORDR"
constexpr std::uint32_t kKeepStream = 0x4b454550;   // "KEEP"

formats::ReadOptions read_options(std::int64_t vocabulary, int threads) {
  formats::ReadOptions options;
  options.feature_dim = vocabulary;
  options.label_optional = true;
  options.ignore_labels = true;
  options.layout = formats::Layout::kSparse;
  options.num_threads = threads;
  return options;
}

/// 64 random bits for (number, pass).
/// Counter-based: the order of an epoch is the same after a resume, without storing a generator's state.
std::uint64_t draw(std::uint64_t seed, std::uint64_t number, std::int64_t pass, std::uint32_t stream) {
  const auto words = numeric::philox({static_cast<std::uint32_t>(number), static_cast<std::uint32_t>(number >> 32),
                                      static_cast<std::uint32_t>(pass), stream},
                                     seed);
  return (static_cast<std::uint64_t>(words[0]) << 32) | words[1];
}

class InMemory final : public TrainingRows {
 public:
  // At least one document when there is any.
  InMemory(Corpus corpus, double sub_sample, std::uint64_t seed) : corpus_(std::move(corpus)), seed_(seed) {
    const std::int64_t n = corpus_.documents.size();
    wanted_ = std::min(n, static_cast<std::int64_t>(std::ceil(sub_sample * static_cast<double>(n))));
  }

  void begin_epoch(std::int64_t epoch) override {
    order_.resize(static_cast<std::size_t>(corpus_.documents.size()));
    std::iota(order_.begin(), order_.end(), std::int64_t{0});
    // Fisher and Yates, as far as this epoch needs.
    for (std::int64_t i = 0; i < wanted_; ++i) {
      const std::uint64_t left = order_.size() - static_cast<std::uint64_t>(i);
      const std::uint64_t j =
          static_cast<std::uint64_t>(i) + draw(seed_, static_cast<std::uint64_t>(i), epoch, kOrderStream) % left;
      std::swap(order_[static_cast<std::size_t>(i)], order_[j]);
    }
    at_ = 0;
  }

  std::vector<Document> next(std::int64_t size) override {
    std::vector<Document> out;
    for (; static_cast<std::int64_t>(out.size()) < size && at_ < wanted_; ++at_) {
      out.push_back(corpus_.documents[order_[static_cast<std::size_t>(at_)]]);
    }
    return out;
  }

  const Documents& sample() const override { return corpus_.documents; }

 private:
  Corpus corpus_;
  std::uint64_t seed_;
  std::int64_t wanted_ = 0, at_ = 0;
  std::vector<std::int64_t> order_;
};

class OfPipe final : public TrainingRows {
 public:
  OfPipe(shell::TrainContext& context, std::int64_t vocabulary, double sub_sample, std::uint64_t seed)
      : channel_(context.channel("train")),
        options_(read_options(vocabulary, context.threads())),
        sub_sample_(sub_sample),
        seed_(seed) {}

  void begin_epoch(std::int64_t epoch) override {
    epoch_ = epoch;
    rows_ = 0;
    number_ = 0;
    reader_ = channel_.rows(options_);
  }

  std::vector<Document> next(std::int64_t size) override {
    std::vector<Document> out;
    // Documents in `out` point into current_, which the next call overwrites. A batch of which nothing was kept is
    // passed over, since an empty answer means the end.
    while (out.empty() && reader_ && reader_->next(batch_, size)) {
      current_.clear();
      append_documents(current_, batch_, "train", rows_);
      rows_ += batch_.rows;
      if (epoch_ == 0 && sample_.size() < kStreamSample) append_documents(sample_, batch_, "train", rows_);
      for (std::int64_t i = 0; i < current_.size(); ++i) {
        const std::uint64_t number = number_++;
        // 53 bits: uniform in [0, 1).
        const double u = static_cast<double>(draw(seed_, number, epoch_, kKeepStream) >> 11) * 0x1.0p-53;
        if (u >= sub_sample_) continue;
        Document d = current_[i];
        // The place in the stream, not in the batch: the noise of a document must not depend on the batch size.
        d.number = static_cast<std::uint32_t>(number);
        out.push_back(d);
      }
    }
    return out;
  }

  const Documents& sample() const override { return sample_; }

 private:
  shell::Channel& channel_;
  formats::ReadOptions options_;
  double sub_sample_;
  std::uint64_t seed_;
  std::unique_ptr<formats::RowReader> reader_;
  formats::Batch batch_;
  Documents current_, sample_;
  std::int64_t epoch_ = 0, rows_ = 0;
  std::uint64_t number_ = 0;
};

void append_row(Documents& to, std::span<const std::int32_t> words, std::span<const float> counts,
                const std::string& what, std::int64_t row, std::int64_t& empty) {
  double total = 0;
  const std::size_t before = to.words.size();
  for (std::size_t i = 0; i < counts.size(); ++i) {
    const float x = counts[i];
    if (!(x >= 0) || std::isinf(x)) {
      throw Error(Kind::kMalformed, fmt::format("ntm: {}: row {}, word {}: count {} is not a finite number >= 0", what,
                                                row + 1, words[i], x));
    }
    if (x == 0) continue;
    to.words.push_back(words[i]);
    to.counts.push_back(x);
    total += x;
  }
  // A document without words has no loss per token.
  if (to.words.size() == before) {
    ++empty;
    return;
  }
  to.offsets.push_back(static_cast<std::int64_t>(to.words.size()));
  to.totals.push_back(static_cast<float>(total));
}

}  // namespace

std::int64_t append_documents(Documents& to, const formats::Batch& batch, const std::string& what,
                              std::int64_t first_row) {
  std::int64_t empty = 0;
  std::vector<std::int32_t> columns;
  if (!batch.sparse) {
    columns.resize(static_cast<std::size_t>(batch.width));
    std::iota(columns.begin(), columns.end(), 0);
  }
  for (std::int64_t r = 0; r < batch.rows; ++r) {
    if (batch.sparse) {
      append_row(to, batch.row_columns(r), batch.row_values(r), what, first_row + r, empty);
    } else {
      append_row(to, columns, batch.row(r), what, first_row + r, empty);
    }
  }
  return empty;
}

Corpus read_channel(shell::TrainContext& context, const std::string& name, std::int64_t vocabulary) {
  Corpus corpus;
  shell::Channel& channel = context.channel(name);
  // A host may have no files when the channel is sharded by key.
  if (!channel.is_pipe() && channel.is_empty()) return corpus;
  const auto reader = channel.rows(read_options(vocabulary, context.threads()));
  formats::Batch batch;
  while (reader->next(batch, kReadRows)) {
    corpus.empty += append_documents(corpus.documents, batch, name, corpus.rows);
    corpus.rows += batch.rows;
  }
  return corpus;
}

std::vector<std::string> parse_vocabulary(const std::string& text, std::int64_t size) {
  if (!is_utf8(text)) throw Error(Kind::kInvalid, "ntm: auxiliary/vocab.txt is not UTF-8");
  std::vector<std::string> words;
  std::string_view rest = text;
  // A byte order mark of Windows editors.
  if (rest.starts_with("\xEF\xBB\xBF")) rest.remove_prefix(3);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find('\n'), rest.size());
    std::string_view line = rest.substr(0, end);
    if (line.ends_with('\r')) line.remove_suffix(1);
    words.emplace_back(line);
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  if (static_cast<std::int64_t>(words.size()) != size) {
    throw Error(Kind::kInvalid,
                fmt::format("ntm: auxiliary/vocab.txt has {} lines, but feature_dim is {}: it must have "
                            "one word per feature, line i for feature i",
                            words.size(), size));
  }
  return words;
}

std::vector<std::string> read_vocabulary(shell::TrainContext& context, std::int64_t size) {
  if (!context.has_channel("auxiliary")) return {};
  for (const formats::InputFile& file : context.channel("auxiliary").files()) {
    if (file.path.filename() == "vocab.txt") return parse_vocabulary(read_file(file.path), size);
  }
  throw Error(Kind::kInvalid, "ntm: channel auxiliary holds no file named vocab.txt");
}

std::unique_ptr<TrainingRows> rows_in_memory(Corpus corpus, double sub_sample, std::uint64_t seed) {
  return std::make_unique<InMemory>(std::move(corpus), sub_sample, seed);
}

std::unique_ptr<TrainingRows> rows_of_pipe(shell::TrainContext& context, std::int64_t vocabulary, double sub_sample,
                                           std::uint64_t seed) {
  return std::make_unique<OfPipe>(context, vocabulary, sub_sample, seed);
}

}  // namespace clary::ntm
