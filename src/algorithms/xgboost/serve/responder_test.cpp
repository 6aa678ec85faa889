// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/serve/responder.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>
#include <thread>

#include "algorithms/xgboost/serve/request_rows.h"
#include "algorithms/xgboost/serve/response.h"
#include "base/error.h"
#include "base/json.h"
#include "formats/record_proto.h"

namespace clary::xgboost {
namespace {

using shell::Answer;
using ::testing::HasSubstr;
using ::testing::StartsWith;

constexpr std::int64_t kRows = 300, kFeatures = 4;

std::vector<float> values() {
  std::mt19937 random(5);
  std::vector<float> out;
  for (std::int64_t i = 0; i < kRows * kFeatures; ++i)
    out.push_back(random() % 10 == 0 ? std::nanf("") : static_cast<float>(random() % 1000) / 10);
  return out;
}

Booster trained(const std::string& objective, int classes = 0, const std::string& booster = "gbtree", int rounds = 8) {
  const auto x = values();
  Matrix train = Matrix::from_dense(x, kRows, kFeatures, 1);
  std::vector<float> labels;
  for (std::int64_t r = 0; r < kRows; ++r) {
    const float value =
        std::isnan(x[static_cast<std::size_t>(r * kFeatures)]) ? 1 : x[static_cast<std::size_t>(r * kFeatures)];
    labels.push_back(classes > 0 ? static_cast<float>(static_cast<int>(value) % classes)
                     : objective.starts_with("reg:") || objective.starts_with("count:") ? value
                                                                                        : (value > 50 ? 1.0F : 0.0F));
  }
  train.set_labels(labels);
  const Matrix* all[] = {&train};
  Booster out(all);
  out.set("objective", objective);
  out.set("booster", booster);
  out.set("nthread", "1");
  if (classes > 0) out.set("num_class", std::to_string(classes));
  for (int round = 0; round < rounds; ++round) out.update(round, train);
  return out;
}

std::vector<Booster> alone(Booster booster) {
  std::vector<Booster> out;
  out.push_back(std::move(booster));
  return out;
}

ResponderOptions tagged(int major, int minor) {
  ResponderOptions out;
  out.tag = {major, minor};
  return out;
}

Answer ask(const Responder& responder, std::string_view type, std::string_view body, std::string_view accept = "") {
  return responder.answer({type, accept, "", body});
}

constexpr const char* kTwoRows = "10,20,30,40\n60.5,,3,4\n";

TEST(Predictor, AnswersTheBitsOfTheLibrarysOwnPrediction) {
  struct Case {
    const char* objective;
    int classes;
    const char* booster;
  };
  const auto x = values();
  const Matrix matrix = Matrix::from_dense(x, kRows, kFeatures, 1);
  formats::Batch rows;
  rows.rows = kRows;
  rows.width = kFeatures;
  rows.values = x;
  for (const Case& c :
       {Case{"reg:squarederror", 0, "gbtree"}, Case{"reg:squarederror", 0, "dart"},
        Case{"reg:squarederror", 0, "gblinear"}, Case{"binary:logistic", 0, "gbtree"},
        Case{"binary:hinge", 0, "gbtree"}, Case{"binary:logitraw", 0, "gbtree"}, Case{"multi:softprob", 3, "gbtree"},
        Case{"multi:softmax", 4, "gbtree"}, Case{"count:poisson", 0, "gbtree"}, Case{"reg:gamma", 0, "gbtree"},
        Case{"rank:pairwise", 0, "gbtree"}, Case{"survival:cox", 0, "gbtree"}}) {
    SCOPED_TRACE(std::string(c.objective) + " " + c.booster);
    auto boosters = alone(trained(c.objective, c.classes, c.booster));
    const auto expected = boosters[0].predict(matrix).values;
    const Predictor predictor(boosters, true);
    EXPECT_EQ(predictor.predict(rows).values, expected);
    EXPECT_EQ(predictor.objective(), c.objective);
    EXPECT_EQ(predictor.num_class(), c.classes);
    EXPECT_EQ(predictor.num_features(), kFeatures);
  }
}

TEST(Predictor, UsesTheRoundsUpToTheBest) {
  auto boosters = alone(trained("reg:squarederror"));
  const auto x = values();
  const Matrix matrix = Matrix::from_dense(x, kRows, kFeatures, 1);
  const auto expected = boosters[0].predict(matrix, {.iteration_end = 3}).values;
  boosters[0].set_attribute("best_ntree_limit", "3");
  formats::Batch rows;
  rows.rows = kRows;
  rows.width = kFeatures;
  rows.values = x;
  EXPECT_EQ(Predictor(boosters, true).predict(rows).values, expected);
}

TEST(Predictor, EnsemblesAverageOrVote) {
  std::vector<Booster> two;
  two.push_back(trained("reg:squarederror", 0, "gbtree", 2));
  two.push_back(trained("reg:squarederror", 0, "gbtree", 9));
  formats::Batch rows;
  rows.rows = 1;
  rows.width = kFeatures;
  rows.values = {10, 20, 30, 40};
  const float a = Predictor(std::span(two).first(1), true).predict(rows).values[0];
  const float b = Predictor(std::span(two).last(1), true).predict(rows).values[0];
  ASSERT_NE(a, b);
  EXPECT_EQ(Predictor(two, true).predict(rows).values[0], (a + b) / 2);
  EXPECT_EQ(Predictor(two, false).predict(rows).values[0], a);
  std::vector<Booster> three;
  for (const int rounds : {1, 6, 6}) three.push_back(trained("multi:softmax", 4, "gbtree", rounds));
  const float majority = Predictor(std::span(three).last(1), true).predict(rows).values[0];
  EXPECT_EQ(Predictor(three, true).predict(rows).values[0], majority);
}

TEST(Predictor, ManyThreadsGetTheSameAnswers) {
  auto boosters = alone(trained("multi:softprob", 3));
  const Predictor predictor(boosters, true);
  formats::Batch rows;
  rows.rows = 20;
  rows.width = kFeatures;
  const auto x = values();
  rows.values.assign(x.begin(), x.begin() + 20 * kFeatures);
  const auto expected = predictor.predict(rows).values;
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&] {
      for (int i = 0; i < 200; ++i) wrong += predictor.predict(rows).values == expected ? 0 : 1;
    });
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(Responder, CsvFollowsTheTag) {
  auto boosters = alone(trained("multi:softmax", 4));
  const Responder old_tag(boosters, tagged(1, 0)), new_tag(boosters, tagged(1, 7));
  const Answer joined = ask(old_tag, "text/csv", kTwoRows), lines = ask(new_tag, "text/csv", kTwoRows);
  EXPECT_EQ(joined.content_type, "text/csv; charset=utf-8");
  EXPECT_THAT(joined.body, testing::MatchesRegex("[0-3]\\.0,[0-3]\\.0"));
  EXPECT_THAT(lines.body, testing::MatchesRegex("[0-3]\\.0\n[0-3]\\.0\n"));
  ResponderOptions options = tagged(1, 0);
  options.rows_as_lines = true;
  EXPECT_EQ(ask(Responder(boosters, options), "text/csv", kTwoRows).body, lines.body);
  options.batch = true;
  EXPECT_EQ(ask(Responder(boosters, options), "text/csv", kTwoRows).body, lines.body);
}

TEST(Responder, SoftprobIsListsInOldTagsAndColumnsInNewOnes) {
  auto boosters = alone(trained("multi:softprob", 3));
  const Responder old_tag(boosters, tagged(1, 0)), new_tag(boosters, tagged(1, 2));
  EXPECT_THAT(ask(old_tag, "text/csv", kTwoRows).body, testing::MatchesRegex("\\[[^]]*\\],\\[[^]]*\\]"));
  const std::string lines = ask(new_tag, "text/csv", kTwoRows).body;
  EXPECT_EQ(std::count(lines.begin(), lines.end(), ','), 4);
  EXPECT_EQ(std::count(lines.begin(), lines.end(), '\n'), 2);
  const Json json = parse_json(ask(new_tag, "text/csv", kTwoRows, "application/json").body);
  EXPECT_EQ(json.at("predictions").size(), 2U);
  EXPECT_EQ(json.at("predictions")[0].at("score").size(), 3U);
}

TEST(Responder, EveryRequestTypeGivesTheSameAnswer) {
  auto boosters = alone(trained("binary:logistic"));
  const Responder responder(boosters, tagged(1, 7));
  const std::string expected = ask(responder, "text/csv", kTwoRows).body;
  EXPECT_EQ(ask(responder, "csv", "10;20;30;40\n60.5;;3;4").body, expected);
  EXPECT_EQ(ask(responder, "text/csv;label_size=0", "10\t20\t30\t40\r\n60.5\tnan\t3\t4\r\n").body, expected);
  EXPECT_EQ(ask(responder, "text/csv;label_size=1", "1,10,20,30,40\n0,60.5,,3,4").body, expected);
  EXPECT_EQ(ask(responder, "text/libsvm", "0:10 1:20 2:30 3:40\n1 0:60.5 2:3 3:4\n").body, expected);
  EXPECT_EQ(ask(responder, "", "0:10 1:20 2:30 3:40\n0:60.5 2:3 3:4").body, expected);
  EXPECT_EQ(ask(responder, "application/json", "{\"instances\": [[10,20,30,40],{\"features\": [60.5,null,3,4]}]}").body,
            expected);
  EXPECT_EQ(ask(responder, "application/json", "[[10,20,30,40],[60.5,null,3,4]]").body, expected);
  EXPECT_EQ(ask(responder, "application/jsonlines", "[10,20,30,40]\n{\"features\": [60.5,null,3,4]}\n").body, expected);
  std::string records;
  formats::RecordWriter writer(records);
  const std::vector<float> dense{10, 20, 30, 40}, sparse{60.5, 3, 4};
  const std::vector<std::int32_t> columns{0, 2, 3};
  writer.write_dense(dense);
  EXPECT_EQ(ask(responder, "application/x-recordio-protobuf", records).body,
            expected.substr(0, expected.find('\n') + 1));
  records.clear();
  writer.write_sparse(columns, sparse, 4);
  EXPECT_EQ(ask(responder, "recordio-protobuf", records).body, expected.substr(expected.find('\n') + 1));
  EXPECT_EQ(ask(responder, "application/json", "[10,20,30,40]").body, expected.substr(0, expected.find('\n') + 1));
}

TEST(Responder, EveryRowOfLibsvmIsKept) {
  auto boosters = alone(trained("reg:squarederror"));
  const Responder responder(boosters, tagged(1, 7));
  const std::string body = ask(responder, "text/libsvm", "0:1\n5\n\n1:2\n7").body;
  EXPECT_EQ(std::count(body.begin(), body.end(), '\n'), 5);
}

TEST(Responder, StatusesAndTextsAreTheContainers) {
  auto boosters = alone(trained("reg:squarederror"));
  const Responder responder(boosters, tagged(1, 7));
  EXPECT_EQ(ask(responder, "text/csv", "").status, 204);
  const Answer bad = ask(responder, "text/csv", "1,2,x,4");
  EXPECT_EQ(bad.status, 415);
  EXPECT_THAT(bad.body, StartsWith("Loading csv data failed with Exception, please ensure data is in csv format:"));
  EXPECT_THAT(bad.body, HasSubstr("line 1: column 3: \"x\" is not a number"));
  EXPECT_EQ(ask(responder, "text/csv", "1,2,3,4\n1,2,3").status, 415);
  EXPECT_EQ(ask(responder, "text/csv", "1,2,inf,4").status, 415);
  EXPECT_EQ(ask(responder, "application/x-recordio-protobuf", "nonsense").status, 415);
  EXPECT_EQ(ask(responder, "application/json", "{").status, 415);
  const Answer type = ask(responder, "image/png", "x");
  EXPECT_EQ(type.status, 415);
  EXPECT_THAT(type.body, StartsWith("image/png is not an accepted ContentType: csv, libsvm"));
  const Answer accept = ask(responder, "text/csv", "1,2,3,4", "image/png");
  EXPECT_EQ(accept.status, 406);
  EXPECT_EQ(accept.body,
            "Accept type image/png is not supported. Please use supported accept types: ['application/json', "
            "'application/jsonlines', 'application/x-recordio-protobuf', 'text/csv'].");
  const Answer wide = ask(responder, "text/csv", "1,2,3,4,5");
  EXPECT_EQ(wide.status, 400);
  EXPECT_EQ(wide.body,
            "Unable to evaluate payload provided: Feature size of csv inference data 5 is not consistent with feature "
            "size of trained model 4.");
  EXPECT_EQ(ask(responder, "libsvm", "0:1 11:1").body,
            "Unable to evaluate payload provided: Feature size of libsvm inference data 12 is larger than feature size "
            "of trained model 4. Indices are columns counted from 0.");
}

/// Rows of one column less, or with indices from 1, are rows whose every column is one place off.
TEST(Responder, RowsOfAnotherWidthAreNotScored) {
  auto boosters = alone(trained("reg:squarederror"));
  const Responder responder(boosters, tagged(1, 7));
  for (const char* row : {"1,2,3", "1,2", "1,2,3,4,5", "1,2,3,4,"}) {
    EXPECT_EQ(ask(responder, "text/csv", row).status, 400) << row;
  }
  EXPECT_EQ(ask(responder, "application/json", "{\"instances\": [[1,2,3]]}").status, 400);
  std::string dense, sparse;
  formats::RecordWriter(dense).write_dense(std::vector<float>{1, 2, 3});
  formats::RecordWriter(sparse).write_sparse(std::vector<std::int32_t>{0}, std::vector<float>{1}, 3);
  EXPECT_EQ(ask(responder, "application/x-recordio-protobuf", dense).status, 400);
  EXPECT_EQ(ask(responder, "application/x-recordio-protobuf", sparse).status, 400);
  EXPECT_EQ(ask(responder, "text/libsvm", "1:10 2:20 3:30 4:40").status, 400);
  // libsvm gives no shape: absent columns at the end are missing as absent ones before are.
  EXPECT_EQ(ask(responder, "text/libsvm", "0:10").body, ask(responder, "text/csv", "10,,,").body);
}

TEST(Responder, EmptyFieldsAtTheEndsOfATsvStay) {
  auto boosters = alone(trained("reg:squarederror"));
  const Responder responder(boosters, tagged(1, 7));
  const std::string first = ask(responder, "text/csv", ",20,30,40").body;
  EXPECT_EQ(ask(responder, "text/csv", "\t20\t30\t40").body, first);
  EXPECT_EQ(ask(responder, "text/csv", "\n\t20\t30\t40\r\n").body, first);
  EXPECT_EQ(ask(responder, "text/csv", "10\t20\t30\t\n").body, ask(responder, "text/csv", "10,20,30,").body);
  const std::string two = ask(responder, "text/csv", "10\t20\t30\t40\n\t\t\t\n").body;
  EXPECT_EQ(std::count(two.begin(), two.end(), '\n'), 2);
}

/// libsvm is what a body without a type is read as; CSV once became rows of a label and no feature.
TEST(Responder, OtherTextIsNotReadAsLibsvm) {
  auto boosters = alone(trained("reg:squarederror"));
  const Responder responder(boosters, tagged(1, 7));
  for (const char* type : {"", "application/octet-stream", "text/libsvm"})
    for (const char* body : {"1,2,3,4\n5,6,7,8", "1 2 3 4", "1;2;3;4", "1\t2\t3\t4", "7", "7\n8", "id 0:1", "0:1 x"}) {
      const Answer answer = ask(responder, type, body);
      EXPECT_EQ(answer.status, 415) << type << ": " << body;
      EXPECT_THAT(answer.body, StartsWith("Loading libsvm data failed with Exception"));
    }
  EXPECT_THAT(ask(responder, "", "1,2,3,4").body,
              HasSubstr("line 1: column 1: \"1,2,3,4\" is not a number (a body without a ContentType of its own is "
                        "read as text/libsvm"));
  EXPECT_THAT(ask(responder, "text/libsvm", "1,2,3,4").body, testing::Not(HasSubstr("without a ContentType")));
}

TEST(Responder, AcceptChoosesTheForm) {
  auto boosters = alone(trained("reg:squarederror"));
  const Responder responder(boosters, tagged(1, 7));
  const std::string row = "10,20,30,40";
  const std::string number = ask(responder, "text/csv", row).body;
  const std::string bare = number.substr(0, number.size() - 1);
  EXPECT_EQ(ask(responder, "text/csv", row, "*/*").body, number);
  EXPECT_EQ(ask(responder, "text/csv", row, "application/json").body, "{\"predictions\": [{\"score\": " + bare + "}]}");
  EXPECT_EQ(ask(responder, "text/csv", row, "application/json").content_type, "application/json");
  EXPECT_EQ(ask(responder, "text/csv", row, "application/jsonlines").body, "{\"score\": " + bare + "}\n");
  EXPECT_EQ(ask(responder, "text/csv", row, "application/x-recordio-protobuf").status, 200);
  ResponderOptions options = tagged(1, 7);
  options.default_accept = "application/json";
  EXPECT_THAT(ask(Responder(boosters, options), "text/csv", row).body, StartsWith("{\"predictions\""));
}

TEST(Responder, NumbersArePrintedAsPythonPrintsThem) {
  std::string out;
  for (const float value : {10.521326F, 1.0F, 1e-5F, 0.1F, -3e20F, 123456792.0F}) {
    append_python_number(out, value);
    out += ' ';
  }
  EXPECT_EQ(out,
            "10.521326065063477 1.0 9.999999747378752e-06 0.10000000149011612 -3.000000060122632e+20 123456792.0 ");
}

std::string selected(const std::string& objective, int classes, const std::string& key, const std::string& accept) {
  auto boosters = alone(trained(objective, classes));
  ResponderOptions options = tagged(1, 7);
  for (std::size_t at = 0; at <= key.size();) {
    const std::size_t end = std::min(key.find(',', at), key.size());
    options.keys.push_back(key.substr(at, end - at));
    at = end + 1;
  }
  return ask(Responder(boosters, options), "text/csv", "10,20,30,40\n60.5,,3,4", accept).body;
}

TEST(Responder, SelectableContentHasEveryKeyOfTheTable) {
  const Json logistic =
      parse_json(selected("binary:logistic", 0, "predicted_label,labels,probability,probabilities,raw_score,raw_scores",
                          "application/json"));
  for (const Json& row : logistic.at("predictions")) {
    const double p = row.at("probability").get<double>();
    EXPECT_EQ(row.at("predicted_label").dump(), p > 0.5 ? "1" : "0");
    EXPECT_EQ(row.at("labels").dump(), "[0,1]");
    EXPECT_EQ(row.at("probabilities")[1].get<double>(), p);
    EXPECT_NEAR(row.at("probabilities")[0].get<double>(), 1 - p, 1e-7);
    EXPECT_EQ(row.at("raw_score").get<double>(), p);
    EXPECT_EQ(row.at("raw_scores").size(), 2U);
  }
  const Json softprob =
      parse_json(selected("multi:softprob", 3, "predicted_label,labels,probability,probabilities", "application/json"));
  for (const Json& row : softprob.at("predictions")) {
    EXPECT_EQ(row.at("labels").dump(), "[0,1,2]");
    const auto& p = row.at("probabilities");
    EXPECT_EQ(p.at(row.at("predicted_label").get<std::size_t>()), row.at("probability"));
  }
  EXPECT_THAT(selected("reg:squarederror", 0, "predicted_score", "application/jsonlines"),
              testing::MatchesRegex("\\{\"predicted_score\": [-0-9.e]+\\}\n\\{\"predicted_score\": [-0-9.e]+\\}\n"));
  EXPECT_THAT(selected("reg:squarederror", 0, "predicted_score,probability", "application/json"),
              HasSubstr("\"probability\": NaN"));
  EXPECT_THAT(selected("binary:hinge", 0, "predicted_label,raw_scores", "text/csv"),
              testing::MatchesRegex("[01]\\.0,\"\\[[01]\\.0, [01]\\.0\\]\"\n[01]\\.0,\"\\[[01]\\.0, [01]\\.0\\]\""));
  EXPECT_EQ(selected("count:poisson", 0, "predicted_score", "application/json"),
            "Objective `count:poisson` unsupported for selectable inference predictions.");
}

TEST(Responder, ContributionsAddUpToTheMargin) {
  const Json answer = parse_json(selected("count:poisson", 0, "contributions,leaf", "application/json"));
  const auto& row = answer.at("predictions")[0];
  EXPECT_EQ(row.at("leaf").size(), 8U);
  double sum = 0;
  for (const Json& part : row.at("contributions")) sum += part.get<double>();
  auto boosters = alone(trained("count:poisson"));
  const std::vector<float> x{10, 20, 30, 40};
  const auto margin = boosters[0].predict(Matrix::from_dense(x, 1, 4, 1), {.type = PredictType::kMargin}).values[0];
  EXPECT_NEAR(sum, static_cast<double>(margin), 1e-4);
}

}  // namespace
}  // namespace clary::xgboost
