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
#include "formats/wire.h"

namespace clary::formats {

struct RecordOptions {
  std::int64_t feature_dim = 0;  // 0: the first row decides
  bool ignore_labels = false;
  bool allow_non_finite = false;
  std::optional<LabelRule> label_rule{};
};

/// A repeated field: usually one packed run in place; several runs or unpacked elements are put together in `joined`.
class RepeatedField {
 public:
  void clear() noexcept {
    bytes_ = {};
    present_ = false;
  }
  void add(std::span<const std::byte> run);
  std::span<const std::byte> bytes() const noexcept { return bytes_; }
  bool present() const noexcept { return present_; }

 private:
  std::span<const std::byte> bytes_;
  std::string joined_;
  bool present_ = false;
};

/// One Value of the features or label map: a tensor of one of three number types.
struct TensorFields {
  enum Type : std::uint32_t { kNone = 0, kFloat32 = 2, kFloat64 = 3, kInt32 = 7, kBytes = 9 };  // as in Value's oneof
  std::uint32_t type = kNone;
  RepeatedField values, keys, shape;

  void clear() noexcept;
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
