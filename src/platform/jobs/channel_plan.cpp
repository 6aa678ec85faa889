// SPDX-License-Identifier: Apache-2.0
#include "platform/jobs/channel_plan.h"

#include <algorithm>
#include <set>

#include "base/error.h"

namespace clary::jobs {

std::string relative_name(std::string_view prefix, std::string_view key) {
  // base = prefix up to and including its last '/', unless the key goes on with '/' right after the prefix.
  std::string_view base = prefix;
  const bool is_folder = key.size() > prefix.size() && key.starts_with(prefix) && key[prefix.size()] == '/';
  if (!is_folder && !base.ends_with('/')) {
    const auto slash = base.rfind('/');
    base = slash == std::string_view::npos ? std::string_view() : base.substr(0, slash + 1);
  }
  std::string_view rest = key.starts_with(base) ? key.substr(base.size()) : key;
  while (rest.starts_with('/')) rest.remove_prefix(1);
  return std::string(rest);
}

std::vector<PlannedObject> share_of_host(const std::vector<PlannedObject>& objects, bool sharded, int host, int hosts) {
  if (!sharded || hosts <= 1) return objects;
  std::vector<PlannedObject> share;
  for (std::size_t i = static_cast<std::size_t>(host); i < objects.size(); i += static_cast<std::size_t>(hosts))
    share.push_back(objects[i]);
  return share;
}

namespace {

/// SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t next_random(std::uint64_t& state) {
  std::uint64_t z = (state += 0x9E3779B97F4A7C15ULL);
  z = (z ^ (z >> 30U)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27U)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31U);
}

}  // namespace

void shuffle_objects(std::vector<PlannedObject>& objects, std::int64_t seed, std::uint64_t epoch) {
  std::uint64_t state = static_cast<std::uint64_t>(seed) + epoch;
  for (std::size_t i = objects.size(); i > 1; --i) std::swap(objects[i - 1], objects[next_random(state) % i]);
}

}  // namespace clary::jobs
