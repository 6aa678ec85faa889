// SPDX-License-Identifier: Apache-2.0
#include "platform/objects/s3_uri.h"

#include <gtest/gtest.h>

namespace clary::objects {
namespace {

TEST(S3Uri, ReadsEveryFormThatUsersWrite) {
  struct Row {
    const char* text;
    const char* bucket;
    const char* key;
  };
  for (const Row& row : {
           Row{"s3://bucket/a/b.csv", "bucket", "a/b.csv"},
           Row{"s3://bucket", "bucket", ""},
           Row{"s3://bucket/", "bucket", ""},
           Row{"s3://bucket/a%20b//c/", "bucket", "a%20b//c/"},
           Row{"https://s3-us-west-2.amazonaws.com/slytherins-test/xgboost/", "slytherins-test", "xgboost/"},
           Row{"https://s3.us-west-2.amazonaws.com/bucket/a%20b", "bucket", "a b"},
           Row{"https://s3.amazonaws.com/bucket", "bucket", ""},
           Row{"https://bucket.s3.amazonaws.com/k", "bucket", "k"},
           Row{"https://my.bucket.s3.eu-central-1.amazonaws.com/k/l", "my.bucket", "k/l"},
           Row{"https://bucket.s3-us-west-2.amazonaws.com/k", "bucket", "k"},
           Row{"https://bucket.s3.dualstack.us-west-2.amazonaws.com/k", "bucket", "k"},
           Row{"http://s3.cn-north-1.amazonaws.com.cn/bucket/k", "bucket", "k"},
       }) {
    const auto uri = parse_s3_uri(row.text);
    ASSERT_TRUE(uri) << row.text;
    EXPECT_EQ(uri->bucket, row.bucket) << row.text;
    EXPECT_EQ(uri->key, row.key) << row.text;
  }
}

TEST(S3Uri, RefusesTheRest) {
  for (const char* text :
       {"", "s3://", "s3:///key", "s3:/bucket/k", "S3://bucket/k", "bucket/key", "s3://Bucket/k",
        "https://example.com/bucket/k", "https://s3.amazonaws.com/", "https://s3.amazonaws.com",
        "https://s3.us-west-2.amazonaws.com/bucket/%zz", "https://.amazonaws.com/bucket/k",
        "https://sagemaker.us-west-2.amazonaws.com/bucket/k", "file:///bucket/k", "s3://bucket/\xFF"})
    EXPECT_FALSE(parse_s3_uri(text)) << text;
  EXPECT_FALSE(parse_s3_uri("s3://bucket/" + std::string(1025, 'k')));
}

TEST(S3Host, TellsTheBucketInFront) {
  EXPECT_EQ(bucket_of_s3_host("s3.us-west-2.amazonaws.com:443"), "");
  EXPECT_EQ(bucket_of_s3_host("b.S3.us-west-2.amazonaws.com"), "b");
  EXPECT_EQ(bucket_of_s3_host("s3.s3.us-west-2.amazonaws.com"), "s3");
  EXPECT_EQ(bucket_of_s3_host("my.s3.s3.us-west-2.amazonaws.com"), "my.s3");
  EXPECT_EQ(bucket_of_s3_host("localhost:9400"), std::nullopt);
  EXPECT_EQ(bucket_of_s3_host("sts.us-west-2.amazonaws.com"), std::nullopt);
  EXPECT_EQ(bucket_of_s3_host("..s3.amazonaws.com"), std::nullopt);
}

}  // namespace
}  // namespace clary::objects
