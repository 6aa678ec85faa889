// SPDX-License-Identifier: Apache-2.0
// Channel rows -> documents, with NTM's rules: no negative counts, empty documents left out, labels ignored. And the
// order in which an epoch visits them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "algorithms/ntm/data/documents.h"
#include "formats/batch.h"
#include "learning/shell/train_context.h"

namespace clary::ntm {

/// Appends the rows of `batch` that have words. @param what  "train", for messages
/// @param first_row  rows of the channel before this batch
/// @return rows left out because they are empty
/// @throws Error{kMalformed} naming row, word and count for negative or not finite ones
std::int64_t append_documents(Documents& to, const formats::Batch& batch, const std::string& what,
                              std::int64_t first_row);

/// A whole channel in memory. `rows` counts empty ones too.
struct Corpus {
  Documents documents;
  std::int64_t rows = 0;
  std::int64_t empty = 0;
};
Corpus read_channel(shell::TrainContext& context, const std::string& name, std::int64_t vocabulary);

/// The vocabulary of channel `auxiliary`, or nothing without the channel: one word a line, line i is feature i.
/// @throws Error{kInvalid} without the file vocab.txt, with a number of lines other than `size`, or not UTF-8
std::vector<std::string> read_vocabulary(shell::TrainContext& context, std::int64_t size);
std::vector<std::string> parse_vocabulary(const std::string& text, std::int64_t size);

/// Mini-batches of one epoch after another.
class TrainingRows {
 public:
  virtual ~TrainingRows() = default;
  virtual void begin_epoch(std::int64_t epoch) = 0;  // from 0
  /// Up to `size` documents, valid until the next call; empty at the end of the epoch.
  virtual std::vector<Document> next(std::int64_t size) = 0;
  /// Documents for topic statistics: all of them, or the first ones of a stream.
  virtual const Documents& sample() const = 0;
};

/// File mode: shuffled every epoch; of N documents ceil(sub_sample N) are visited, drawn without replacement.
std::unique_ptr<TrainingRows> rows_in_memory(Corpus corpus, double sub_sample, std::uint64_t seed);
/// Pipe mode: in the stream's order; each document is kept with probability sub_sample.
std::unique_ptr<TrainingRows> rows_of_pipe(shell::TrainContext& context, std::int64_t vocabulary, double sub_sample,
                                           std::uint64_t seed);

}  // namespace clary::ntm
