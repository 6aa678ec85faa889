// SPDX-License-Identifier: Apache-2.0
// Pairs of id sequences, as a training or validation channel holds them: all ids of a side in one flat array.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clary::seq2seq {

/// Ids that mean something of themselves; words follow from 4.
inline constexpr std::int32_t kPad = 0, kUnknown = 1, kBegin = 2, kEnd = 3;
inline constexpr std::int32_t kFirstWord = 4;

/// Sequences one after the other.
class Sequences {
 public:
  std::int64_t size() const { return static_cast<std::int64_t>(offsets_.size()) - 1; }
  std::span<const std::int32_t> operator[](std::int64_t i) const {
    const auto begin = static_cast<std::size_t>(offsets_[static_cast<std::size_t>(i)]);
    return std::span(ids_).subspan(begin, static_cast<std::size_t>(length(i)));
  }
  std::int64_t length(std::int64_t i) const {
    return offsets_[static_cast<std::size_t>(i) + 1] - offsets_[static_cast<std::size_t>(i)];
  }
  std::int64_t ids() const { return static_cast<std::int64_t>(ids_.size()); }
  void add(std::span<const std::int32_t> ids) {
    ids_.insert(ids_.end(), ids.begin(), ids.end());
    offsets_.push_back(static_cast<std::int64_t>(ids_.size()));
  }

 private:
  std::vector<std::int32_t> ids_;
  std::vector<std::int64_t> offsets_{0};
};

/// Words only (no kBegin, kEnd, kPad), no side empty, cut to the job's lengths.
struct Pairs {
  Sequences source, target;
  std::int64_t size() const { return source.size(); }
};

}  // namespace clary::seq2seq
