// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/epoch.h"

#include <algorithm>
#include <numeric>
#include <tuple>
#include <utility>

#include "learning/numeric/index.h"
#include "learning/numeric/philox.h"

namespace clary::seq2seq {
namespace {

using numeric::at;

/// Fisher and Yates; every order is equally likely.
template <class T>
void shuffle(std::vector<T>& list, numeric::PhiloxStream& random) {
  for (std::size_t i = list.size(); i > 1; --i) std::swap(list[i - 1], list[random.below(i)]);
}

}  // namespace

BatchPlan::BatchPlan(const Pairs& pairs, std::vector<Bucket> buckets, std::int64_t batch_size)
    : buckets_(std::move(buckets)), members_(buckets_.size()), words_(buckets_.size()), batch_size_(batch_size) {
  for (std::int64_t i = 0; i < pairs.size(); ++i) {
    const std::int64_t target = pairs.target.length(i) + 1;
    const std::size_t bucket = at(bucket_of(buckets_, pairs.source.length(i), target));
    members_[bucket].push_back(i);
    words_[bucket] += target;
  }
  for (std::vector<std::int64_t>& members : members_) {
    std::sort(members.begin(), members.end(), [&](std::int64_t a, std::int64_t b) {
      return std::tuple(pairs.target.length(a), pairs.source.length(a), a) <
             std::tuple(pairs.target.length(b), pairs.source.length(b), b);
    });
    batches_ += (std::ssize(members) + batch_size_ - 1) / batch_size_;
  }
}

std::vector<BatchPlan::BucketCount> BatchPlan::counts() const {
  std::vector<BucketCount> out;
  for (std::size_t i = 0; i < buckets_.size(); ++i) {
    const std::int64_t pairs = std::ssize(members_[i]);
    if (pairs == 0) continue;
    out.push_back({buckets_[i], pairs, (pairs + batch_size_ - 1) / batch_size_,
                   static_cast<double>(words_[i]) / static_cast<double>(pairs) * static_cast<double>(batch_size_)});
  }
  return out;
}

BatchOrder BatchPlan::cut(std::vector<std::vector<std::int64_t>> members) const {
  std::vector<std::int64_t> pairs, begins;
  for (const std::vector<std::int64_t>& bucket : members) {
    for (std::int64_t first = 0; first < std::ssize(bucket); first += batch_size_)
      begins.push_back(std::ssize(pairs) + first);
    pairs.insert(pairs.end(), bucket.begin(), bucket.end());
  }
  begins.push_back(std::ssize(pairs));
  return {std::move(pairs), std::move(begins)};
}

BatchOrder BatchPlan::epoch(std::uint64_t seed, std::int64_t epoch) const {
  numeric::PhiloxStream random(seed, static_cast<std::uint64_t>(epoch));
  std::vector<std::vector<std::int64_t>> members = members_;
  for (std::vector<std::int64_t>& bucket : members) shuffle(bucket, random);
  const BatchOrder batches = cut(std::move(members));
  std::vector<std::int64_t> order(at(batches.batches()));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  shuffle(order, random);
  std::vector<std::int64_t> pairs, begins{0};
  for (const std::int64_t batch : order) {
    pairs.insert(pairs.end(), batches[batch].begin(), batches[batch].end());
    begins.push_back(std::ssize(pairs));
  }
  return {std::move(pairs), std::move(begins)};
}

BatchOrder BatchPlan::in_order() const { return cut(members_); }

}  // namespace clary::seq2seq
