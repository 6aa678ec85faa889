// SPDX-License-Identifier: Apache-2.0
// The examples of AWS's own documentation ("Authenticating Requests (AWS Signature Version 4)", access key
// AKIAIOSFODNN7EXAMPLE), and everything that must be refused. Agreement with botocore: tests/integration/test_edge.py.
#include <gtest/gtest.h>

#include "base/hash.h"
#include "platform/aws/authenticate.h"
#include "platform/aws/aws_chunked.h"
#include "platform/aws/test_signer.h"

namespace clary::aws {
namespace {

constexpr std::string_view kKey = "AKIAIOSFODNN7EXAMPLE";
constexpr std::string_view kSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
constexpr std::string_view kScope = "AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request";
constexpr EpochMs kNow = 1369353600000;  // 2013-05-24T00:00:00Z
constexpr std::string_view kHost = "examplebucket.s3.amazonaws.com";

Credentials example_keys() {
  return Credentials(std::map<std::string, std::string, std::less<>>{{std::string(kKey), std::string(kSecret)}});
}

SigningContext context() {
  SigningContext c;
  c.key = {std::string(kKey), std::string(kSecret)};
  return c;
}

struct Sent {
  http::TextBody body{""};
  http::Request request{"GET", "/", {}, body, false, "", ""};
  Signature signature;
};

Verified check(Sent& sent, EpochMs now = kNow, Wire wire = Wire::kS3) {
  read_signature(sent.request, sent.signature);
  const Credentials keys = example_keys();
  VerifyOptions options{wire, PathRule::kS3, "", "", false, now};
  const std::string hash(sent.request.headers.value_or("x-amz-content-sha256", kUnsignedPayload));
  options.payload_hash = hash;
  return verify(sent.request, sent.signature, keys, options);
}

std::string code_name(Sent& sent, EpochMs now = kNow, Wire wire = Wire::kS3) {
  try {
    check(sent, now, wire);
    return "accepted";
  } catch (const ServiceError& e) {
    return std::string(row(e.code()).name);
  }
}

void fill_get_object(Sent& sent) {
  sent.request.target = "/test.txt";
  sent.request.headers = {{"Host", kHost},
                          {"Range", "bytes=0-9"},
                          {"x-amz-content-sha256", kEmptySha256},
                          {"x-amz-date", "20130524T000000Z"},
                          {"Authorization",
                           "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                           "SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"
                           "Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"}};
}

TEST(SigV4, AcceptsTheDocumentedGetObject) {
  Sent sent;
  fill_get_object(sent);
  EXPECT_EQ(code_name(sent), "accepted");
}

TEST(SigV4, AcceptsTheDocumentedPutObjectWithOddKey) {
  Sent sent;
  sent.request.method = "PUT";
  sent.request.target = "/test%24file.text";
  sent.request.headers = {{"Host", kHost},
                          {"Date", "Fri, 24 May 2013 00:00:00 GMT"},
                          {"x-amz-storage-class", "REDUCED_REDUNDANCY"},
                          {"x-amz-content-sha256", "44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072"},
                          {"x-amz-date", "20130524T000000Z"},
                          {"Authorization",
                           "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,"
                           "SignedHeaders=date;host;x-amz-content-sha256;x-amz-date;x-amz-storage-class,"
                           "Signature=98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"}};
  EXPECT_EQ(code_name(sent), "accepted");
}

TEST(SigV4, AcceptsTheDocumentedQueriesWithAndWithoutValue) {
  for (const auto& [target, signature] :
       {std::pair{"/?lifecycle", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        std::pair{"/?max-keys=2&prefix=J", "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"}}) {
    Sent sent;
    sent.request.target = target;
    sent.request.headers = {
        {"Host", kHost},
        {"x-amz-content-sha256", kEmptySha256},
        {"x-amz-date", "20130524T000000Z"},
        {"Authorization", std::string("AWS4-HMAC-SHA256 Credential=") + std::string(kScope) +
                              ", SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=" + signature}};
    EXPECT_EQ(code_name(sent), "accepted") << target;
  }
}

const std::string kPresigned =
    "/test.txt?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIAIOSFODNN7EXAMPLE%2F20130524%2Fus-east-1%2Fs3%2F"
    "aws4_request&X-Amz-Date=20130524T000000Z&X-Amz-Expires=86400&X-Amz-SignedHeaders=host&X-Amz-Signature="
    "aeeed9bbccd4d02ee5c0109b86d86835f995330da4c265957d157751f604d404";

TEST(SigV4, AcceptsTheDocumentedPresignedUrlUntilItExpires) {
  const auto at = [](EpochMs now) {
    Sent sent;
    sent.request.target = kPresigned;
    sent.request.headers = {{"Host", kHost}};
    return code_name(sent, now);
  };
  EXPECT_EQ(at(kNow), "accepted");
  EXPECT_EQ(at(kNow + 86'400'000), "accepted");
  EXPECT_EQ(at(kNow + 86'401'000), "AccessDenied");
  EXPECT_EQ(at(kNow - 16 * 60'000), "AccessDenied");
}

TEST(SigV4, SignerAndVerifierAgree) {
  for (const char* target : {"/", "/a%20b//c/../d?x=%2F&y&x=1", "/k?uploadId=a%2Bb", "/%F0%9F%98%80"}) {
    Sent sent;
    sent.request.method = "PUT";
    sent.request.target = target;
    sent.request.headers = {{"Host", "h:9400"}, {"X-Amz-Meta-A", "  two   blanks "}, {"X-Amz-Meta-A", "again"}};
    sign(sent.request.headers, "PUT", target, kUnsignedPayload, context(), kNow);
    EXPECT_EQ(code_name(sent), "accepted") << target;
    Sent url;
    url.request.target = presigned("GET", target, "h:9400", 60, context(), kNow);
    url.request.headers = {{"Host", "h:9400"}};
    EXPECT_EQ(code_name(url), "accepted") << target;
  }
}

TEST(SigV4, AnyChangedByteIsRefused) {
  const std::vector<std::pair<const char*, void (*)(Sent&)>> changes = {
      {"method", [](Sent& s) { s.request.method = "HEAD"; }},
      {"path", [](Sent& s) { s.request.target = "/test.txT"; }},
      {"query", [](Sent& s) { s.request.target = "/test.txt?acl"; }},
      {"signed header", [](Sent& s) { s.request.headers.set("Range", "bytes=0-8"); }},
      {"second signed header", [](Sent& s) { s.request.headers.add("Range", "bytes=0-9"); }},
      {"host", [](Sent& s) { s.request.headers.set("Host", "other"); }},
      {"payload hash", [](Sent& s) { s.request.headers.set("x-amz-content-sha256", kUnsignedPayload); }},
  };
  for (const auto& [name, change] : changes) {
    Sent sent;
    fill_get_object(sent);
    change(sent);
    EXPECT_EQ(code_name(sent), "SignatureDoesNotMatch") << name;
  }
}

TEST(SigV4, UnsignedAmzHeadersAndHostAreRefused) {
  Sent extra;
  fill_get_object(extra);
  extra.request.headers.add("x-amz-acl", "public-read");
  EXPECT_EQ(code_name(extra), "AccessDenied");
  Sent hostless;
  fill_get_object(hostless);
  std::string value(hostless.request.headers.get("Authorization").value());
  value.replace(value.find("host;"), 5, "");
  hostless.request.headers.set("Authorization", value);
  EXPECT_EQ(code_name(hostless), "AuthorizationHeaderMalformed");
}

TEST(SigV4, ClockSkewOfFifteenMinutesIsTolerated) {
  for (const auto& [shift, expected] :
       {std::pair{14, "accepted"}, std::pair{-14, "accepted"}, std::pair{16, "RequestTimeTooSkewed"},
        std::pair{-16, "RequestTimeTooSkewed"}}) {
    Sent sent;
    fill_get_object(sent);
    EXPECT_EQ(code_name(sent, kNow + shift * 60'000), expected) << shift;
  }
  Sent json;
  fill_get_object(json);
  EXPECT_EQ(code_name(json, kNow + 3'600'000, Wire::kJson), "InvalidSignatureException");
}

TEST(SigV4, EachWireNamesFailuresItsOwnWay) {
  struct Row {
    Wire wire;
    const char *unsigned_code, *unknown_key;
  };
  for (const Row& r : {Row{Wire::kS3, "AccessDenied", "InvalidAccessKeyId"},
                       Row{Wire::kJson, "MissingAuthenticationTokenException", "UnrecognizedClientException"},
                       Row{Wire::kRestJson, "MissingAuthenticationTokenException", "UnrecognizedClientException"},
                       Row{Wire::kQuery, "MissingAuthenticationToken", "InvalidClientTokenId"}}) {
    Sent bare;
    EXPECT_EQ(code_name(bare, kNow, r.wire), r.unsigned_code);
    Sent stranger;
    fill_get_object(stranger);
    std::string value(stranger.request.headers.get("Authorization").value());
    value.replace(value.find("AKIAIO"), 6, "AKIAXX");
    stranger.request.headers.set("Authorization", value);
    EXPECT_EQ(code_name(stranger, kNow, r.wire), r.unknown_key);
  }
}

TEST(SigV4, AuthorizationCutAnywhereIsMalformedOrRefused) {
  Sent whole;
  fill_get_object(whole);
  const std::string value(whole.request.headers.get("Authorization").value());
  for (std::size_t cut = 0; cut < value.size(); ++cut) {
    Sent sent;
    fill_get_object(sent);
    sent.request.headers.set("Authorization", value.substr(0, cut));
    EXPECT_EQ(code_name(sent), "AuthorizationHeaderMalformed") << cut;
  }
}

TEST(SigV4, TemporaryKeysNeedTheirToken) {
  Credentials keys = example_keys();
  const TemporaryKey temporary = keys.issue_temporary(std::chrono::seconds(60));
  const auto attempt = [&](const std::string& token, EpochMs now) {
    Sent sent;
    sent.request.headers = {{"Host", "h"}};
    SigningContext c;
    c.key = temporary.key;
    c.session_token = token;
    sign(sent.request.headers, "GET", "/", kUnsignedPayload, c, now);
    read_signature(sent.request, sent.signature);
    try {
      verify(sent.request, sent.signature, keys, {Wire::kS3, PathRule::kS3, kUnsignedPayload, "", false, now});
      return std::string("accepted");
    } catch (const ServiceError& e) {
      return std::string(row(e.code()).name);
    }
  };
  EXPECT_EQ(attempt(temporary.session_token, now_ms()), "accepted");
  EXPECT_EQ(attempt("", now_ms()), "InvalidAccessKeyId");
  EXPECT_EQ(attempt("wrong", now_ms()), "InvalidAccessKeyId");
  EXPECT_EQ(attempt(temporary.session_token, now_ms() + 61'000), "ExpiredToken");
}

// The documented streaming upload: 66560 bytes of 'a' in chunks of 65536, 1024 and 0.
AwsChunkedForm documented_form() {
  AwsChunkedForm form = aws_chunked_form("STREAMING-AWS4-HMAC-SHA256-PAYLOAD").value();
  const Scope scope = parse_scope(kScope).value();
  form.signing_key = signing_key(kSecret, scope);
  form.timestamp = "20130524T000000Z";
  form.scope_text = scope.text;
  form.seed_signature = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9";
  return form;
}

std::string documented_body() {
  return "10000;chunk-signature=ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648\r\n" +
         std::string(65536, 'a') +
         "\r\n400;chunk-signature=0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497\r\n" +
         std::string(1024, 'a') +
         "\r\n0;chunk-signature=b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9\r\n\r\n";
}

std::string decode(AwsChunkedDecoder& decoder, std::string_view wire, std::size_t step) {
  std::string out;
  for (std::size_t at = 0; at < wire.size() && !decoder.done();) {
    const std::string_view piece = wire.substr(at, step);
    if (decoder.remaining() > 0) {
      const std::string_view content = piece.substr(0, std::min<std::uint64_t>(piece.size(), decoder.remaining()));
      decoder.content(content);
      out.append(content);
      at += content.size();
    } else {
      at += decoder.frame(piece);
    }
  }
  decoder.end();
  return out;
}

TEST(AwsChunked, AcceptsTheDocumentedUploadHoweverItIsCut) {
  const std::string body = documented_body();
  for (const std::size_t step : {1UL, 7UL, 100UL, 65536UL, 1000000UL}) {
    AwsChunkedDecoder decoder(documented_form());
    EXPECT_EQ(decode(decoder, body, step), std::string(66560, 'a')) << step;
    EXPECT_TRUE(decoder.done());
  }
}

TEST(AwsChunked, RefusesEveryChangedByteOfContentAndSignature) {
  const std::string body = documented_body();
  for (std::size_t at = 0; at<body.size(); at += at> 90 && at < 65600 ? 4099 : 1) {
    std::string changed = body;
    changed[at] = changed[at] == 'b' ? 'c' : 'b';
    if (body[at] == '\r') continue;  // a missing CR before LF is tolerated
    AwsChunkedDecoder decoder(documented_form());
    EXPECT_THROW(decode(decoder, changed, 4096), ServiceError) << at;
  }
}

TEST(AwsChunked, CutAnywhereIsIncomplete) {
  const std::string body = "5\r\nhello\r\n3\r\nabc\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
  const std::size_t last_line = body.find("\r\nx-amz") + 2;
  for (std::size_t cut = 0; cut < body.size(); ++cut) {
    AwsChunkedDecoder decoder(aws_chunked_form("STREAMING-UNSIGNED-PAYLOAD-TRAILER").value());
    // Only the closing blank line (and trailers that nobody announced) may be missing.
    const bool whole_lines = cut == last_line || cut >= body.size() - 2;
    if (whole_lines && cut != body.size() - 1) {
      EXPECT_EQ(decode(decoder, body.substr(0, cut), 3), "helloabc");
    } else {
      EXPECT_THROW(decode(decoder, body.substr(0, cut), 3), ServiceError) << cut;
    }
  }
}

TEST(AwsChunked, RefusesNonsense) {
  for (const char* wire :
       {"g\r\n", "\r\n", "1000000000000\r\n", "-1\r\n", "5;chunk-signature=xyz\r\nhello", "5\r\nhelloX\r\n0\r\n"}) {
    AwsChunkedDecoder decoder(documented_form());
    EXPECT_THROW(decode(decoder, wire, 64), ServiceError) << wire;
    AwsChunkedDecoder plain(aws_chunked_form("STREAMING-UNSIGNED-PAYLOAD-TRAILER").value());
    EXPECT_THROW(decode(plain, wire, 64), ServiceError) << wire;
  }
}

}  // namespace
}  // namespace clary::aws
