// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/batch.h"

#include <algorithm>

#include "learning/numeric/index.h"

namespace clary::seq2seq {

void Batch::assign(const Pairs& pairs, std::span<const std::int64_t> which) {
  rows = static_cast<std::int64_t>(which.size());
  source_steps = target_steps = label_count = 0;
  source_length.clear(), target_length.clear();
  for (const std::int64_t pair : which) {
    const std::int64_t words = pairs.source.length(pair), labels_here = pairs.target.length(pair) + 1;
    source_length.push_back(static_cast<std::int32_t>(words));
    target_length.push_back(static_cast<std::int32_t>(labels_here));
    source_steps = std::max(source_steps, words);
    target_steps = std::max(target_steps, labels_here);
    label_count += labels_here;
  }
  source.assign(numeric::at(source_steps * rows), kPad);
  input.assign(numeric::at(target_steps * rows), kPad);
  labels.assign(numeric::at(target_steps * rows), kPad);
  for (std::int64_t row = 0; row < rows; ++row) {
    const auto from = pairs.source[which[numeric::at(row)]], to = pairs.target[which[numeric::at(row)]];
    for (std::size_t t = 0; t < from.size(); ++t) source[t * numeric::at(rows) + numeric::at(row)] = from[t];
    input[numeric::at(row)] = kBegin;
    for (std::size_t t = 0; t < to.size(); ++t) {
      input[(t + 1) * numeric::at(rows) + numeric::at(row)] = to[t];
      labels[t * numeric::at(rows) + numeric::at(row)] = to[t];
    }
    labels[to.size() * numeric::at(rows) + numeric::at(row)] = kEnd;
  }
}

}  // namespace clary::seq2seq
