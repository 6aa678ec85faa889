// SPDX-License-Identifier: Apache-2.0
// Which pictures of a channel a host reads in a pass, and in which order.
#pragma once

#include <cstdint>
#include <vector>

#include "learning/shell/train_context.h"

namespace clary::image_classification {

/// Training: every host gets the same number of pictures, floor(count / hosts), since all must make the same number of
/// batches; the rest of the division sits this epoch out, another rest in every epoch. Validation: every picture
/// belongs to exactly one host, and shares may differ by one. A channel that the platform has divided (ShardedByS3Key)
/// is divided no further: in training each host reads as many of its pictures as the host with the fewest has.
class Share {
 public:
  /// A collective call for a divided channel: all hosts must make it.
  /// @param count  pictures that lie here
  /// @throws Error{kInvalid} when a host would have no picture to train on
  Share(shell::TrainContext& context, const std::string& channel, std::int64_t count, bool training);

  /// Of all hosts together.
  std::int64_t total() const noexcept { return total_; }

  /// Numbers of pictures. Training: a permutation that seed and epoch decide, the same on all hosts, of which each
  /// takes its part.
  std::vector<std::int64_t> order(std::uint64_t seed, std::int64_t epoch) const;

 private:
  std::int64_t here_, total_, first_ = 0, size_;  // of the order of what lies here, this host's are first_ ..
  bool training_;
};

}  // namespace clary::image_classification
