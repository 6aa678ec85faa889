// SPDX-License-Identifier: Apache-2.0
#include "learning/numeric/idle_threads.h"

#include <unistd.h>

#include <cstdlib>

namespace clary::numeric {

// libgomp reads the policy when it is loaded; waiting threads would otherwise spin and take CPU time from the
// endpoint's neighbours.
void let_idle_threads_sleep(char** argv) {
  constexpr const char* kPolicy = "OMP_WAIT_POLICY";
  if (std::getenv(kPolicy) != nullptr) return;  // set by the user, or below before the restart
  if (setenv(kPolicy, "passive", 0) == 0) execv("/proc/self/exe", argv);
}

}  // namespace clary::numeric
