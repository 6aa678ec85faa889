// SPDX-License-Identifier: Apache-2.0
// Logs the progress of training: about once a second, and at the end. One thread calls it.
#pragma once

#include <chrono>

#include "algorithms/blazingtext/train/report.h"
#include "algorithms/blazingtext/train/schedule.h"

namespace clary::blazingtext {

class Progress {
 public:
  Progress(Report& report, const Schedule& schedule, bool silent = false)
      : report_(report), schedule_(schedule), silent_(silent) {}

  /// Cheap enough to be called after every sentence.
  void update() {
    if (silent_ || ++calls_ % kCallsPerLook != 0 || Clock::now() < next_) return;
    next_ = Clock::now() + kInterval;
    write();
  }
  /// @param complete  all epochs were learned: hosts' shares are not exactly equal, so the estimate may fall short
  void finish(bool complete) {
    if (silent_) return;
    report_.progress(complete ? schedule_.last_rate() : schedule_.rate(), complete ? 1 : schedule_.progress(),
                     words_per_second());
    report_.finished(words_per_second(), seconds());
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr std::chrono::seconds kInterval{1};
  static constexpr int kCallsPerLook = 16;

  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  double words_per_second() const { return schedule_.done_everywhere() / std::max(seconds(), 1e-9); }
  void write() { report_.progress(schedule_.rate(), schedule_.progress(), words_per_second()); }

  Report& report_;
  const Schedule& schedule_;
  bool silent_;
  int calls_ = 0;
  Clock::time_point start_ = Clock::now(), next_ = start_ + kInterval;
};

}  // namespace clary::blazingtext
