// SPDX-License-Identifier: Apache-2.0
// How the hosts of a job learn together: each takes some steps on its own share of the data, then all add up what they
// changed (new = old + sum over hosts of (mine - old)) and go on from the same parameters. That is AWS's asynchronous
// parameter server (every host's steps count in full) made synchronous, so that runs repeat bit by bit. Optimizer
// states stay with their host. Hosts without data, or whose share is used up, take part with no change.
#pragma once

#include <cstdint>
#include <vector>

#include "algorithms/ntm/model/encoder.h"
#include "algorithms/ntm/model/parameters.h"
#include "algorithms/ntm/train/loss.h"
#include "algorithms/ntm/train/optimizer.h"
#include "learning/collective/collective.h"
#include "learning/numeric/team.h"

namespace clary::ntm {

/// Steps between exchanges when the job does not say: with N hosts at most 8 steps are made from one starting point.
std::int64_t automatic_sync_steps(int hosts);

class Exchange {
 public:
  Exchange(collective::Collective& hosts, const Parameters& start);

  bool alone() const { return hosts_->size() == 1; }

  /// Remembers the embedding rows a step changed.
  void note(const WordIndex& index);

  struct Status {
    bool has_more = false;  // rows left in this epoch
    bool stop = false;      // the platform asked to stop
  };
  /// All hosts' changes into `p`. @return what any host said
  Status merge(Parameters& p, Optimizer& optimizer, Team& team, Status mine);

  /// Sums over hosts.
  LossSum sum(const LossSum& mine);
  std::int64_t sum(std::int64_t mine);
  /// True when every host gives the same number.
  bool agree(std::uint64_t mine);

 private:
  void choose_rows(bool every_row);

  collective::Collective* hosts_;
  Parameters base_;
  std::vector<float> touched_;      // by word: 1 when changed since the last merge
  std::vector<std::int64_t> rows_;  // embedding rows of this merge, the same on all hosts
  std::vector<float> buffer_;
};

}  // namespace clary::ntm
