// SPDX-License-Identifier: Apache-2.0
// A few labelled lines as the kernels take them: rows of E and labels. They can be learned again without their text.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "algorithms/blazingtext/data/lines.h"
#include "algorithms/blazingtext/kernels/kernels.h"
#include "algorithms/blazingtext/train/bucket_rows.h"
#include "base/split_mix.h"

namespace clary::blazingtext {

struct LineBatch {
  std::vector<std::int32_t> features, truths;  // truths: all labels of every line
  std::vector<kernels::Example> examples;
  std::int64_t tokens = 0;  // of the text that the lines come from, with lines that are no examples

  static bool is_example(const Line& line) {
    return !line.labels.empty() && !(line.words.empty() && line.buckets.empty());
  }

  /// @param row_of  row of E of a bucket
  /// @param once    a label that the line has twice counts once
  template <class RowOf>
  void add(const Line& line, bool once, const BucketRows& buckets, RowOf&& row_of) {
    for (const std::int32_t bucket : line.buckets) buckets.prefetch(bucket);
    kernels::Example& example = examples.emplace_back();
    example.first_feature = static_cast<std::int32_t>(features.size());
    example.features = static_cast<std::int32_t>(line.words.size() + line.buckets.size());
    example.first_truth = static_cast<std::int32_t>(truths.size());
    features.insert(features.end(), line.words.begin(), line.words.end());
    for (const std::int32_t bucket : line.buckets) features.push_back(row_of(bucket));
    truths.insert(truths.end(), line.labels.begin(), line.labels.end());
    if (once && line.labels.size() > 1) {
      const auto first = truths.begin() + example.first_truth;
      std::sort(first, truths.end());
      truths.erase(std::unique(first, truths.end()), truths.end());
    }
    example.truths = static_cast<std::int32_t>(truths.size()) - example.first_truth;
    example.label = line.labels[0];
  }

  /// Of several labels each is as likely to be learned (fastText's softmax).
  void draw_labels(SplitMix64& random) {
    for (kernels::Example& example : examples) {
      const auto count = static_cast<std::uint32_t>(example.truths);
      const auto one = static_cast<std::size_t>(example.first_truth) + (count == 1 ? 0 : random.below(count));
      example.label = truths[one];
    }
  }

  bool has_label(const kernels::Example& example, std::int32_t label) const {
    const auto first = truths.begin() + example.first_truth, last = first + example.truths;
    return std::find(first, last, label) != last;
  }

  void clear() { features.clear(), truths.clear(), examples.clear(), tokens = 0; }
};

}  // namespace clary::blazingtext
