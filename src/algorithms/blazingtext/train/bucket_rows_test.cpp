// SPDX-License-Identifier: Apache-2.0
// Buckets and their rows, in training and in models, beside plain maps.
#include "algorithms/blazingtext/train/bucket_rows.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "base/error.h"
#include "base/split_mix.h"
#include "learning/numeric/team.h"

namespace clary::blazingtext {
namespace {

TEST(BucketTable, FindsWhatAMapFinds) {
  SplitMix64 random(3);
  for (const std::uint32_t range : {1U, 7U, 1000U, 2'000'000U, 0xffff'ffffU})
    for (const int count : {0, 1, 2, 300}) {
      std::vector<BucketTable::Entry> entries;
      std::map<std::int32_t, std::int32_t> expected;
      for (int i = 0; i < count; ++i) {
        const auto bucket = static_cast<std::int32_t>(random.below(range));
        entries.push_back({bucket, i});
        expected[bucket] = i;
      }
      const BucketTable table(entries, 1000);
      EXPECT_EQ(table.entries().size(), expected.size());
      for (const auto& [bucket, row] : expected) EXPECT_EQ(table.row(bucket), row) << range << " " << count;
      for (int i = 0; i < 1000; ++i) {
        const auto bucket = static_cast<std::int32_t>(random.below(range));
        EXPECT_EQ(table.row(bucket), expected.contains(bucket) ? expected[bucket] : 1000) << range << " " << count;
      }
      for (const std::int32_t bucket : {-1, 0, 1, 0x7fff'ffff, -0x7fff'ffff - 1})
        EXPECT_EQ(table.row(bucket), expected.contains(bucket) ? expected[bucket] : 1000) << range << " " << count;
    }
  EXPECT_EQ(BucketTable({{5, 0}}).row(6), BucketTable::kNone);
}

TEST(BucketRows, AreHandedOutInTheOrderOfUse) {
  BucketRows rows(100, 7, 3);
  std::vector<std::int32_t> filled;
  const auto row = [&](std::int32_t bucket) { return rows.row(bucket, [&](std::int32_t r) { filled.push_back(r); }); };
  EXPECT_EQ(rows.find(40), rows.zero_row());
  EXPECT_EQ(row(40), 8);
  EXPECT_EQ(row(2), 9);
  EXPECT_EQ(row(40), 8);
  EXPECT_EQ(row(99), 10);
  EXPECT_EQ(filled, (std::vector<std::int32_t>{8, 9, 10}));
  EXPECT_EQ(rows.find(2), 9);
  EXPECT_THROW(row(5), Error);  // no fourth
  EXPECT_THROW(row(5), Error);
  EXPECT_EQ(rows.used(), 3);
  EXPECT_EQ(rows.rows(), 11);
  const BucketTable table = rows.table();
  EXPECT_EQ(table.row(99), 3);
  EXPECT_EQ(table.row(5), 0);
}

TEST(BucketRows, GiveOneFilledRowToABucketThatManyThreadsMeet) {
  constexpr int kThreads = 4, kBuckets = 20'000;
  numeric::Team team(kThreads);
  BucketRows rows(kBuckets, 1, kBuckets);
  std::vector<std::int32_t> content(kBuckets + 2, -1);  // plain memory: rows must be published with what fills them
  std::vector<std::vector<std::int32_t>> seen(kThreads, std::vector<std::int32_t>(kBuckets));
  std::atomic<int> wrong{0};
  team.run([&](int thread) {
    SplitMix64 random(static_cast<std::uint64_t>(thread));
    for (int i = 0; i < 5 * kBuckets; ++i) {
      // All threads are near the same place; the last round misses no bucket.
      const auto bucket = static_cast<std::int32_t>(
          (static_cast<std::uint32_t>(i) + random.below(i < 4 * kBuckets ? 3 : 1)) % kBuckets);
      const std::int32_t row = rows.row(bucket, [&](std::int32_t r) { content[static_cast<std::size_t>(r)] = bucket; });
      if (content[static_cast<std::size_t>(row)] != bucket) ++wrong;
      seen[static_cast<std::size_t>(thread)][static_cast<std::size_t>(bucket)] = row;
    }
  });
  EXPECT_EQ(wrong.load(), 0);
  EXPECT_EQ(rows.used(), kBuckets);
  for (const auto& mine : seen) EXPECT_EQ(mine, seen[0]);
  EXPECT_EQ(std::set<std::int32_t>(seen[0].begin(), seen[0].end()).size(), static_cast<std::size_t>(kBuckets));
}

}  // namespace
}  // namespace clary::blazingtext
