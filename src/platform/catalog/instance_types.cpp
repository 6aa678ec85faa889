// SPDX-License-Identifier: Apache-2.0
#include "platform/catalog/instance_types.h"

#include <sched.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <string>

#include "base/error.h"
#include "base/files.h"
#include "base/text.h"

namespace clary::catalog {

namespace {

constexpr std::uint64_t kGiB = 1ULL << 30U;

/// Memory per vCPU of a family, in quarter GiB (EC2's instance tables: c = 2, m and t = 4, r = 8 GiB a vCPU).
struct FamilyRow {
  std::string_view family;  // how its name begins; the longest that fits counts
  int quarter_gib_per_vcpu;
};
// Ratios of whole families, since the table of all types would be out of date every month; types with accelerators have
// what their hosts have.
constexpr FamilyRow kFamilies[] = {
    {"c", 8},   {"m", 16},  {"t", 16},    {"r", 32},   {"x", 64},    {"z", 32},  {"i", 32},
    {"d", 32},  {"p", 30},  {"p4", 48},   {"p5", 43},  {"p6", 43},   {"g", 16},  {"g6e", 32},
    {"gr", 32}, {"inf", 8}, {"inf2", 16}, {"trn", 16}, {"trn2", 43}, {"dl", 32},
};
constexpr int kUsualQuarters = 16;

int quarters_of(std::string_view family) {
  const FamilyRow* best = nullptr;
  for (const FamilyRow& row : kFamilies)
    if (family.starts_with(row.family) && (best == nullptr || row.family.size() > best->family.size())) best = &row;
  return best != nullptr ? best->quarter_gib_per_vcpu : kUsualQuarters;
}

/// vCPUs of a size ("medium" 1, "large" 2, "xlarge" 4, "<n>xlarge" 4n).
int size_vcpus(std::string_view size) {
  if (size == "medium") return 1;
  if (size == "large" || size == "small" || size == "micro" || size == "nano") return 2;
  if (size == "xlarge") return 4;
  int factor = 0;
  const auto end = std::from_chars(size.data(), size.data() + size.size(), factor);
  // "<n>xlarge". An unknown size counts as large.
  return end.ec == std::errc() && std::string_view(end.ptr, size.data() + size.size()) == "xlarge" ? 4 * factor : 2;
}

// cgroup v2 writes "max" where there is no limit, which is no number: `otherwise` then.
std::uint64_t limit_of_file(const char* path, std::uint64_t otherwise) {
  try {
    const std::string text = read_file(path, 4096);
    std::uint64_t value = 0;
    if (std::from_chars(text.data(), text.data() + text.size(), value).ec == std::errc()) return value;
  } catch (const Error&) {
    // no such controller here
  }
  return otherwise;
}

}  // namespace

Resources instance_resources(std::string_view instance_type) {
  const auto parts = split(instance_type, '.');
  if (parts.size() != 3 || parts[0] != "ml") return {2, 8 * kGiB};
  const int vcpus = std::max(1, size_vcpus(parts[2]));
  const int quarters = quarters_of(parts[1]);
  const Resources out{vcpus, static_cast<std::uint64_t>(vcpus) * static_cast<std::uint64_t>(quarters) * kGiB / 4};
  // The t families alone have two vCPUs from nano on; their memory follows the size.
  if (parts[1].starts_with("t") && !parts[1].starts_with("trn")) return {std::max(2, vcpus), out.memory_bytes};
  return out;
}

Resources machine_resources() {
  cpu_set_t cpus;
  // The affinity mask, not the number of CPUs of the machine: containers and taskset restrict the former.
  const int vcpus = ::sched_getaffinity(0, sizeof cpus, &cpus) == 0 ? CPU_COUNT(&cpus) : 1;
  std::uint64_t memory =
      static_cast<std::uint64_t>(::sysconf(_SC_PHYS_PAGES)) * static_cast<std::uint64_t>(::sysconf(_SC_PAGE_SIZE));
  // Both versions of cgroups; the smaller limit counts. A tenth is left for the server and the page cache.
  memory = std::min(memory, limit_of_file("/sys/fs/cgroup/memory.max", memory));
  memory = std::min(memory, limit_of_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", memory));
  return {std::max(1, vcpus), memory / 10 * 9};
}

Resources job_resources(std::string_view instance_type, int count, const Resources& machine) {
  const Resources one = instance_resources(instance_type);
  const auto n = static_cast<std::uint64_t>(std::max(1, count));
  return {static_cast<int>(std::min<std::uint64_t>(static_cast<std::uint64_t>(one.vcpus) * n,
                                                   // A job that asks for more than the machine has gets all of it and
                                                   // runs alone.
                                                   static_cast<std::uint64_t>(machine.vcpus))),
          std::min(one.memory_bytes * n, machine.memory_bytes)};
}

Resources instance_share(const Resources& job, int count) {
  const int n = std::max(1, count);
  // The instances of a job share its machine evenly; at least one thread each.
  return {std::max(1, job.vcpus / n), job.memory_bytes / static_cast<std::uint64_t>(n)};
}

}  // namespace clary::catalog
