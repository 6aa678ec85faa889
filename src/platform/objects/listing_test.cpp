// SPDX-License-Identifier: Apache-2.0
// Listings are compared with a plain reference that looks at every key.
#include <random>
#include <set>

#include "platform/objects/test_store.h"

namespace clary::objects {
namespace {

struct Line {
  std::string text;
  bool is_prefix;
  bool operator==(const Line&) const = default;
};

/// S3's rules, spelled out over all keys.
std::vector<Line> reference(const std::set<std::string>& keys, const ListQuery& query) {
  std::vector<Line> out;
  for (const auto& key : keys) {
    if (!key.starts_with(query.prefix) || (!query.after.empty() && key <= query.after)) continue;
    const auto at = query.delimiter.empty() ? std::string::npos : key.find(query.delimiter, query.prefix.size());
    if (at == std::string::npos) {
      out.push_back({key, false});
      continue;
    }
    const std::string prefix = key.substr(0, at + query.delimiter.size());
    if (prefix == query.after) continue;
    if (out.empty() || out.back() != Line{prefix, true}) out.push_back({prefix, true});
  }
  return out;
}

std::vector<Line> lines_of(const Listing& listing) {
  std::vector<Line> out;
  for (const auto& object : listing.objects) out.push_back({object.key, false});
  for (const auto& prefix : listing.common_prefixes) out.push_back({prefix, true});
  std::sort(out.begin(), out.end(), [](const Line& a, const Line& b) { return a.text < b.text; });
  return out;
}

class ListingTest : public ObjectStoreTest {
 protected:
  void put(const std::set<std::string>& keys) {
    const ObjectInfo source = store_->put_text("bucket", *keys.begin(), "x");
    for (const auto& key : keys) store_->copy(source, "bucket", key, {});
  }
};

TEST_F(ListingTest, OrderIsThatOfUtf8Bytes) {
  // U+FF5E sorts before U+1F600 in UTF-8, after it in UTF-16.
  const std::set<std::string> keys{"B", "a", "a/", "a/b", "a0", "\xC3\xA4", "\xEF\xBD\x9E", "\xF0\x9F\x98\x80"};
  put(keys);
  const Listing all = store_->list("bucket", {});
  ASSERT_EQ(all.objects.size(), keys.size());
  auto key = keys.begin();
  for (const auto& object : all.objects) EXPECT_EQ(object.key, *key++);
}

TEST_F(ListingTest, PagesOfEverySizeAgreeWithTheReference) {
  std::mt19937 random(7);
  const std::vector<std::string> pieces{"a", "b", "/", "/", "\xC3\xA4", "-", "%2F"};
  std::set<std::string> keys;
  while (keys.size() < 120) {
    std::string key;
    for (auto n = 1 + random() % 6; n > 0; --n) key += pieces[random() % pieces.size()];
    keys.insert(key);
  }
  put(keys);
  for (const std::string prefix : {"", "a", "a/", "/", "b/a", "zz"})
    for (const std::string delimiter : {"", "/", "a", "%2F", "//"})
      for (const int size : {1, 2, 7, 1000}) {
        ListQuery query{prefix, delimiter, "", size};
        std::vector<Line> got;
        for (;;) {
          const Listing page = store_->list("bucket", query);
          const auto lines = lines_of(page);
          EXPECT_LE(lines.size(), static_cast<std::size_t>(size));
          got.insert(got.end(), lines.begin(), lines.end());
          if (!page.truncated) break;
          ASSERT_FALSE(page.next.empty());
          query.after = page.next;
        }
        EXPECT_EQ(got, reference(keys, {prefix, delimiter, "", 1000})) << prefix << " | " << delimiter << " | " << size;
      }
}

TEST_F(ListingTest, StartingAnywhereAgreesWithTheReference) {
  const std::set<std::string> keys{"a", "a/1", "a/2", "a0", "b/1", "b/c/1", "b/c/2", "c"};
  put(keys);
  for (const std::string after : {"", "0", "a", "a/", "a/1", "a/9", "a0", "b", "b/", "b/c/", "b/c/1", "c", "d"})
    for (const std::string prefix : {"", "a", "b/"}) {
      const ListQuery query{prefix, "/", after, 1000};
      EXPECT_EQ(lines_of(store_->list("bucket", query)), reference(keys, query)) << prefix << " after " << after;
    }
}

TEST_F(ListingTest, ZeroKeysIsEmptyAndNotTruncatedAndAMissingBucketIsAnError) {
  put({"a"});
  const Listing none = store_->list("bucket", {"", "", "", 0});
  EXPECT_TRUE(none.objects.empty());
  EXPECT_FALSE(none.truncated);
  expect_problem(Problem::kNoSuchBucket, [&] { store_->list("none", {}); });
}

TEST_F(ListingTest, APrefixFullOfKeysCostsOneSeek) {
  const ObjectInfo source = store_->put_text("bucket", "big/0", "x");
  database_->write([&](store::Connection& db) {
    db.run_script(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<200000) "
        "INSERT INTO s3_objects SELECT bucket, 'big/' || i, size, etag, modified, content_type, storage_class, "
        "checksum_algorithm, checksum, checksum_type, blob, upload, headers, tags, parts FROM s3_objects, n "
        "WHERE key='big/0'");
  });
  store_->copy(source, "bucket", "small", {});
  const auto start = std::chrono::steady_clock::now();
  const Listing page = store_->list("bucket", {"", "/", "", 1000});
  EXPECT_EQ(page.common_prefixes, std::vector<std::string>{"big/"});
  EXPECT_EQ(page.objects.size(), 1U);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::milliseconds(20)) << "200,000 keys must be skipped";
}

}  // namespace
}  // namespace clary::objects
