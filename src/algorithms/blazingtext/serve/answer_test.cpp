// SPDX-License-Identifier: Apache-2.0
// Requests and answers in every form.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>

#include "algorithms/blazingtext/blazingtext.h"
#include "algorithms/blazingtext/model/parts.h"
#include "algorithms/blazingtext/model/test_model.h"
#include "base/json.h"
#include "learning/shell/serve.h"

namespace clary::blazingtext {
namespace {

shell::Answer ask(const Model& model, std::string_view body, std::string_view type, std::string_view accept = "") {
  shell::ServedModel served;
  served.answer = [&](const shell::Invocation& invocation) { return model.answer(invocation); };
  return shell::answer_invocation(served, descriptor(), type, accept, "", body);
}

TEST(BlazingTextAnswer, WordsAreAnsweredAsABareArray) {
  const auto answer = ask(small_vectors(), R"({"instances": ["king", "nobody"]})", "application/json");
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  EXPECT_EQ(answer.body, R"([{"vector": [0.03, -0.04], "word": "king"}, {"vector": [0.0, 0.0], "word": "nobody"}])");
  EXPECT_EQ(ask(small_vectors(), R"({"instances": []})", "application/json").body, "[]");
}

TEST(BlazingTextAnswer, UnknownWordsHaveVectorsWithSubwords) {
  const auto answer = ask(small_vectors(true), R"({"instances": ["kings"]})", "application/json");
  const Json vector = parse_json(answer.body)[0]["vector"];
  EXPECT_NE(vector[0].get<double>(), 0);
}

TEST(BlazingTextAnswer, LabelsComeWithTheirProbabilities) {
  const char* one = R"({"instances": ["good movie", "bad"]})";
  const Json answer = parse_json(ask(small_classifier(), one, "application/json").body);
  ASSERT_EQ(answer.size(), 2U);
  EXPECT_EQ(answer[0]["label"].size(), 1U);
  EXPECT_EQ(answer[0]["prob"].size(), 1U);
  for (const char* two : {R"({"instances": ["good movie"], "configuration": {"k": 2}})",
                          R"({"configuration": {"k": 1000000}, "instances": ["good movie"], "other": [1]})"}) {
    const auto body = ask(small_classifier(), two, "application/json").body;
    EXPECT_THAT(body,
                testing::MatchesRegex(
                    R"(\[\{"label": \["__label__[a-z]+", "__label__[a-z]+"\], "prob": \[0\.[0-9]+, 0\.[0-9]+\]\}\])"));
  }
  EXPECT_EQ(ask(small_classifier(), R"({"instances": [""]})", "application/json").body,
            R"([{"label": [], "prob": []}])");
}

TEST(BlazingTextAnswer, ThresholdLeavesOutImprobableLabelsInEveryForm) {
  Model model = small_classifier();
  const auto both =
      parse_json(ask(model, R"({"instances": ["good movie"], "configuration": {"k": 2}})", "application/json").body)[0];
  ASSERT_EQ(both["label"].size(), 2U);
  const double high = both["prob"][0], low = both["prob"][1];
  ASSERT_LT(low, high);
  const std::string between = std::to_string((low + high) / 2), best = both["label"][0];
  const auto labels = [&](const std::string& type, const std::string& body) { return ask(model, body, type).body; };
  EXPECT_EQ(parse_json(labels("application/json", R"({"instances": ["good movie", {"source": "good movie",
      "threshold": 0}], "configuration": {"k": 2, "threshold": )" +
                                                      between + "}}"))[0]["label"],
            Json::array({best}));
  EXPECT_EQ(parse_json(labels("application/json", R"({"instances": [{"source": "good movie", "threshold": 0}],
      "configuration": {"k": 2, "threshold": )" + between +
                                                      "}}"))[0]["label"]
                .size(),
            2U);
  EXPECT_EQ(parse_json(labels("application/jsonlines",
                              R"({"source": "good movie", "k": 2, "threshold": )" + between + "}"))["label"],
            Json::array({best}));
  EXPECT_EQ(parse_json(labels("text/plain; k=2; threshold=" + between, "good movie"))["label"], Json::array({best}));
  EXPECT_TRUE(labels("text/csv; k=2; threshold=" + between, "good movie").starts_with(best + ","));
  EXPECT_EQ(labels("text/csv; k=2; threshold=1", "good movie"), "\n");
}

TEST(BlazingTextAnswer, JsonLinesHaveAnAnswerALine) {
  const char* body = "{\"source\": \"good\"}\n\n{\"id\": 7, \"k\": 2, \"source\": \"bad movie\"}\r\n";
  for (const char* type : {"application/jsonlines", "application/JSONLINES; data=text"}) {
    const auto answer = ask(small_classifier(), body, type);
    EXPECT_EQ(answer.content_type, "application/jsonlines");
    EXPECT_THAT(answer.body,
                testing::MatchesRegex("\\{\"prob\": \\[0[.][0-9]+\\], \"label\": \\[\"__label__[a-z]+\"\\]\\}\n"
                                      "\\{\"prob\": \\[[^]]+, [^]]+\\], \"label\": \\[[^]]+, [^]]+\\]\\}\n"));
  }
  EXPECT_EQ(ask(small_vectors(), "{\"source\": \"king\"}", "application/jsonlines").body,
            "{\"vector\": [0.03, -0.04], \"word\": \"king\"}\n");
}

TEST(BlazingTextAnswer, LongRequestsAreAnsweredInOrderByManyThreads) {
  std::string json, lines, expected_json, expected_lines;
  const Model model = small_classifier();
  for (int i = 0; i < 1000; ++i) {
    const std::string text = "good movie " + std::to_string(i);
    const std::string one = ask(model, R"({"instances": [")" + text + R"("]})", "application/json").body;
    json += (i > 0 ? R"(, ")" : R"({"instances": [")") + text + '"';
    expected_json += (i > 0 ? ", " : "[") + one.substr(1, one.size() - 2);
    lines += R"({"source": ")" + text + "\"}\n";
    expected_lines += ask(model, R"({"source": ")" + text + "\"}", "application/jsonlines").body;
  }
  EXPECT_EQ(ask(model, json + "]}", "application/json").body, expected_json + "]");
  EXPECT_EQ(ask(model, lines, "application/jsonlines").body, expected_lines);
}

TEST(InParts, TheFirstExceptionComesBackAfterAllHaveEnded) {
  std::atomic<int> ended = 0;
  const auto work = [&](int part) {
    if (part % 2 == 1) throw std::runtime_error("odd");
    ++ended;
  };
  EXPECT_THROW(in_parts(4, work), std::runtime_error);
  EXPECT_EQ(ended, 2);
}

TEST(BlazingTextAnswer, NoContentTypeMeansJsonAndAcceptIsIgnored) {
  const char* body = R"({"instances": ["king"]})";
  const auto expected = ask(small_vectors(), body, "application/json");
  for (const char* accept : {"", "application/jsonlines", "text/csv", "image/png", "*/*"}) {
    const auto answer = ask(small_vectors(), body, "", accept);
    EXPECT_EQ(answer.status, 200);
    EXPECT_EQ(answer.body, expected.body);
    EXPECT_EQ(answer.content_type, "application/json");
  }
}

TEST(BlazingTextAnswer, TextAndCsvHoldOneTextALine) {
  EXPECT_EQ(ask(small_vectors(), "king\n\nnobody", "text/plain").body,
            "{\"vector\": [0.03, -0.04], \"word\": \"king\"}\n{\"vector\": [0.0, 0.0], \"word\": \"nobody\"}\n");
  EXPECT_EQ(ask(small_vectors(), "king\r\n\"a \"\"b\"\"\"\n", "text/csv").body,
            "king,0.03,-0.04\n\"a \"\"b\"\"\",0.0,0.0\n");
  const auto csv = ask(small_classifier(), "\"good, bad\nmovie\"\nbad, movie\n", "text/csv; k=2").body;
  EXPECT_THAT(csv, testing::MatchesRegex("(__label__[a-z]+,0[.][0-9]+,__label__[a-z]+,0[.][0-9]+\n)+"));
  EXPECT_EQ(std::count(csv.begin(), csv.end(), '\n'), 2);
}

TEST(BlazingTextAnswer, NearestWordsAndSentenceVectorsCanBeAsked) {
  Model model = small_vectors();
  model.input.values = {1, 0, 0.6F, 0.8F, 0, 2};  // the, king, Queen
  EXPECT_EQ(ask(model, R"({"instances": [{"nn": "king"}, {"nn": "king", "k": 1}, {"nn": "nobody"}, "the"]})",
                "application/json")
                .body,
            R"([{"nn": [{"word": "Queen", "similarity": 0.8}, {"word": "the", "similarity": 0.6}], "word": "king"}, )"
            R"({"nn": [{"word": "Queen", "similarity": 0.8}], "word": "king"}, {"nn": [], "word": "nobody"}, )"
            R"({"vector": [1.0, 0.0], "word": "the"}])");
  EXPECT_EQ(ask(model, "{\"sentence\": \"the Queen nobody\"}\n", "application/jsonlines").body,
            "{\"vector\": [0.5, 0.5], \"sentence\": \"the Queen nobody\"}\n");
  const Json vector = parse_json(
      ask(small_classifier(), R"({"instances": [{"sentence": "good"}]})", "application/json").body)[0]["vector"];
  EXPECT_EQ(vector.size(), 3U);
}

TEST(BlazingTextAnswer, OtherTypesAreRefused) {
  auto answer = ask(small_vectors(), R"({"instances": ["king"]})", "application/octet-stream");
  EXPECT_EQ(answer.status, 415);
  EXPECT_TRUE(answer.body.starts_with("content-type application/octet-stream not supported")) << answer.body;
  EXPECT_EQ(ask(small_vectors(), "x", "image/png").status, 415);
}

TEST(BlazingTextAnswer, MalformedBodiesAreNamed) {
  struct Case {
    const char *type, *body, *named;
  };
  for (const Case& c : std::initializer_list<Case>{
           {"application/json", "", "body: not valid JSON"},
           {"application/json", "{", "not valid JSON"},
           {"application/json", R"({"instances": [NaN]})", "body: not valid JSON at byte 16: NaN is not a JSON value"},
           {"application/json", "[]", "instances"},
           {"application/json", "{}", "instances"},
           {"application/json", R"({"instances": "king"})", "instances"},
           {"application/json", R"({"instances": ["king", 7]})", "instances[1]: must be a string"},
           {"application/json", R"({"instances": ["a"], "configuration": 3})", "configuration: must be an object"},
           {"application/json", R"({"instances": ["a"], "configuration": {"k": 0}})", "k must be an integer"},
           {"application/json", R"({"instances": ["a"], "configuration": {"k": "2"}})", "k must be an integer"},
           {"application/jsonlines", "{\"source\": \"a\"}\nhello", "line 2: not valid JSON"},
           {"application/jsonlines", "{\"text\": \"a\"}", "line 1: must be {\"source\""},
           {"application/jsonlines", "{\"source\": 3}", "line 1: source: must be a string"},
           {"application/jsonlines", "{\"source\": \"a\", \"k\": -1}", "line 1: k must be"},
           {"application/jsonlines", "{\"source\": \"\xff\"}", "line 1: not valid JSON"},
           {"text/plain", "ok\n\xff\xfe", "line 2: is not UTF-8"},
           {"text/csv", "\"open", "line 1: a quote is not closed"},
           {"text/csv; k=x", "a", "k must be"},
           {"text/csv; threshold=2", "a", "content type: threshold must be a number from 0 to 1"},
           {"application/json", R"({"instances": ["a"], "configuration": {"threshold": -0.1}})", "threshold must be"},
           {"application/jsonlines", R"({"source": "a", "threshold": "0.5"})", "line 1: threshold must be a number"},
           {"text/csv", "\"a\",\"b\"", "must hold one field"}}) {
    const auto answer = ask(small_classifier(), c.body, c.type);
    EXPECT_EQ(answer.status, 400) << c.body;
    EXPECT_TRUE(answer.body.starts_with(
        "Customer Error: Unable to decode payload: Incorrect data format. (caused by ValueError)"))
        << answer.body;
    EXPECT_THAT(answer.body, testing::HasSubstr(c.named)) << c.body;
  }
  EXPECT_EQ(ask(small_vectors(), std::string(200, '[') + std::string(200, ']'), "application/json").status, 400);
}

}  // namespace
}  // namespace clary::blazingtext
