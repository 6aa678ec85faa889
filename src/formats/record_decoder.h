// SPDX-License-Identifier: Apache-2.0
// Record messages straight into a BatchBuilder, without an object per message or per map entry. Internal to formats.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "formats/block.h"
#include "formats/label_rule.h"
#include "formats/record_tensor.h"

namespace clary::formats {

struct RecordOptions {
  std::int64_t feature_dim = 0;  // 0: the first row decides
  bool ignore_labels = false;
  bool allow_non_finite = false;
  std::optional<LabelRule> label_rule{};
};

class RecordDecoder : public BlockDecoder {
 public:
  explicit RecordDecoder(const RecordOptions& options) : options_(options) {}

  void decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) override;
  const char* unit() const noexcept override { return "record"; }

  /// Adds one Record as a row. @throws wire::Problem
  void add(std::span<const std::byte> record, RowShape& shape, BatchBuilder& to);

 private:
  struct Texts {
    std::string_view uid, metadata, configuration;
  };
  Texts split(std::span<const std::byte> record);
  void map_entry(std::span<const std::byte> entry, TensorFields& tensor, std::string_view map);
  void add_features(RowShape& shape, BatchBuilder& to);
  void add_dense(std::size_t count, RowShape& shape, BatchBuilder& to);
  void add_sparse(std::size_t count, RowShape& shape, BatchBuilder& to);
  std::size_t read_keys(std::size_t count, std::int64_t width, float* values, std::int32_t* columns);
  void fix_width(std::int64_t width, RowShape& shape);
  std::size_t add_labels(RowShape& shape, BatchBuilder& to);
  void numbers(const TensorFields& tensor, std::size_t count, float* out, std::string_view map) const;

  RecordOptions options_;
  TensorFields features_, label_;
  bool has_features_ = false, has_label_ = false;
  std::size_t row_numbers_ = 0;
  std::string other_keys_;
};

/// Bytes of complete records at the front of `bytes`, at most about `target`; all of them when a header is wrong (the
/// decoder will say so).
std::size_t complete_records(std::span<const std::byte> bytes, std::size_t target);

}  // namespace clary::formats
