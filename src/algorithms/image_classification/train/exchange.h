// SPDX-License-Identifier: Apache-2.0
// What several hosts exchange: each works on its own pictures of a batch, the gradients are added up, and all make the
// same update from the same sum, so that their learned numbers stay equal bit by bit (MXNet's dist_sync). Batch norms
// see a host's own pictures; their running statistics are averaged at the end of an epoch. A host whose share is used
// up goes on with nothing until all are done. Every function is a collective call.
#pragma once

#include <cstdint>
#include <span>

#include "learning/collective/collective.h"

namespace clary::image_classification {

class Exchange {
 public:
  explicit Exchange(collective::Collective& hosts) : hosts_(hosts) {}

  bool is_alone() const { return hosts_.size() == 1; }
  collective::Collective& hosts() { return hosts_; }

  /// Before a batch: what each host brings, and what all bring.
  struct Round {
    std::int64_t pictures = 0;
    bool stop = false;  // the platform asked a host to stop
  };
  Round sum(const Round& mine) {
    if (is_alone()) return mine;
    double values[] = {static_cast<double>(mine.pictures), mine.stop ? 1.0 : 0.0};
    hosts_.all_reduce_sum(std::span<double>(values));
    return {static_cast<std::int64_t>(values[0]), values[1] > 0};
  }

  /// After it: gradients are sums over pictures and add up.
  void add_up(std::span<float> gradients) {
    if (!is_alone()) hosts_.all_reduce_sum(gradients);
  }

  /// Running statistics: the mean of those of the hosts that had pictures.
  void average(std::span<float> statistics, bool had_pictures) {
    if (is_alone()) return;
    double with_pictures = had_pictures ? 1 : 0;
    hosts_.all_reduce_sum(std::span<double>(&with_pictures, 1));
    if (with_pictures == 0) return;
    const float part = had_pictures ? static_cast<float>(1 / with_pictures) : 0;
    for (float& x : statistics) x *= part;
    hosts_.all_reduce_sum(statistics);
  }

  bool any(bool mine) {
    double value = mine ? 1 : 0;
    hosts_.all_reduce_max(std::span<double>(&value, 1));
    return value > 0;
  }

 private:
  collective::Collective& hosts_;
};

}  // namespace clary::image_classification
