// SPDX-License-Identifier: Apache-2.0
// Channels to the library's matrices: CSV, libsvm and RecordIO-protobuf from files, CSV and RecordIO-protobuf from
// pipes, parsed by several threads. Every check of the published container on channels and files is made here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/xgboost/library/library.h"
#include "learning/shell/train_context.h"

namespace clary::xgboost {

struct LoadOptions {
  bool csv_weights = false;  // CSV: column 1 is the row's weight
  int threads = 0;           // parsing threads; 0: the context's
  std::optional<formats::LabelRule> label_rule{};
};

/// N rows with labels, and with weights, query groups and feature names where the data have them.
struct LoadedChannel {
  Matrix matrix;
  std::int64_t rows = 0, columns = 0;
};

/// What the hyperparameters and the job's channels give. On several hosts a channel without data on this host is empty;
/// on one host that is an error. Both matrices have the same number of columns. Replicated data of several hosts are
/// split: each host keeps the rows r with r % hosts == its number.
struct LoadedData {
  std::optional<LoadedChannel> train, validation;
};

/// The content type of the train channel stands for both. Content type parameters (text/csv; ...):
///   header=present          the first line of every file names the columns
///   delimiter=;             instead of the guess ("tab", "space" for those two)
///   label_column=9          number from 0 or name; default the first column
///   weight_column, group_column, categorical=3|7   the same
/// @throws Error{kInvalid} or {kMalformed} with file, line, column, value and rule
LoadedData load_data(shell::TrainContext& context, const LoadOptions& options);

}  // namespace clary::xgboost
