// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/data/buckets.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "algorithms/seq2seq/data/epoch.h"
#include "learning/numeric/philox.h"

namespace clary::seq2seq {
namespace {

using ::testing::ElementsAre;

using Buckets = std::vector<Bucket>;

TEST(Seq2SeqBuckets, AreThoseOfSockeye) {
  EXPECT_EQ(make_buckets(1.05, 10, 60, 60),
            (Buckets{{9, 10}, {18, 20}, {27, 30}, {36, 40}, {45, 50}, {54, 60}, {60, 60}}));
  EXPECT_EQ(make_buckets(0.9, 10, 60, 60),
            (Buckets{{10, 9}, {20, 18}, {30, 27}, {40, 36}, {50, 45}, {60, 54}, {60, 60}}));
  EXPECT_EQ(make_buckets(1, 10, 25, 25), (Buckets{{10, 10}, {20, 20}, {25, 25}})) << "the last one is the maximum";
  EXPECT_EQ(make_buckets(1, 10, 10, 30), (Buckets{{10, 10}, {10, 20}, {10, 30}})) << "the shorter list is filled up";
  EXPECT_EQ(make_buckets(20, 10, 3, 10), (Buckets{{2, 10}, {3, 10}})) << "steps and lengths are at least 1 and 2";
  EXPECT_EQ(make_buckets(1, 1, 3, 3), (Buckets{{2, 2}, {3, 3}})) << "equal ones once";
  EXPECT_EQ(make_buckets(1, 100, 60, 50), (Buckets{{60, 50}}));
}

TEST(Seq2SeqBuckets, APairGoesToTheFirstThatFitsBothSides) {
  const Buckets buckets = make_buckets(1.05, 10, 60, 60);
  EXPECT_EQ(bucket_of(buckets, 1, 1), 0);
  EXPECT_EQ(bucket_of(buckets, 9, 10), 0);
  EXPECT_EQ(bucket_of(buckets, 10, 10), 1);
  EXPECT_EQ(bucket_of(buckets, 9, 11), 1);
  EXPECT_EQ(bucket_of(buckets, 3, 60), 5);
  EXPECT_EQ(bucket_of(buckets, 60, 2), 6);
}

Pairs random_pairs(std::int64_t count) {
  Pairs out;
  numeric::PhiloxStream random(5, 0);
  for (std::int64_t i = 0; i < count; ++i) {
    out.source.add(std::vector<std::int32_t>(1 + random.below(60), 4));
    out.target.add(std::vector<std::int32_t>(1 + random.below(59), 4));
  }
  return out;
}

std::multiset<std::int64_t> members(const BatchOrder& order) {
  std::multiset<std::int64_t> out;
  for (std::int64_t i = 0; i < order.batches(); ++i) out.insert(order[i].begin(), order[i].end());
  return out;
}

TEST(Seq2SeqEpoch, HoldsEveryPairOnceInBatchesOfOneBucket) {
  const Pairs pairs = random_pairs(1000);
  const Buckets buckets = make_buckets(1.05, 10, 60, 60);
  const BatchPlan plan(pairs, buckets, 16);
  const BatchOrder order = plan.epoch(1, 3);
  EXPECT_EQ(order.batches(), plan.batches());
  std::multiset<std::int64_t> all;
  for (std::int64_t i = 0; i < pairs.size(); ++i) all.insert(i);
  EXPECT_EQ(members(order), all);
  EXPECT_EQ(members(plan.in_order()), all);
  for (std::int64_t i = 0; i < order.batches(); ++i) {
    ASSERT_GE(order[i].size(), 1U);
    EXPECT_LE(order[i].size(), 16U);
    std::set<std::int64_t> of;
    for (const std::int64_t pair : order[i])
      of.insert(bucket_of(buckets, pairs.source.length(pair), pairs.target.length(pair) + 1));
    EXPECT_EQ(of.size(), 1U);
  }
  std::int64_t counted = 0, batches = 0;
  for (const BatchPlan::BucketCount& count : plan.counts()) counted += count.pairs, batches += count.batches;
  EXPECT_EQ(counted, 1000);
  EXPECT_EQ(batches, plan.batches());
}

std::vector<std::int64_t> flat(const BatchOrder& order) {
  std::vector<std::int64_t> out;
  for (std::int64_t i = 0; i < order.batches(); ++i) out.insert(out.end(), order[i].begin(), order[i].end());
  return out;
}

TEST(Seq2SeqEpoch, FollowsFromSeedAndEpochAlone) {
  const Pairs pairs = random_pairs(200);
  const BatchPlan plan(pairs, make_buckets(1, 10, 60, 60), 8), again(pairs, make_buckets(1, 10, 60, 60), 8);
  plan.epoch(1, 0);
  EXPECT_EQ(flat(plan.epoch(1, 1)), flat(again.epoch(1, 1))) << "epochs before it do not matter";
  EXPECT_NE(flat(plan.epoch(1, 1)), flat(plan.epoch(1, 2)));
  EXPECT_NE(flat(plan.epoch(1, 1)), flat(plan.epoch(2, 1)));
}

TEST(Seq2SeqEpoch, CountsWordsOfAFullBatch) {
  Pairs pairs;
  for (const std::size_t words : {3, 5, 9}) {
    pairs.source.add(std::vector<std::int32_t>(words, 4));
    pairs.target.add(std::vector<std::int32_t>(words, 4));
  }
  const BatchPlan plan(pairs, make_buckets(1, 6, 12, 12), 4);
  const auto counts = plan.counts();
  ASSERT_EQ(counts.size(), 2U);
  EXPECT_EQ(counts[0].bucket, (Bucket{6, 6}));
  EXPECT_EQ(counts[0].pairs, 2);
  EXPECT_DOUBLE_EQ(counts[0].target_words, 4 * (4 + 6) / 2.0);
  EXPECT_EQ(counts[1].bucket, (Bucket{12, 12}));
  EXPECT_THAT(flat(plan.in_order()), ElementsAre(0, 1, 2));
}

}  // namespace
}  // namespace clary::seq2seq
