// SPDX-License-Identifier: Apache-2.0
// How many CPU threads this program should use.
#pragma once

#include <string_view>

namespace clary::numeric {

/// CLARY_THREADS, else OMP_NUM_THREADS, else the CPUs that the cgroup quota and the affinity mask leave; at least 1.
int available_threads();

/// CPUs of a cgroup v2 "cpu.max" text ("200000 100000" is 2), rounded up; 0: no limit.
int cgroup_cpus(std::string_view cpu_max);

}  // namespace clary::numeric
