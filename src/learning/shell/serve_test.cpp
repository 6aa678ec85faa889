// SPDX-License-Identifier: Apache-2.0
// The toy algorithm served as a real process: every content type in and out, every refusal, many clients, stop.
#include "learning/shell/serve.h"

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "base/error.h"
#include "base/json.h"
#include "formats/record_proto.h"
#include "formats/recordio.h"
#include "learning/shell/test_program.h"

namespace clary::shell {
namespace {

using Header = std::pair<std::string, std::string>;

class Serve : public testing::Test {
 protected:
  Serve() {
    std::filesystem::create_directories(job_.layout.model_dir());
    write_file_atomically(job_.layout.model_dir() / "mean.json", R"({"mean": 2.5, "feature_dim": 2})");
    child_ =
        std::make_unique<Child>(job_, std::vector<std::string>{"serve"},
                                std::vector<Header>{{"CLARY_BIND_SOCKET", socket_.string()}, {"CLARY_THREADS", "2"}});
    EXPECT_TRUE(child_->says("Serving ")) << child_->output();
  }

  Exchange invoke(std::string_view body, const std::string& type, const std::string& accept = "") const {
    std::vector<Header> headers;
    if (!type.empty()) headers.emplace_back("Content-Type", type);
    if (!accept.empty()) headers.emplace_back("Accept", accept);
    return exchange(socket_, 0, "POST", "/invocations", headers, body);
  }
  Exchange get(const std::string& path) const { return exchange(socket_, 0, "GET", path, {}, ""); }

  JobFolder job_;
  std::filesystem::path socket_ = job_.scratch("s");
  std::unique_ptr<Child> child_;
};

const std::string kTwoRows = "{\"predictions\": [{\"score\": 2.5}, {\"score\": 2.5}]}";

TEST_F(Serve, AnswersPingAndExecutionParameters) {
  EXPECT_EQ(get("/ping").status, 200);
  const auto parameters = get("/execution-parameters");
  EXPECT_EQ(parse_json(parameters.body),
            Json({{"MaxConcurrentTransforms", 2}, {"BatchStrategy", "MULTI_RECORD"}, {"MaxPayloadInMB", 6}}));
  EXPECT_EQ(get("/nothing").status, 404);
  EXPECT_NE(get("?x").status, 500);
  EXPECT_EQ(get("/invocations").status, 405);
}

TEST_F(Serve, TakesEveryRequestForm) {
  std::string records;
  formats::RecordWriter writer(records);
  writer.write_dense(std::vector<float>{1, 2});
  writer.write_sparse(std::vector<std::int32_t>{1}, std::vector<float>{3}, 2);
  EXPECT_EQ(invoke("1,2\n3,4\n", "text/csv").body, kTwoRows);
  EXPECT_EQ(invoke("9,1,2\n9,3,4", "text/csv; label_size=1").body, kTwoRows);
  EXPECT_EQ(
      invoke(R"({"instances": [{"features": [1, 2]}, {"data": {"features": {"values": [3, 4]}}}]})", "application/json")
          .body,
      kTwoRows);
  EXPECT_EQ(
      invoke("{\"features\": [1, 2]}\n{\"data\": {\"features\": {\"keys\": [1], \"shape\": [2], \"values\": [4]}}}",
             "application/JSONLINES")
          .body,
      kTwoRows);
  EXPECT_EQ(invoke(records, "application/x-recordio-protobuf").body, kTwoRows);
}

TEST_F(Serve, FallsBackToTheDefaultTypes) {
  for (const char* type : {"", "application/octet-stream"})
    for (const char* accept : {"", "*/*", "application/*", "text/html, */*;q=0.1"}) {
      const auto answer = invoke("1,2\n3,4\n", type, accept);
      EXPECT_EQ(answer.status, 200) << type << " " << accept << " " << answer.body;
      EXPECT_EQ(answer.body, kTwoRows);
      EXPECT_NE(answer.head.find("application/json"), std::string::npos);
    }
}

TEST_F(Serve, WritesEveryAnswerForm) {
  EXPECT_EQ(invoke("1,2\n3,4\n", "text/csv", "application/jsonlines").body, "{\"score\": 2.5}\n{\"score\": 2.5}\n");
  EXPECT_EQ(invoke("1,2\n3,4\n", "text/csv", "text/csv").body, "2.5\n2.5\n");
  EXPECT_EQ(invoke("1,2\n", "text/csv", "application/jsonlines; verbose=True").body,
            "{\"score\": 2.5, \"features\": [1.0, 2.0], \"comment\": \"say \\\"mean\\\", twice\"}\n");
  const auto binary = invoke("1,2\n3,4\n", "text/csv", "application/x-recordio-protobuf");
  formats::RecordIoReader reader(std::as_bytes(std::span(binary.body)), "answer");
  int records = 0;
  while (const auto record = reader.next()) {
    const std::string_view payload(reinterpret_cast<const char*>(record->payload.data()), record->payload.size());
    EXPECT_NE(payload.find("score"), std::string_view::npos);
    ++records;
  }
  EXPECT_EQ(records, 2);
}

TEST_F(Serve, RefusesWithTheRightStatus) {
  auto answer = invoke("x", "image/png");
  EXPECT_EQ(answer.status, 415);
  EXPECT_EQ(answer.body, "content-type image/png not supported");
  answer = invoke("1,2", "text/csv", "application/pdf");
  EXPECT_EQ(answer.status, 406);
  EXPECT_NE(answer.body.find("application/pdf"), std::string::npos);
  for (const char* body : {"1,2,3", "1", "a,b", "1,nan", "{\"instances\": 3}"})
    EXPECT_EQ(invoke(body, "text/csv").status, 400) << body;
  answer = invoke("1,2,3", "text/csv");
  EXPECT_NE(answer.body.find("2"), std::string::npos) << answer.body;  // names expected and received widths
  EXPECT_NE(answer.body.find("3"), std::string::npos) << answer.body;
  for (const char* body :
       {"{", "{}", "[]", R"({"instances": [{"features": [1]}]})", R"({"instances": [{"features": "x"}]})"})
    EXPECT_EQ(invoke(body, "application/json").status, 400) << body;
  EXPECT_EQ(invoke("", "text/csv").status, 204);
  EXPECT_EQ(invoke(std::string((6 << 20) + 1, '1'), "text/csv").status, 413);
  EXPECT_EQ(get("/ping").status, 200);  // and lives on
}

TEST_F(Serve, GivesDocumentsByGetAndByAcceptParameter) {
  EXPECT_EQ(get("/mean").body, R"({"mean":2.5})");
  EXPECT_EQ(invoke("1,2", "text/csv", "application/json; document=mean").body, R"({"mean":2.5})");
  EXPECT_EQ(invoke("1,2", "text/csv", "application/json; document=nothing").status, 400);
}

TEST_F(Serve, ServesManyClientsAtOnce) {
  std::atomic<int> good{0};
  std::vector<std::thread> clients;
  for (int c = 0; c < 16; ++c)
    clients.emplace_back([&] {
      for (int i = 0; i < 20; ++i) good += invoke("1,2\n3,4\n", "text/csv").body == kTwoRows;
    });
  for (auto& client : clients) client.join();
  EXPECT_EQ(good, 320);
}

TEST(Answer, ModelThatReadsBodiesItselfIsAskedWithTheWholeRequest) {
  ServedModel model;
  model.answer = [](const Invocation& in) {
    if (in.body == "bad") throw Error(Kind::kMalformed, "line 1: not a greeting");
    if (in.body == "bug") throw std::runtime_error("secret");
    return Answer{201, "text/x", fmt::format("{}|{}|{}|{}", in.content_type, in.accept, in.custom_attributes, in.body)};
  };
  const auto ask = [&](std::string_view body) { return answer_invocation(model, {}, "a/b; c=d", "e/f", "g", body); };
  EXPECT_EQ(ask("hello").status, 201);
  EXPECT_EQ(ask("hello").content_type, "text/x");
  EXPECT_EQ(ask("hello").body, "a/b; c=d|e/f|g|hello");
  EXPECT_EQ(ask("").status, 201);
  EXPECT_EQ(ask("bad").status, 400);
  EXPECT_EQ(ask("bad").body, "line 1: not a greeting");
  EXPECT_EQ(ask("bug").status, 500);
  EXPECT_EQ(ask("bug").body.find("secret"), std::string::npos);
}

TEST_F(Serve, StopsOnSigterm) {
  child_->signal(SIGTERM);
  EXPECT_EQ(child_->wait(), 0) << child_->output();
}

TEST(ServeTcp, ListensOnTheGivenPort) {
  JobFolder job;
  std::filesystem::create_directories(job.layout.model_dir());
  write_file_atomically(job.layout.model_dir() / "mean.json", R"({"mean": 2.5, "feature_dim": 2})");
  const auto port = free_port();
  Child child(job, {"serve"}, {{"SAGEMAKER_BIND_TO_PORT", std::to_string(port)}, {"SAGEMAKER_BATCH", "true"}});
  ASSERT_TRUE(child.says("Serving on port " + std::to_string(port)));
  EXPECT_EQ(exchange("", port, "GET", "/ping", {}, "").status, 200);
  EXPECT_EQ(
      exchange("", port, "POST", "/invocations", {{"Content-Type", "text/csv"}, {"Accept", "text/csv"}}, "1,2").body,
      "2.5\n");
}

TEST(ServeWithoutModel, SaysSo) {
  JobFolder job;
  Child child(job, {"serve"}, {{"CLARY_BIND_SOCKET", job.scratch("s").string()}});
  EXPECT_NE(child.wait(), 0);
  EXPECT_NE(child.output().find("mean.json"), std::string::npos) << child.output();
}

TEST(Predict, AnswersOneBodyFromStandardInput) {
  JobFolder job;
  std::filesystem::create_directories(job.layout.model_dir());
  write_file_atomically(job.layout.model_dir() / "mean.json", R"({"mean": 2.5, "feature_dim": 2})");
  Child good(job, {"predict", "text/csv", "text/csv"}, {}, "1,2\n3,4\n"), bad(job, {"predict", "text/csv"}, {}, "1\n");
  EXPECT_EQ(good.wait(), 0);
  EXPECT_EQ(good.output(), "2.5\n2.5\n");
  EXPECT_EQ(bad.wait(), contract::kExitClientError);
}

}  // namespace
}  // namespace clary::shell
