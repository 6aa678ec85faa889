// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/class_weights.h"

#include <algorithm>

namespace clary::image_classification {

void LabelCounts::add(std::int64_t pictures, std::span<const float> labels) {
  for (std::size_t i = 0; i < labels.size(); ++i)
    if (labels[i] > 0.5F) ones_[i % ones_.size()] += 1;
  pictures_ += static_cast<double>(pictures);
}

void LabelCounts::merge(collective::Collective& hosts) {
  hosts.all_reduce_sum(std::span<double>(&pictures_, 1));
  hosts.all_reduce_sum(std::span<double>(ones_));
}

ClassWeights LabelCounts::weights() const {
  const auto weight = [&](double count) {
    return count > 0 && count < pictures_ ? static_cast<float>(std::clamp(pictures_ / (2 * count), 0.01, 100.0)) : 1.0F;
  };
  ClassWeights out;
  for (const double ones : ones_) {
    out.positive.push_back(weight(ones));
    out.negative.push_back(weight(pictures_ - ones));
  }
  return out;
}

}  // namespace clary::image_classification
