// SPDX-License-Identifier: Apache-2.0
// Requests and answers around a translator that repeats its source backwards.
#include "algorithms/seq2seq/serve/answer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>

#include "algorithms/seq2seq/model/testing_models.h"
#include "base/json.h"
#include "formats/recordio.h"
#include "formats/sequence_record.h"

namespace clary::seq2seq {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

using Ids = std::vector<std::int32_t>;

struct Call {
  std::size_t sources;
  DecodeOptions options;
};

/// Ids 4 to 10, words s4 to s10 of the source and t4 to t12 of the target.
class Endpoint {
 public:
  shell::Answer ask(std::string_view type, std::string_view body, std::string_view accept = "") {
    calls.clear();
    return answer_to(
        {type, accept, "", body},
        {source_, target_, {.beam_size = 5}, {.length_ratio_mean = 2, .max_source = 50, .never = {}}},
        [this](std::span<const Ids> sources, const DecodeOptions& options) { return translate(sources, options); });
  }
  std::string text(std::string_view type, std::string_view body, std::string_view accept = "") {
    const shell::Answer answer = ask(type, body, accept);
    EXPECT_EQ(answer.status, 200) << answer.body;
    return answer.body;
  }
  std::string failure(std::string_view type, std::string_view body) {
    const shell::Answer answer = ask(type, body);
    EXPECT_EQ(answer.status, 400) << body;
    EXPECT_THAT(answer.body, StartsWith("Unable to evaluate payload provided: "));
    EXPECT_EQ(answer.content_type, "text/plain; charset=utf-8");
    return answer.body;
  }
  std::vector<Call> calls;

 private:
  std::vector<std::vector<Translation>> translate(std::span<const Ids> sources, const DecodeOptions& options) {
    calls.push_back({sources.size(), options});
    std::vector<std::vector<Translation>> out;
    for (const Ids& source : sources) {
      Translation one{
          Ids(source.rbegin(), source.rend()), source.empty() ? std::numeric_limits<double>::infinity() : 0.5, {}};
      if (options.attention) one.attention.assign(one.ids.size() * source.size(), 0.25F);
      out.emplace_back(source.empty() ? 1 : static_cast<std::size_t>(options.n_best), one);
    }
    return out;
  }

  Vocabulary source_ = testing_vocabulary(11, "s"), target_ = testing_vocabulary(13, "t");
};

constexpr const char *kJson = "application/json", *kLines = "application/jsonlines",
                     *kRecords = "application/x-recordio-protobuf";

TEST(Seq2SeqAnswer, JsonIsAsInTheNotebook) {
  Endpoint endpoint;
  EXPECT_EQ(endpoint.text(kJson, R"({"instances": [{"data": "s4 s5"}, {"data": " s6\u00a0nothing "}, {"data": ""}]})"),
            R"({"predictions": [{"target": "t5 t4"}, {"target": "<unk> t6"}, {"target": ""}]})");
  ASSERT_EQ(endpoint.calls.size(), 1U) << "one batch";
  EXPECT_EQ(endpoint.calls[0].sources, 3U);
  EXPECT_EQ(endpoint.calls[0].options.beam_size, 5);
  EXPECT_EQ(endpoint.text(kJson, R"({"instances": []})"), R"({"predictions": []})");
  EXPECT_EQ(endpoint.text(kJson, R"({"instances": [{"source": "s4"}, {"data": ["s5", "s6"]}]})"),
            R"({"predictions": [{"target": "t4"}, {"target": "t6 t5"}]})");
  EXPECT_EQ(endpoint.ask("", R"({"instances": []})").content_type, kJson);
}

TEST(Seq2SeqAnswer, AttentionMatricesHaveARowPerTargetWordAndAColumnPerSourceWord) {
  Endpoint endpoint;
  const std::string matrix = R"("matrix": [[0.25, 0.25], [0.25, 0.25]])";
  for (const char* value : {"true", "\"true\"", "\"True\"", "\"TRUE\""})
    EXPECT_EQ(endpoint.text(kJson, R"({"instances": [{"data": "s4 s5", "configuration": {"attention_matrix": )" +
                                       std::string(value) + "}}]}"),
              R"({"predictions": [{"target": "t5 t4", )" + matrix + "}]}")
        << value;
  EXPECT_THAT(endpoint.text("application/json;attention_matrix=True", R"({"instances": [{"data": "s4 s5"}]})"),
              HasSubstr(matrix));
  EXPECT_THAT(
      endpoint.text(kJson, R"({"instances": [{"data": "s4 s5"}], "configuration": {"attention_matrix": true}})"),
      HasSubstr(matrix));
  EXPECT_EQ(endpoint.text("application/json;attention_matrix=true",
                          R"({"instances": [{"data": "s4", "configuration": {"attention_matrix": "false"}}]})"),
            R"({"predictions": [{"target": "t4"}]})");
  EXPECT_EQ(endpoint.text(kJson, R"({"instances": [{"data": "", "configuration": {"attention_matrix": true}}]})"),
            R"({"predictions": [{"target": "", "matrix": []}]})");
}

TEST(Seq2SeqAnswer, BeamsScoresAndSeveralHypothesesOnRequest) {
  Endpoint endpoint;
  EXPECT_EQ(
      endpoint.text(kJson, R"({"instances": [{"data": "s4", "configuration": {"beam_size": 3, "n_best": "2"}},
                                                   {"data": "s5"}, {"data": "s6", "configuration": {"return_score": true}}]})"),
      R"({"predictions": [{"target": "t4", "n_best": [{"target": "t4", "score": 0.5}, {"target": "t4", "score": 0.5}]}, )"
      R"({"target": "t5"}, {"target": "t6", "score": 0.5}]})");
  ASSERT_EQ(endpoint.calls.size(), 2U) << "queries of the same options are one batch";
  EXPECT_EQ(endpoint.calls[0].options.beam_size + endpoint.calls[1].options.beam_size, 3 + 5);
  EXPECT_EQ(endpoint.text(kJson, R"({"instances": [{"data": "", "configuration": {"return_score": true}}]})"),
            R"({"predictions": [{"target": "", "score": null}]})");
}

TEST(Seq2SeqAnswer, JsonLinesAnswerLineByLine) {
  Endpoint endpoint;
  EXPECT_EQ(endpoint.text(kLines, "{\"source\": \"s4 s5\"}\r\n\n  \n{\"source\": \"\"}\n{\"data\": [\"s6\"]}"),
            "{\"target\": \"t5 t4\"}\n{\"target\": \"\"}\n{\"target\": \"t6\"}\n");
  EXPECT_EQ(endpoint.ask("applications/jsonlines", "").status, 200);
  EXPECT_THAT(endpoint.text(kLines, R"({"source": "s4", "configuration": {"attention_matrix": "true"}})"),
              HasSubstr(R"("matrix": [[0.25]])"));
}

std::string hex(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == ' ') continue;
    out += static_cast<char>(std::stoi(std::string(text.substr(i++, 2)), nullptr, 16));
  }
  return out;
}

std::string record_of(const Ids& source, const std::string& configuration = "") {
  std::string framed;
  formats::append_sequence_record(framed, source, std::nullopt);
  formats::RecordIoReader reader(std::as_bytes(std::span(framed)), "r");
  const auto payload = reader.next()->payload;
  std::string record(reinterpret_cast<const char*>(payload.data()), payload.size());
  if (!configuration.empty()) record += std::string("\x2a") + static_cast<char>(configuration.size()) + configuration;
  std::string out;
  formats::append_recordio(out, record);
  return out;
}

TEST(Seq2SeqAnswer, ARecordWithoutAFrameIsOneRequest) {
  Endpoint endpoint;
  const std::string framed = record_of({4, 5});
  EXPECT_EQ(endpoint.text(kRecords, framed.substr(8, 18)), endpoint.text(kRecords, framed));
  EXPECT_THAT(endpoint.failure(kRecords, hex("0a12 0a06")), HasSubstr("record 0: "));
}

TEST(Seq2SeqAnswer, RecordsAreAnsweredByRecords) {
  Endpoint endpoint;
  // Ids from the vocabulary's size on are unknown words, here 300; padding behind the words is none.
  EXPECT_EQ(endpoint.text(kRecords, hex("0a23d7ce 14000000 0a12 0a06736f75726365 1208 3a06 0a0404ac0205")),
            hex("0a23d7ce 13000000 0a11 0a06746172676574 1207 3a05 0a03050104 00"));
  EXPECT_EQ(endpoint.text("applications/x-recordio-protobuf", record_of({4, 5, 0, 0}) + record_of({})),
            hex("0a23d7ce 12000000 0a10 0a06746172676574 1206 3a04 0a020504 0000") +
                hex("0a23d7ce 0e000000 0a0c 0a06746172676574 1202 3a00 0000"));
  EXPECT_EQ(endpoint.text(kRecords, ""), "");
  endpoint.text(kRecords, record_of({4}, R"({"beam_size": 2})"));
  EXPECT_EQ(endpoint.calls[0].options.beam_size, 2);
  EXPECT_THAT(endpoint.failure(kRecords, record_of({4}) + record_of({4}, R"({"n_best": 2})")),
              HasSubstr("record 1: attention_matrix, n_best and return_score are for application/json"));
  EXPECT_THAT(endpoint.failure(kRecords, record_of({4, -2})), HasSubstr("record 0: feature 'source': value 1 is -2"));
  EXPECT_THAT(endpoint.failure(kRecords, hex("0a23d7ce 00000000")),
              HasSubstr("record 0: has no feature 'source' (found: none)"));
  EXPECT_THAT(endpoint.failure(kRecords, "hello world!"),
              HasSubstr("the request: byte 0: wrong RecordIO magic number"));
}

TEST(Seq2SeqAnswer, TypesGoTogether) {
  Endpoint endpoint;
  constexpr const char* kBody = R"({"instances": []})";
  for (const char* accept : {"", "application/json", "*/*", "text/csv, application/json;q=0.5", "application/*"})
    EXPECT_EQ(endpoint.ask(kJson, kBody, accept).status, 200) << accept;
  const shell::Answer other = endpoint.ask(kJson, kBody, kLines);
  EXPECT_EQ(other.status, 406);
  EXPECT_THAT(other.body,
              HasSubstr("accept type application/jsonlines not supported for a request of application/json"));
  EXPECT_EQ(endpoint.ask(kRecords, "", "text/csv").status, 406);
  const shell::Answer csv = endpoint.ask("text/csv", "a b c");
  EXPECT_EQ(csv.status, 415);
  EXPECT_THAT(csv.body,
              HasSubstr("content-type text/csv not supported; expected application/json, application/jsonlines"));
}

TEST(Seq2SeqAnswer, EveryMistakeNamesInstanceAndRule) {
  Endpoint endpoint;
  const auto json = [&](std::string_view body) { return endpoint.failure(kJson, body); };
  EXPECT_THAT(json(""), HasSubstr("not valid JSON"));
  EXPECT_THAT(json("{"), HasSubstr("not valid JSON"));
  EXPECT_THAT(json("{}"), HasSubstr(R"(a JSON request has the form {"instances": [{"data": )"));
  EXPECT_THAT(json(R"({"source": [4, 5]})"), HasSubstr("ids are sent as application/x-recordio-protobuf"));
  EXPECT_THAT(json(R"({"source": "a"})"), HasSubstr("is a line of application/jsonlines"));
  EXPECT_THAT(json(R"(["how are you"])"), HasSubstr("a list without"));
  EXPECT_THAT(json(R"({"instances": [{"data": "s4"}, {}]})"),
              HasSubstr("instances[1]: has neither \"data\" nor \"source\""));
  EXPECT_THAT(json(R"({"instances": [{"data": "s4", "beam_size": 1}]})"),
              HasSubstr(R"(instances[0]: "beam_size" belongs into "configuration": {"beam_size": ...})"));
  EXPECT_THAT(json(R"({"instances": [{"data": "s4", "source": "s5"}]})"),
              HasSubstr("has both \"data\" and \"source\""));
  EXPECT_THAT(json(R"({"instances": [{"data": NaN}]})"), HasSubstr("NaN is not a JSON value"));
  EXPECT_THAT(endpoint.failure("application/json;attention_matrix=2", R"({"instances": []})"),
              HasSubstr("attention_matrix: is 2, must be true or false"));
  EXPECT_THAT(json(R"({"instances": ["s4"]})"), HasSubstr("instances[0]: is \"s4\""));
  EXPECT_THAT(json(R"({"instances": [{"data": 3}]})"), HasSubstr("instances[0].data: is 3, must be a text"));
  EXPECT_THAT(json(R"({"instances": [{"source": [4, 5]}]})"),
              HasSubstr("instances[0].source: element 0 is 4, must be a word; ids"));
  EXPECT_THAT(json(R"({"instances": [{"data": ["a b"]}]})"), HasSubstr("element 0 is \"a b\", must be one word"));
  const auto configured = [&](const std::string& configuration) {
    return json(R"({"instances": [{"data": "s4", "configuration": )" + configuration + "}]}");
  };
  EXPECT_THAT(configured("3"), HasSubstr("instances[0].configuration: must be an object"));
  EXPECT_THAT(configured(R"({"beam_size": 0})"),
              HasSubstr("configuration.beam_size: is 0, must be an integer from 1 to 100"));
  EXPECT_THAT(configured(R"({"beam_size": 2.5})"), HasSubstr("is 2.5, must be an integer"));
  EXPECT_THAT(configured(R"({"beam_size": 1000000000000})"), HasSubstr("must be an integer from 1 to 100"));
  EXPECT_THAT(configured(R"({"n_best": 6})"), HasSubstr("n_best is 6, must not exceed beam_size, which is 5"));
  EXPECT_THAT(configured(R"({"attention_matrix": "yes"})"), HasSubstr("is \"yes\", must be true or false"));
  EXPECT_THAT(configured(R"({"temperature": 1})"),
              HasSubstr("\"temperature\" is not known; there are attention_matrix"));
  EXPECT_THAT(endpoint.failure(kLines, "{\"source\": \"a\"}\n\n{\"src\": 1}"), HasSubstr("line 3: has neither"));
  EXPECT_THAT(endpoint.failure(kLines, "{\"source\": \"a\"}\nwords"), HasSubstr("line 2: not valid JSON"));
  EXPECT_THAT(endpoint.failure("application/json; charset=latin-1", "{}"), HasSubstr("only utf-8"));
}

TEST(Seq2SeqAnswer, MatricesOfLongSourcesAreRefused) {
  Endpoint endpoint;
  std::string words;
  for (int i = 0; i < 2000; ++i) words += "s4 ";
  const shell::Answer answer = endpoint.ask(
      kJson, R"({"instances": [{"data": ")" + words + R"(", "configuration": {"attention_matrix": true}}]})");
  EXPECT_EQ(answer.status, 413);
  EXPECT_THAT(answer.body, HasSubstr("the attention matrices may have 8000000 numbers, at most 4000000"));
  EXPECT_TRUE(endpoint.calls.empty());
  EXPECT_EQ(endpoint.ask(kJson, R"({"instances": [{"data": ")" + words + R"("}]})").status, 200);
}

}  // namespace
}  // namespace clary::seq2seq
