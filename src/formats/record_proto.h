// SPDX-License-Identifier: Apache-2.0
// The Record message of SageMaker's RecordIO-protobuf format, read by a bounded decoder of our own straight into a
// Batch, and written for answers and training data. Field numbers are those of the published aialgs.data schema.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/batch.h"

namespace clary::formats {

struct NamedTensor {
  std::string_view name;
  std::span<const float> values;
};

/// Appends RecordIO-framed Records to a string. Never splits: the Python SDK reads by length.
class RecordWriter {
 public:
  explicit RecordWriter(std::string& out) : out_(out) {}

  /// An answer: label[name] = float32 tensor, one per column; uid and metadata only when not empty.
  void write_answer(std::span<const NamedTensor> labels, std::string_view uid = {}, std::string_view metadata = {});

  /// A training or request row as the SDK writes it: features["values"], label["values"] when labels are given.
  void write_dense(std::span<const float> values, std::span<const float> labels = {}, std::string_view uid = {});
  void write_sparse(std::span<const std::int32_t> columns, std::span<const float> values, std::int64_t width,
                    std::span<const float> labels = {}, std::string_view uid = {});

 private:
  void finish_row(std::span<const float> labels, std::string_view uid);

  std::string& out_;
  std::string record_;  // scratch
  std::string value_;   // scratch
};

}  // namespace clary::formats
