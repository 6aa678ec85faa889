// SPDX-License-Identifier: Apache-2.0
// What ml.* instance types promise, and what this machine gives in their place: every type runs anywhere, clipped to
// the machine, so that scripts written for a cloud need no change.
#pragma once

#include <cstdint>
#include <string_view>

namespace clary::catalog {

struct Resources {
  int vcpus = 0;
  std::uint64_t memory_bytes = 0;

  bool fits_in(const Resources& room) const { return vcpus <= room.vcpus && memory_bytes <= room.memory_bytes; }
};

/// Of the type's name alone (family and size); an unknown name gets the smallest, 2 vCPU and 8 GiB.
Resources instance_resources(std::string_view instance_type);

/// CPUs this process may use, and 90 % of the memory it may use (cgroup limits apply).
Resources machine_resources();

/// What a job of `count` such instances takes: all of them together never more than the machine has.
Resources job_resources(std::string_view instance_type, int count, const Resources& machine);

/// One instance's share of a job's resources; at least one thread.
Resources instance_share(const Resources& job, int count);

}  // namespace clary::catalog
