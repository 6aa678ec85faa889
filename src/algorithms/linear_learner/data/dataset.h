// SPDX-License-Identifier: Apache-2.0
// Channel rows -> scaled rows. A channel is read once and kept when it fits into a share of memory; a training channel
// that does not fit is read again every epoch. Labels and numbers are checked by the reader, which names file and line.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "algorithms/linear_learner/data/rows.h"
#include "algorithms/linear_learner/data/scaler.h"
#include "algorithms/linear_learner/hyperparameters.h"
#include "formats/batch.h"
#include "formats/row_reader.h"
#include "learning/numeric/team.h"
#include "learning/shell/train_context.h"

namespace clary::linear_learner {

/// Rows as they came, in chunks of kChunkRows (the last may be shorter), all dense or all sparse.
struct RawRows {
  bool sparse = false;
  std::int64_t features = 0;
  std::int64_t rows = 0;
  bool complete = true;  // false: there were more than max_bytes of them, and only the first are here
  std::vector<formats::Batch> chunks;

  std::int64_t numbers() const;  // stored ones
};
inline constexpr std::int64_t kChunkRows = 8192;

/// Reads one pass of a channel; empty for a File channel without files (a host without a share).
/// @param features   columns that rows must have; 0: the first row decides
/// @param max_bytes  memory the rows may take
/// @throws Error{kMalformed} for labels outside the predictor's domain; Error{kInvalid} for another number of features
RawRows read_rows(shell::TrainContext& context, const std::string& channel, const Hyperparameters& hp,
                  std::int64_t features, std::int64_t max_bytes);

/// Mean density above which sparse rows are trained as dense ones.
inline constexpr double kDenseFrom = 0.2;
bool trains_sparse(bool sparse, double numbers_per_row, std::int64_t features);

/// Scaled rows; the raw ones are given up on the way.
/// @param sparse  layout of the result
/// @param shuffle_seed  rows come out in a random order of this seed; nothing: in the order they came
Rows scale_rows(RawRows raw, const Scaler& scaler, bool sparse, std::optional<std::uint64_t> shuffle_seed,
                numeric::Team& team);

/// A training channel that is read again every epoch, in the order of the stream.
class RowStream {
 public:
  RowStream(shell::TrainContext& context, std::string channel, const Hyperparameters& hp, const Scaler& scaler,
            bool sparse);

  void begin_epoch();
  /// The next rows, at most max_rows; nothing at the end of the pass.
  std::optional<Rows> next(std::int64_t max_rows, numeric::Team& team);

 private:
  shell::TrainContext& context_;
  std::string channel_;
  const Hyperparameters& hp_;
  const Scaler& scaler_;
  bool sparse_;
  std::unique_ptr<formats::RowReader> reader_;
};

}  // namespace clary::linear_learner
