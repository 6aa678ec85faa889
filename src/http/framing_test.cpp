// SPDX-License-Identifier: Apache-2.0
#include "http/framing.h"

#include <gtest/gtest.h>

#include "http/write_head.h"

namespace clary::http {
namespace {

const HeadLimits kLimits;

TEST(Headers, CompareNamesWithoutCaseAndKeepOrder) {
  Headers headers{{"Host", "a"}, {"X-One", "1"}, {"x-one", "2"}};
  EXPECT_EQ(headers.get("HOST"), "a");
  EXPECT_EQ(headers.all("X-ONE"), (std::vector<std::string_view>{"1", "2"}));
  headers.set("x-ONE", std::string(headers.get("Host").value()));
  EXPECT_EQ(headers.all("x-one"), (std::vector<std::string_view>{"a"}));
  headers.erase("host");
  EXPECT_FALSE(headers.has("Host"));
  EXPECT_EQ(headers.size(), 1U);
  const Headers connection{{"Connection", "Keep-Alive, Upgrade"}};
  EXPECT_TRUE(connection.has_token("connection", "upgrade"));
  EXPECT_FALSE(connection.has_token("connection", "keep"));
}

TEST(RequestHead, IsParsedWithItsTargetAsSent) {
  const RequestHead head =
      parse_request_head("PUT /a%2Fb/../c?x=1&y HTTP/1.1\r\nHost: h\r\nEmpty:\r\nX:  padded \r\n\r\n", kLimits);
  EXPECT_EQ(head.method, "PUT");
  EXPECT_EQ(head.target, "/a%2Fb/../c?x=1&y");
  EXPECT_EQ(head.headers.get("x"), "padded");
  EXPECT_EQ(head.headers.get("empty"), "");
}

TEST(RequestHead, CutAtEveryByteIsNeverComplete) {
  const std::string whole = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n";
  for (std::size_t cut = 0; cut < whole.size(); ++cut) {
    EXPECT_FALSE(find_head_end(whole.substr(0, cut)));
    EXPECT_THROW(parse_request_head(whole.substr(0, cut), kLimits), RequestError);
  }
  EXPECT_EQ(find_head_end(whole + "body", 10), whole.size());
}

struct BadHead {
  const char* name;
  std::string text;
  int status;
};

class RefusedHeads : public testing::TestWithParam<BadHead> {};

TEST_P(RefusedHeads, AnswerTheRightStatus) {
  try {
    const RequestHead head = parse_request_head(GetParam().text, kLimits);
    request_framing(head);
    FAIL() << GetParam().name;
  } catch (const RequestError& e) {
    EXPECT_EQ(e.status(), GetParam().status) << GetParam().name << ": " << e.what();
  }
}

std::string with(const std::string& fields, const std::string& version = "1.1") {
  return "POST / HTTP/" + version + "\r\nHost: h\r\n" + fields + "\r\n";
}

std::string many_fields(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) out += "X: y\r\n";
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    Framing, RefusedHeads,
    testing::Values(BadHead{"length and coding", with("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n"), 400},
                    BadHead{"coding and length", with("Transfer-Encoding: chunked\r\nContent-Length: 1\r\n"), 400},
                    BadHead{"chunked twice", with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400},
                    BadHead{"identity", with("Transfer-Encoding: identity\r\n"), 501},
                    BadHead{"gzip, chunked", with("Transfer-Encoding: gzip, chunked\r\n"), 501},
                    BadHead{"chunked 1.0", with("Transfer-Encoding: chunked\r\n", "1.0"), 400},
                    BadHead{"length twice", with("Content-Length: 1\r\nContent-Length: 1\r\n"), 400},
                    BadHead{"negative", with("Content-Length: -1\r\n"), 400},
                    BadHead{"hex", with("Content-Length: 0x1\r\n"), 400},
                    BadHead{"empty length", with("Content-Length:\r\n"), 400},
                    BadHead{"19 digits", with("Content-Length: 1000000000000000000\r\n"), 400},
                    BadHead{"folded", with("A: b\r\n c\r\n"), 400}, BadHead{"host twice", with("Host: i\r\n"), 400},
                    BadHead{"bare LF", "GET / HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400},
                    BadHead{"fields", with(many_fields(129)), 431},
                    BadHead{"target", "GET /" + std::string(17000, 'x') + " HTTP/1.1\r\nHost: h\r\n\r\n", 414},
                    BadHead{"size", with("A: " + std::string(70000, 'x') + "\r\n"), 431},
                    BadHead{"version 2", "GET / HTTP/2.0\r\nHost: h\r\n\r\n", 505}),
    [](const auto& row) {
      std::string name = row.param.name;
      for (char& c : name)
        if (!std::isalnum(static_cast<unsigned char>(c))) c = '_';
      return name;
    });

/// Runs the decoder over `wire` given in pieces of `step` bytes.
std::string decode(const std::string& wire, std::size_t step, bool& done, std::size_t* used = nullptr) {
  ChunkDecoder decoder;
  std::string content;
  std::size_t at = 0;
  while (at < wire.size() && !decoder.done()) {
    const std::string_view piece = std::string_view(wire).substr(at, step);
    if (decoder.remaining() > 0) {
      const std::size_t n = std::min<std::uint64_t>(piece.size(), decoder.remaining());
      content.append(piece.substr(0, n));
      decoder.took(n);
      at += n;
    } else {
      const std::size_t n = decoder.frame(piece);
      at += n;
      if (n == 0 && decoder.remaining() == 0 && !decoder.done()) throw Error(Kind::kInternal, "no progress");
    }
  }
  done = decoder.done();
  if (used != nullptr) *used = at;
  return content;
}

TEST(ChunkDecoder, GivesTheSameForEveryCutOfTheInput) {
  const std::string wire = "5;name=\"v\"\r\nhello\r\n00A\r\n0123456789\r\n0\r\nTrailer: x\r\nOther: y\r\n\r\nNEXT";
  for (std::size_t step = 1; step <= wire.size(); ++step) {
    bool done = false;
    std::size_t used = 0;
    EXPECT_EQ(decode(wire, step, done, &used), "hello0123456789");
    EXPECT_TRUE(done);
    EXPECT_EQ(used, wire.size() - 4);
  }
}

TEST(ChunkDecoder, RefusesBadFraming) {
  for (const char* wire : {"\r\n", "g\r\n", "5 \r\nhello\r\n", "-5\r\n", "5\nhello", "5\r\nhelloX\r\n", "5\r\nhello\rX",
                           "1234567890123456\r\n", "0\r\n\nx", "0\r\nA: b\n\r\n", "0x5\r\nhello\r\n"}) {
    bool done = false;
    EXPECT_THROW(decode(wire, 64, done), RequestError) << wire;
  }
  bool done = false;
  EXPECT_THROW(decode("5;" + std::string(300, 'x') + "\r\n", 64, done), RequestError);
  EXPECT_THROW(decode("0\r\n" + std::string(9000, 'x'), 64, done), RequestError);
}

TEST(ResponseFraming, KnowsAnswersWithoutBody) {
  ResponseHead head = parse_response_head("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", kLimits);
  EXPECT_EQ(response_framing(head, "GET").length, 5U);
  EXPECT_EQ(response_framing(head, "HEAD").kind, BodyKind::kNone);
  head = parse_response_head("HTTP/1.1 204 No Content\r\n\r\n", kLimits);
  EXPECT_EQ(response_framing(head, "GET").kind, BodyKind::kNone);
  head = parse_response_head("HTTP/1.0 200 OK\r\n\r\n", kLimits);
  EXPECT_EQ(response_framing(head, "GET").kind, BodyKind::kUntilClose);
}

TEST(WriteHead, ValuesCantBreakOutOfTheirLine) {
  Response response;
  response.headers.add("X-Name", "a\r\nSet-Cookie: b");
  std::string out;
  append_response_head(out, response, "GET", 0, false, true);
  EXPECT_NE(out.find("X-Name: aSet-Cookie: b\r\n"), std::string::npos) << out;
}

TEST(WriteHead, TheLengthStandsOnceAndIsTheTrueOne) {
  Response response;
  response.headers.add("content-length", "7");
  std::string get, head;
  append_response_head(get, response, "GET", 3, false, true);
  append_response_head(head, response, "HEAD", 0, false, true);
  EXPECT_EQ(get.find("content-length"), std::string::npos) << get;
  EXPECT_NE(get.find("Content-Length: 3\r\n"), std::string::npos) << get;
  EXPECT_NE(head.find("content-length: 7\r\n"), std::string::npos) << head;
  EXPECT_EQ(head.find("Content-Length"), std::string::npos) << head;
}

TEST(WriteHead, ChunksAreFramedInPlace) {
  std::string buffer(kChunkHeadRoom + 300 + 2, 'x');
  EXPECT_EQ(framed_chunk(buffer, 300), "12c\r\n" + std::string(300, 'x') + "\r\n");
  EXPECT_EQ(framed_chunk(buffer, 1), "1\r\nx\r\n");
}

}  // namespace
}  // namespace clary::http
