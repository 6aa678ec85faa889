// SPDX-License-Identifier: Apache-2.0
// Idle OpenMP threads: by default they spin between parallel sections and take the cores from the busy ones.
#pragma once

namespace clary::numeric {

/// Starts this program again, once, with OMP_WAIT_POLICY=passive, unless that variable is set: libgomp reads its
/// environment when it is loaded. Call it first in main(). Goes on where the restart fails: slower, not wrong.
void let_idle_threads_sleep(char** argv);

}  // namespace clary::numeric
