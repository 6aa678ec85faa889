// SPDX-License-Identifier: Apache-2.0
// libsvm blocks to sparse rows of float32:
//   label[:weight] [qid:n] index:value index:value ...  # comment
// Indices are columns as given, counted from zero; a bare index has the value 1; an absent column is missing. Words are
// read eight bytes at a time where they are short, which nearly all are. Internal to formats.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "formats/block.h"
#include "formats/label_rule.h"

namespace clary::formats {

struct LibsvmOptions {
  std::int64_t feature_dim = 0;  // indices must be below; 0: the largest index decides
  bool request = false;          // ReadOptions::libsvm_request
  bool missing_allowed = false;  // nan is a missing value
  std::optional<LabelRule> label_rule{};
};

class LibsvmDecoder : public BlockDecoder {
 public:
  explicit LibsvmDecoder(const LibsvmOptions& options) : options_(options) {}

  void decode(Block& block, RowShape& shape, BatchBuilder& to, std::int64_t max_rows) override;
  const char* unit() const noexcept override { return "line"; }

 private:
  struct Line;
  bool decode_line(Line& line, RowShape& shape, BatchBuilder& to);
  bool read_label(Line& line, BatchBuilder& to);
  void skip_label(Line& line);
  void read_features(Line& line);
  bool read_short_feature(Line& line);
  void read_feature(Line& line);
  void add_feature(const Line& line, std::uint64_t index, float value);
  float number(const Line& line, const char* begin, const char* end) const;

  LibsvmOptions options_;
  std::vector<float> values_;
  std::vector<std::int32_t> columns_;
  std::size_t count_ = 0;
  bool ascending_ = true;
  std::optional<float> weight_;
  std::optional<std::int64_t> query_;
};

}  // namespace clary::formats
