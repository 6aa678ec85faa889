// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/buckets.h"

#include <algorithm>
#include <cmath>

namespace clary::seq2seq {
namespace {

/// step, 2 step, ..., the last one replaced by `longest`.
std::vector<std::int64_t> steps(std::int64_t longest, std::int64_t step) {
  std::vector<std::int64_t> out;
  for (std::int64_t length = step; length < longest; length += step) out.push_back(length);
  out.push_back(longest);
  return out;
}

std::int64_t whole_step(double step) { return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::floor(step))); }

}  // namespace

std::vector<Bucket> make_buckets(double ratio, std::int64_t width, std::int64_t max_source, std::int64_t max_target) {
  constexpr std::int64_t kLeast = 2;
  const bool longer_target = ratio >= 1;
  const auto step = static_cast<double>(width);
  std::vector<std::int64_t> source = steps(max_source, longer_target ? whole_step(step / ratio) : width);
  std::vector<std::int64_t> target = steps(max_target, longer_target ? width : whole_step(step * ratio));
  const std::size_t count = std::max(source.size(), target.size());
  source.resize(count, source.back());
  target.resize(count, target.back());
  std::vector<Bucket> out;
  for (std::size_t i = 0; i < count; ++i) {
    const Bucket bucket{std::max(source[i], kLeast), std::max(target[i], kLeast)};
    if (out.empty() || out.back() != bucket) out.push_back(bucket);
  }
  return out;
}

std::int64_t bucket_of(std::span<const Bucket> buckets, std::int64_t source, std::int64_t target) {
  // Both sides ascend, so that "fits both" is false and then true.
  const auto found = std::partition_point(buckets.begin(), buckets.end(), [&](const Bucket& bucket) {
    return bucket.source < source || bucket.target < target;
  });
  return std::min<std::int64_t>(found - buckets.begin(), std::ssize(buckets) - 1);
}

}  // namespace clary::seq2seq
