// SPDX-License-Identifier: Apache-2.0
#include "base/hash.h"
#include "base/text.h"
#include "base/time.h"
#include "platform/services/s3/test_service.h"

namespace clary::s3 {
namespace {

bool has(const Answer& answer, std::string_view text) { return answer.body.find(text) != std::string::npos; }
std::string header(const Answer& answer, std::string_view name) {
  return std::string(answer.headers.value_or(name, "(none)"));
}

TEST_F(S3ServiceTest, PutGetHeadDelete) {
  const Answer put = send("PUT", "/bucket/a/b", "hello", {{"Content-Type", "text/csv"}, {"x-amz-meta-Colour", "red"}});
  EXPECT_EQ(put.status, 200) << put.code;
  EXPECT_EQ(header(put, "ETag"), "\"5d41402abc4b2a76b9719d911017c592\"");
  const Answer get = send("GET", "/bucket/a/b");
  EXPECT_EQ(get.body, "hello");
  EXPECT_EQ(header(get, "Content-Type"), "text/csv");
  EXPECT_EQ(header(get, "x-amz-meta-colour"), "red");
  EXPECT_TRUE(parse_http_date(header(get, "Last-Modified")));
  const Answer head = send("HEAD", "/bucket/a/b");
  EXPECT_EQ(header(head, "Content-Length"), "5");
  EXPECT_EQ(head.body, "");
  EXPECT_EQ(send("DELETE", "/bucket/a/b").status, 204);
  EXPECT_EQ(send("DELETE", "/bucket/a/b").status, 204);
  EXPECT_EQ(send("GET", "/bucket/a/b").code, "NoSuchKey");
}

TEST_F(S3ServiceTest, BodiesLongerThanOneBufferArriveWhole) {
  std::string body;
  for (int i = 0; body.size() < (5U << 20) + 17; ++i) body += std::to_string(i);
  for (const std::size_t size : {(1UL << 20) - 1, 1UL << 20, (1UL << 20) + 1, body.size()}) {
    ASSERT_EQ(send("PUT", "/bucket/k", body.substr(0, size)).status, 200);
    EXPECT_EQ(send("GET", "/bucket/k").body, body.substr(0, size));
  }
}

TEST_F(S3ServiceTest, PathsAreDecodedOnceAndNeverNormalised) {
  for (const std::string key : {"//", "a//b/", "../x", "./y", "%41", "a b+c", "\xC3\xA4?#", "\x01"}) {
    const std::string path = "/bucket/" + percent_encoded(key, true);
    ASSERT_EQ(send("PUT", path, key).status, 200) << key;
    EXPECT_EQ(send("GET", path).body, key);
  }
  EXPECT_EQ(send("GET", "/bucket/%zz").code, "InvalidURI");
  EXPECT_EQ(send("PUT", "/bucket/%FF", "x").code, "InvalidURI");
  EXPECT_EQ(send("PUT", "/bucket/" + std::string(1025, 'k'), "x").code, "KeyTooLongError");
}

TEST_F(S3ServiceTest, VirtualHostsNameTheBucket) {
  caller_.host = "bucket.s3.us-west-2.amazonaws.com";
  EXPECT_EQ(send("PUT", "/k", "v").status, 200);
  EXPECT_TRUE(has(send("GET", "/?list-type=2"), "<Key>k</Key>"));
  caller_.host = "s3.us-west-2.amazonaws.com";
  EXPECT_EQ(send("GET", "/bucket/k").body, "v");
  EXPECT_TRUE(has(send("GET", "/"), "<Name>bucket</Name>"));
}

TEST_F(S3ServiceTest, DigestsAreVerified) {
  const std::string md5 = to_base64(digest(Digest::kMd5, "hello")), crc = to_base64(digest(Digest::kCrc32, "hello"));
  EXPECT_EQ(send("PUT", "/bucket/k", "hello", {{"Content-MD5", md5}}).status, 200);
  EXPECT_EQ(send("PUT", "/bucket/k", "hellO", {{"Content-MD5", md5}}).code, "BadDigest");
  EXPECT_EQ(send("PUT", "/bucket/k", "hello", {{"Content-MD5", "nonsense"}}).code, "InvalidDigest");
  EXPECT_EQ(send("PUT", "/bucket/k", "hellO", {{"x-amz-checksum-crc32", crc}}).code, "BadDigest");
  EXPECT_EQ(send("PUT", "/bucket/k", "hello", {{"x-amz-checksum-crc32", "AAA="}}).code, "InvalidRequest");
  EXPECT_EQ(send("PUT", "/bucket/k", "hello", {{"x-amz-checksum-crc32", crc}, {"x-amz-checksum-sha1", "x"}}).code,
            "InvalidRequest");
  EXPECT_EQ(send("GET", "/bucket/k").body, "hello");
  const Answer put = send("PUT", "/bucket/k", "hello", {{"x-amz-checksum-crc32", crc}});
  EXPECT_EQ(header(put, "x-amz-checksum-crc32"), crc);
  EXPECT_EQ(header(send("GET", "/bucket/k"), "x-amz-checksum-crc32"), "(none)");
  const Answer get = send("GET", "/bucket/k", "", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(header(get, "x-amz-checksum-crc32"), crc);
  EXPECT_EQ(header(get, "x-amz-checksum-type"), "FULL_OBJECT");
  const Answer part = send("GET", "/bucket/k", "", {{"x-amz-checksum-mode", "ENABLED"}, {"Range", "bytes=0-1"}});
  EXPECT_EQ(header(part, "x-amz-checksum-crc32"), "(none)");
}

TEST_F(S3ServiceTest, ATrailersChecksumIsStored) {
  send("PUT", "/bucket/k", "hello",
       {{"x-amz-trailer", "x-amz-checksum-crc64nvme"}, {"Content-Encoding", "aws-chunked"}});
  const Answer get = send("HEAD", "/bucket/k", "", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(header(get, "x-amz-checksum-crc64nvme"), to_base64(digest(Digest::kCrc64Nvme, "hello")));
  EXPECT_EQ(header(get, "Content-Encoding"), "(none)");
  send("PUT", "/bucket/k", "hello", {{"Content-Encoding", "gzip,aws-chunked"}});
  EXPECT_EQ(header(send("HEAD", "/bucket/k"), "Content-Encoding"), "gzip");
}

TEST_F(S3ServiceTest, RangesConditionsAndOverrides) {
  send("PUT", "/bucket/k", "0123456789");
  const Answer range = send("GET", "/bucket/k", "", {{"Range", "bytes=2-4"}});
  EXPECT_EQ(range.status, 206);
  EXPECT_EQ(range.body, "234");
  EXPECT_EQ(header(range, "Content-Range"), "bytes 2-4/10");
  EXPECT_EQ(send("GET", "/bucket/k", "", {{"Range", "bytes=10-"}}).code, "InvalidRange");
  EXPECT_EQ(send("GET", "/bucket/k", "", {{"If-None-Match", "*"}}).status, 304);
  EXPECT_EQ(send("GET", "/bucket/k", "", {{"If-Match", "\"x\""}}).code, "PreconditionFailed");
  EXPECT_EQ(send("GET", "/bucket/k", "", {{"Range", "bytes=2-4"}, {"If-Range", "\"x\""}}).status, 200);
  const Answer typed = send("GET", "/bucket/k?response-content-type=text%2Fhtml&response-expires=x");
  EXPECT_EQ(header(typed, "Content-Type"), "text/html");
  EXPECT_EQ(header(typed, "Expires"), "x");
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"If-None-Match", "*"}}).code, "PreconditionFailed");
  EXPECT_EQ(send("PUT", "/bucket/other", "x", {{"If-Match", "\"x\""}}).code, "NoSuchKey");
  EXPECT_EQ(send("GET", "/bucket/k").body, "0123456789");
}

TEST_F(S3ServiceTest, MetadataStorageClassAndEncryptionAreKept) {
  const Answer put = send("PUT", "/bucket/k", "x",
                          {{"x-amz-server-side-encryption", "aws:kms"},
                           {"x-amz-server-side-encryption-aws-kms-key-id", "key"},
                           {"x-amz-storage-class", "GLACIER"},
                           {"Cache-Control", "no-cache"},
                           {"x-amz-tagging", "a=b&c=d%20e"}});
  EXPECT_EQ(header(put, "x-amz-server-side-encryption"), "aws:kms");
  const Answer head = send("HEAD", "/bucket/k");
  EXPECT_EQ(header(head, "x-amz-server-side-encryption"), "aws:kms");
  EXPECT_EQ(header(head, "x-amz-storage-class"), "GLACIER");
  EXPECT_EQ(header(head, "Cache-Control"), "no-cache");
  EXPECT_EQ(header(head, "x-amz-tagging-count"), "2");
  EXPECT_TRUE(has(send("GET", "/bucket/k?tagging"), "<Key>c</Key><Value>d e</Value>"));
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"x-amz-storage-class", "BEST"}}).code, "InvalidArgument");
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"x-amz-meta-a", std::string(2100, 'm')}}).code, "MetadataTooLarge");
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"x-amz-server-side-encryption-customer-key", "k"}}).code, "NotImplemented");
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"x-amz-acl", "public-read"}}).code, "NotImplemented");
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"x-amz-tagging", "a=1&a=2"}}).code, "InvalidTag");
  EXPECT_EQ(send("PUT", "/bucket/k", "x", {{"x-amz-acl", "private"}}).status, 200);
}

TEST_F(S3ServiceTest, LengthsAreRequiredAndLimited) {
  EXPECT_EQ(send("PUT", "/bucket/k", "", {{"Content-Length", ""}}).status, 200);
  EXPECT_EQ(send("PUT", "/missing/k", "x").code, "NoSuchBucket");
}

TEST_F(S3ServiceTest, Buckets) {
  EXPECT_EQ(send("PUT", "/bucket").status, 200) << "us-east-1 forgives";
  const std::string west =
      "<CreateBucketConfiguration><LocationConstraint>us-west-2</LocationConstraint></CreateBucketConfiguration>";
  EXPECT_EQ(header(send("PUT", "/west-bucket", west), "Location"), "/west-bucket");
  EXPECT_EQ(send("PUT", "/west-bucket", west).code, "BucketAlreadyOwnedByYou");
  EXPECT_EQ(header(send("HEAD", "/west-bucket"), "x-amz-bucket-region"), "us-west-2");
  EXPECT_TRUE(has(send("GET", "/west-bucket?location"), ">us-west-2</LocationConstraint>"));
  const auto elsewhere = [](const std::string& region) {
    return "<CreateBucketConfiguration><LocationConstraint>" + region +
           "</LocationConstraint></CreateBucketConfiguration>";
  };
  for (const char* region : {"nowhere", "us-west", "us-west-x", "US-WEST-2", "us-west-2-3", "eu--1"})
    EXPECT_EQ(send("PUT", "/elsewhere", elsewhere(region)).code, "InvalidLocationConstraint") << region;
  EXPECT_EQ(send("PUT", "/gov-bucket", elsewhere("us-gov-west-1")).status, 200);
  EXPECT_TRUE(has(send("GET", "/bucket?location"), "\"></LocationConstraint>"));
  EXPECT_EQ(send("PUT", "/No_Way").code, "InvalidBucketName");
  EXPECT_EQ(send("PUT", "/abc", "<oops").code, "MalformedXML");
  EXPECT_EQ(send("HEAD", "/missing").code, "NoSuchBucket");
  EXPECT_EQ(send("HEAD", "/bucket", "", {{"x-amz-expected-bucket-owner", "123456789012"}}).status, 200);
  EXPECT_EQ(send("HEAD", "/bucket", "", {{"x-amz-expected-bucket-owner", "999999999999"}}).code, "AccessDenied");
  const Answer all = send("GET", "/?max-buckets=1");
  EXPECT_TRUE(has(all, "<Name>bucket</Name>"));
  EXPECT_FALSE(has(all, "west-bucket"));
  send("PUT", "/west-bucket/k", "x");
  EXPECT_EQ(send("DELETE", "/west-bucket").code, "BucketNotEmpty");
  send("DELETE", "/west-bucket/k");
  EXPECT_EQ(send("DELETE", "/west-bucket").status, 204);
}

TEST_F(S3ServiceTest, SubResourcesOfABucket) {
  struct Row {
    const char* name;
    const char* code;
  };
  for (const Row& row : {Row{"policy", "NoSuchBucketPolicy"}, Row{"cors", "NoSuchCORSConfiguration"},
                         Row{"lifecycle", "NoSuchLifecycleConfiguration"}, Row{"website", "NoSuchWebsiteConfiguration"},
                         Row{"replication", "ReplicationConfigurationNotFoundError"},
                         Row{"object-lock", "ObjectLockConfigurationNotFoundError"}, Row{"tagging", "NoSuchTagSet"}}) {
    EXPECT_EQ(send("GET", std::string("/bucket?") + row.name).code, row.code);
    EXPECT_EQ(send("GET", std::string("/bucket?") + row.name).status, 404);
  }
  for (const char* name : {"versioning=", "acl", "notification", "logging", "accelerate", "requestPayment"})
    EXPECT_EQ(send("GET", std::string("/bucket?") + name).status, 200) << name;
  EXPECT_EQ(
      send("PUT", "/bucket?tagging", "<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>")
          .status,
      204);
  EXPECT_TRUE(has(send("GET", "/bucket?tagging"), "<Key>a</Key><Value>b</Value>"));
  const std::string block =
      "<PublicAccessBlockConfiguration><BlockPublicAcls>true</BlockPublicAcls></PublicAccessBlockConfiguration>";
  EXPECT_EQ(send("PUT", "/bucket?publicAccessBlock", block).status, 200);
  EXPECT_EQ(send("GET", "/bucket?publicAccessBlock").body, block);
  EXPECT_EQ(send("DELETE", "/bucket?publicAccessBlock").status, 204);
  EXPECT_EQ(send("GET", "/bucket?publicAccessBlock").code, "NoSuchPublicAccessBlockConfiguration");
  EXPECT_EQ(send("PUT", "/bucket?acl", "", {{"x-amz-acl", "public-read"}}).code, "NotImplemented");
}

/// Since 2023 every bucket has these three.
TEST_F(S3ServiceTest, BucketsHaveTheDefaultsOfToday) {
  EXPECT_TRUE(has(send("GET", "/bucket?encryption"), "<SSEAlgorithm>AES256</SSEAlgorithm>"));
  EXPECT_EQ(send("DELETE", "/bucket?encryption").status, 204);
  EXPECT_EQ(send("GET", "/bucket?encryption").status, 200);
  EXPECT_TRUE(has(send("GET", "/bucket?publicAccessBlock"), "<RestrictPublicBuckets>true</RestrictPublicBuckets>"));
  EXPECT_TRUE(has(send("GET", "/bucket?ownershipControls"), "<ObjectOwnership>BucketOwnerEnforced</ObjectOwnership>"));
  EXPECT_EQ(send("DELETE", "/bucket?ownershipControls").status, 204);
  EXPECT_EQ(send("GET", "/bucket?ownershipControls").code, "OwnershipControlsNotFoundError");
  EXPECT_EQ(send("PUT", "/writers", "", {{"x-amz-object-ownership", "ObjectWriter"}}).status, 200);
  EXPECT_TRUE(has(send("GET", "/writers?ownershipControls"), "<ObjectOwnership>ObjectWriter</ObjectOwnership>"));
  EXPECT_EQ(send("PUT", "/others", "", {{"x-amz-object-ownership", "Nobody"}}).code, "InvalidArgument");
  EXPECT_EQ(send("PUT", "/xn--bucket").code, "InvalidBucketName");
}

TEST_F(S3ServiceTest, EncryptionThatS3DoesNotHaveIsRefused) {
  const auto refused = [&](Fields fields) {
    EXPECT_EQ(send("PUT", "/bucket/e", "x", fields).code, "InvalidArgument");
    EXPECT_EQ(send("POST", "/bucket/e?uploads", "", fields).code, "InvalidArgument");
  };
  refused({{"x-amz-server-side-encryption", "aes:kms"}});
  refused({{"x-amz-server-side-encryption", "AES128"}});
  refused({{"x-amz-server-side-encryption-aws-kms-key-id", "key"}});
  refused({{"x-amz-server-side-encryption", "AES256"}, {"x-amz-server-side-encryption-aws-kms-key-id", "key"}});
  EXPECT_EQ(send("GET", "/bucket/e").code, "NoSuchKey");
  for (const char* method : {"AES256", "aws:kms", "aws:kms:dsse"})
    EXPECT_EQ(send("PUT", "/bucket/e", "x", {{"x-amz-server-side-encryption", method}}).status, 200) << method;
}

TEST_F(S3ServiceTest, ListingsOfBothVersions) {
  for (const char* key : {"a%20%2B%26", "dir/1", "dir/2", "z"}) send("PUT", std::string("/bucket/") + key, "x");
  const Answer v2 = send("GET", "/bucket?list-type=2&delimiter=%2F&encoding-type=url&max-keys=2&start-after=A");
  EXPECT_TRUE(has(v2, "<Key>a%20%2B%26</Key>")) << v2.body;
  EXPECT_TRUE(has(v2, "<CommonPrefixes><Prefix>dir/</Prefix></CommonPrefixes>"));
  EXPECT_TRUE(has(v2, "<KeyCount>2</KeyCount>"));
  EXPECT_TRUE(has(v2, "<StartAfter>A</StartAfter>"));
  EXPECT_TRUE(has(v2, "<IsTruncated>true</IsTruncated>"));
  const auto from = v2.body.find("<NextContinuationToken>") + 23;
  const std::string token = v2.body.substr(from, v2.body.find('<', from) - from);
  const Answer rest = send("GET", "/bucket?list-type=2&delimiter=%2F&continuation-token=" + percent_encoded(token));
  EXPECT_TRUE(has(rest, "<Key>z</Key>")) << rest.body;
  EXPECT_TRUE(has(rest, "<IsTruncated>false</IsTruncated>"));
  EXPECT_FALSE(has(rest, "dir/"));
  const Answer v1 = send("GET", "/bucket?prefix=dir/&max-keys=1&marker=dir/1");
  EXPECT_TRUE(has(v1, "<Key>dir/2</Key>") && has(v1, "<Owner>") && has(v1, "<Marker>dir/1</Marker>"));
  EXPECT_TRUE(has(send("GET", "/bucket?delimiter=/&max-keys=2"), "<NextMarker>dir/</NextMarker>"));
  EXPECT_TRUE(has(send("GET", "/bucket?versions"), "<VersionId>null</VersionId>"));
  EXPECT_TRUE(has(send("GET", "/bucket?max-keys=0"), "<IsTruncated>false</IsTruncated>"));
  for (const char* bad : {"max-keys=-1", "max-keys=x", "encoding-type=base64", "list-type=2&continuation-token=x",
                          "list-type=2&continuation-token="})
    EXPECT_EQ(send("GET", std::string("/bucket?") + bad).code, "InvalidArgument") << bad;
}

TEST_F(S3ServiceTest, CopiesKeepOrReplaceMetadata) {
  send("PUT", "/bucket/a%20b", "x", {{"x-amz-meta-m", "1"}, {"Content-Type", "text/csv"}, {"x-amz-tagging", "t=v"}});
  const Answer copy = send("PUT", "/bucket/c", "", {{"x-amz-copy-source", "/bucket/a%20b"}});
  EXPECT_TRUE(has(copy, "<CopyObjectResult")) << copy.body;
  Answer head = send("HEAD", "/bucket/c");
  EXPECT_EQ(header(head, "x-amz-meta-m"), "1");
  EXPECT_EQ(header(head, "Content-Type"), "text/csv");
  EXPECT_EQ(header(head, "x-amz-tagging-count"), "1");
  send("PUT", "/bucket/c", "",
       {{"x-amz-copy-source", "bucket/a%20b"}, {"x-amz-metadata-directive", "REPLACE"}, {"x-amz-meta-n", "2"}});
  head = send("HEAD", "/bucket/c");
  EXPECT_EQ(header(head, "x-amz-meta-m"), "(none)");
  EXPECT_EQ(header(head, "x-amz-meta-n"), "2");
  EXPECT_EQ(send("PUT", "/bucket/c", "", {{"x-amz-copy-source", "bucket/c"}}).code, "InvalidRequest");
  EXPECT_EQ(send("PUT", "/bucket/c", "", {{"x-amz-copy-source", "bucket/none"}}).code, "NoSuchKey");
  EXPECT_EQ(send("PUT", "/bucket/c", "", {{"x-amz-copy-source", "missing/none"}}).code, "NoSuchBucket");
  EXPECT_EQ(send("PUT", "/bucket/c", "", {{"x-amz-copy-source", "nothing"}}).code, "InvalidArgument");
  EXPECT_EQ(send("PUT", "/bucket/d", "", {{"x-amz-copy-source", "bucket/c"}, {"x-amz-copy-source-if-match", "x"}}).code,
            "PreconditionFailed");
}

TEST_F(S3ServiceTest, DeleteObjectsReportsEveryKey) {
  send("PUT", "/bucket/a", "x");
  const std::string document =
      "<Delete><Object><Key>a</Key></Object><Object><Key>none</Key></Object>"
      "<Object><Key>b</Key><VersionId>v</VersionId></Object></Delete>";
  const Answer answer = send("POST", "/bucket?delete", document);
  EXPECT_TRUE(has(answer, "<Deleted><Key>a</Key></Deleted><Deleted><Key>none</Key></Deleted>")) << answer.body;
  EXPECT_TRUE(has(answer, "<Code>NoSuchVersion</Code>"));
  EXPECT_EQ(send("GET", "/bucket/a").code, "NoSuchKey");
  EXPECT_EQ(send("POST", "/bucket?delete", "<Delete/>").code, "MalformedXML");
  EXPECT_EQ(send("POST", "/bucket?delete", document, {{"Content-MD5", to_base64(std::string(16, 'x'))}}).code,
            "BadDigest");
}

class S3Multipart : public S3ServiceTest {
 protected:
  std::string create(Fields fields = {}) {
    const Answer answer = send("POST", "/bucket/m?uploads", "", fields);
    const auto from = answer.body.find("<UploadId>") + 10;
    return answer.body.substr(from, answer.body.find('<', from) - from);
  }
  std::string put_part(const std::string& id, int number, const std::string& body, Fields fields = {}) {
    return header(send("PUT", target(id, number), body, fields), "ETag");
  }
  static std::string target(const std::string& id, int number) {
    return "/bucket/m?partNumber=" + std::to_string(number) + "&uploadId=" + id;
  }
  static std::string list(const std::vector<std::string>& etags) {
    std::string out = "<CompleteMultipartUpload>";
    for (std::size_t i = 0; i < etags.size(); ++i)
      out += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" + etags[i] + "</ETag></Part>";
    return out + "</CompleteMultipartUpload>";
  }
  const std::string big_ = std::string(5 << 20, 'a');
};

TEST_F(S3Multipart, WholeLife) {
  const std::string id = create({{"x-amz-meta-m", "1"}, {"x-amz-checksum-algorithm", "CRC32"}});
  const std::string one = put_part(id, 1, big_), two = put_part(id, 2, "tail");
  EXPECT_TRUE(has(send("GET", "/bucket/m?uploadId=" + id + "&max-parts=1"), "<NextPartNumberMarker>1<"));
  EXPECT_TRUE(has(send("GET", "/bucket?uploads"), "<UploadId>" + id));
  EXPECT_EQ(send("GET", "/bucket/m").code, "NoSuchKey");
  const Answer done = send("POST", "/bucket/m?uploadId=" + id, list({one, two}));
  EXPECT_TRUE(has(done, "-2&quot;</ETag>")) << done.body;
  EXPECT_TRUE(has(done, "<ChecksumCRC32>")) << done.body;
  EXPECT_TRUE(has(done, "<ChecksumType>COMPOSITE"));
  EXPECT_EQ(send("GET", "/bucket/m").body, big_ + "tail");
  const Answer part = send("GET", "/bucket/m?partNumber=2");
  EXPECT_EQ(part.body, "tail");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(header(part, "x-amz-mp-parts-count"), "2");
  EXPECT_EQ(header(part, "x-amz-meta-m"), "1");
  EXPECT_EQ(send("GET", "/bucket/m?partNumber=3").code, "InvalidPart");
  EXPECT_TRUE(has(send("GET", "/bucket/m?attributes", "", {{"x-amz-object-attributes", "ObjectParts,ObjectSize"}}),
                  "<PartsCount>2</PartsCount>"));
}

/// The header describes the object; it was once compared with the XML that lists the parts.
TEST_F(S3Multipart, CompletionTakesTheChecksumOfTheObject) {
  const auto crc = [](const std::string& bytes) { return digest(Digest::kCrc32, bytes); };
  const std::string whole = to_base64(crc(big_ + "tail")), composite = to_base64(crc(crc(big_) + crc("tail")));
  const auto completed = [&](std::string_view type, const std::string& checksum) {
    const std::string id = create({{"x-amz-checksum-algorithm", "CRC32"}, {"x-amz-checksum-type", type}});
    const std::string one = put_part(id, 1, big_), two = put_part(id, 2, "tail");
    return send("POST", "/bucket/m?uploadId=" + id, list({one, two}), {{"x-amz-checksum-crc32", checksum}});
  };
  EXPECT_TRUE(has(completed("FULL_OBJECT", whole), "<ChecksumCRC32>" + whole + "</ChecksumCRC32>"));
  EXPECT_EQ(completed("FULL_OBJECT", to_base64(crc("other"))).code, "BadDigest");
  EXPECT_EQ(completed("FULL_OBJECT", "AAA=").code, "InvalidRequest");
  EXPECT_TRUE(has(completed("COMPOSITE", composite + "-2"), "<ChecksumCRC32>" + composite + "-2</ChecksumCRC32>"));
  EXPECT_EQ(completed("COMPOSITE", composite + "-3").code, "BadDigest");
  const Answer part = send("GET", "/bucket/m?partNumber=2", "", {{"x-amz-checksum-mode", "ENABLED"}});
  EXPECT_EQ(header(part, "x-amz-checksum-crc32"), to_base64(crc("tail")));
  EXPECT_EQ(header(send("GET", "/bucket/m", "", {{"x-amz-checksum-mode", "ENABLED"}}), "x-amz-checksum-crc32"),
            composite + "-2");
}

TEST_F(S3Multipart, Errors) {
  const std::string id = create();
  for (const char* number : {"0", "10001", "x", ""})
    EXPECT_EQ(send("PUT", "/bucket/m?partNumber=" + std::string(number) + "&uploadId=" + id, "x").code,
              "InvalidArgument")
        << number;
  EXPECT_EQ(send("PUT", target("nope", 1), "x").code, "NoSuchUpload");
  const std::string one = put_part(id, 1, "small"), two = put_part(id, 2, "small");
  EXPECT_EQ(send("POST", "/bucket/m?uploadId=" + id, list({one, two})).code, "EntityTooSmall");
  EXPECT_EQ(send("POST", "/bucket/m?uploadId=" + id, list({"\"0\"", two})).code, "InvalidPart");
  EXPECT_EQ(send("POST", "/bucket/m?uploadId=" + id, "<CompleteMultipartUpload/>").code, "MalformedXML");
  EXPECT_EQ(send("DELETE", "/bucket/m?uploadId=" + id).status, 204);
  EXPECT_EQ(send("POST", "/bucket/m?uploadId=" + id, list({one})).code, "NoSuchUpload");
  EXPECT_EQ(send("POST", "/bucket/m?uploads", "",
                 {{"x-amz-checksum-algorithm", "SHA256"}, {"x-amz-checksum-type", "FULL_OBJECT"}})
                .code,
            "InvalidRequest");
}

TEST_F(S3Multipart, PartsAreCopiedByRange) {
  send("PUT", "/bucket/source", "0123456789");
  const std::string id = create();
  const Answer copied = send("PUT", target(id, 1), "",
                             {{"x-amz-copy-source", "bucket/source"}, {"x-amz-copy-source-range", "bytes=3-6"}});
  EXPECT_TRUE(has(copied, "<CopyPartResult")) << copied.body;
  const std::string etag = to_hex(digest(Digest::kMd5, "3456"));
  EXPECT_EQ(send("POST", "/bucket/m?uploadId=" + id, list({etag})).status, 200);
  EXPECT_EQ(send("GET", "/bucket/m").body, "3456");
}

TEST_F(S3Multipart, UploadsAreListedWithDelimiterAndPages) {
  for (const char* key : {"a/1", "a/2", "b", "c"}) send("POST", std::string("/bucket/") + key + "?uploads");
  const Answer page = send("GET", "/bucket?uploads&delimiter=/&max-uploads=2");
  EXPECT_TRUE(has(page, "<CommonPrefixes><Prefix>a/</Prefix>")) << page.body;
  EXPECT_TRUE(has(page, "<Key>b</Key>") && has(page, "<IsTruncated>true<") && has(page, "<NextKeyMarker>b<"));
  const Answer rest = send("GET", "/bucket?uploads&delimiter=/&key-marker=b");
  EXPECT_TRUE(has(rest, "<Key>c</Key>") && !has(rest, "<Key>b</Key>")) << rest.body;
}

}  // namespace
}  // namespace clary::s3
