// SPDX-License-Identifier: Apache-2.0
// Artifact and answers: through the shell's answer_invocation, so requests and responses are those on the wire.
#include "algorithms/knn/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <numeric>

#include "algorithms/knn/knn.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "formats/record_proto.h"
#include "learning/shell/serve.h"
#include "support/paths.h"

namespace clary::knn {
namespace {

using ::testing::HasSubstr;

// Rows at 0, 1, 3, 6, 10 on a line (second feature 0), labels 1 0 0 2 1.
const std::vector<float> kPlaces = {0, 1, 3, 6, 10}, kLabels = {1, 0, 0, 2, 1};

Model line_model(Metadata metadata, bool l2 = true, std::vector<std::string> uids = {},
                 std::vector<std::int64_t> positions = {}) {
  auto pool = std::make_shared<numeric::Team>(2, numeric::Team::Shared());
  Vectors rows(2);
  for (const float place : kPlaces) rows.append(std::vector<float>{place, 0});
  metadata.feature_dim = 2;
  if (metadata.normalize) normalize_rows(rows, *pool);
  Index index({IndexType::kFlat, l2, 2}, *pool);
  index.add(rows);
  const bool normalize = metadata.normalize;
  return Model(std::move(metadata), pool, Preparation(std::nullopt, 2, normalize), std::move(index), kLabels,
               std::move(positions), std::move(uids));
}

shell::ServedModel served(const Model& model) {
  shell::ServedModel out;
  out.predict = [&model](const formats::Batch& rows, const shell::ServeRequest& request) {
    return model.predict(rows, request);
  };
  out.feature_dim = model.feature_dim();
  return out;
}

shell::Answer ask(const Model& model, std::string_view accept, std::string_view body,
                  std::string_view type = "text/csv") {
  return shell::answer_invocation(served(model), Knn::descriptor(), type, accept, "", body);
}

Metadata classifier(std::int64_t k) { return {k, Task::kClassifier, std::nullopt, false, 2}; }

TEST(KnnPredict, AnswersInEveryDocumentedForm) {
  const Model model = line_model(classifier(3));
  // Nearest to 0.4: rows 0 (.16), 1 (.36), 2 (6.76): labels 1 0 0.
  EXPECT_EQ(ask(model, "", "0.4,0").body, R"({"predictions": [{"predicted_label": 0.0}]})");
  EXPECT_EQ(ask(model, "application/jsonlines", "0.4,0\n9,0\n").body,
            "{\"predicted_label\": 0.0}\n{\"predicted_label\": 0.0}\n");
  const Json verbose = Json::parse(ask(model, "application/jsonlines; verbose=true", "0.4,0").body);
  EXPECT_EQ(verbose.size(), 3);
  EXPECT_EQ(verbose["labels"], Json({1, 0, 0}));
  ASSERT_EQ(verbose["distances"].size(), 3);
  EXPECT_NEAR(verbose["distances"][0].get<double>(), .16, 1e-6);
  EXPECT_NEAR(verbose["distances"][2].get<double>(), 6.76, 1e-5);
  EXPECT_TRUE(
      Json::parse(ask(model, "application/json;verbose=True", "0.4,0").body)["predictions"][0].contains("distances"));
  const std::string records = ask(model, "application/x-recordio-protobuf; verbose=true", "0.4,0").body;
  for (const char* key : {"predicted_label", "distances", "labels"}) EXPECT_THAT(records, HasSubstr(key));
}

TEST(KnnPredict, TakesEveryRequestForm) {
  const Model model = line_model(classifier(1));
  for (const auto& [type, body] : std::vector<std::pair<std::string, std::string>>{
           {"text/csv", "6,0"},
           {"text/csv;label_size=1", "99,6,0"},
           {"application/json", R"({"instances": [{"features": [6, 0]}]})"},
           {"application/json", R"({"instances": [{"data": {"features": {"values": [6, 0]}}}]})"},
           {"application/jsonlines", R"({"data": {"features": {"values": [6, 0]}}})"}}) {
    EXPECT_EQ(ask(model, "application/jsonlines", body, type).body, "{\"predicted_label\": 2.0}\n") << type << body;
  }
  std::string record;
  formats::RecordWriter(record).write_dense(std::vector<float>{6, 0});
  formats::RecordWriter(record).write_sparse(std::vector<std::int32_t>{0}, std::vector<float>{6}, 2);
  EXPECT_EQ(ask(model, "text/csv", record, "application/x-recordio-protobuf").body, "2.0\n2.0\n");
}

TEST(KnnPredict, PerRequestAndPerRowOptions) {
  const Model model = line_model(classifier(1));
  const auto labels = [&](std::string_view accept) { return Json::parse(ask(model, accept, "0.4,0").body)["labels"]; };
  EXPECT_EQ(labels("application/jsonlines;verbose=true;k=2"), Json({1, 0}));
  EXPECT_EQ(labels("application/jsonlines;verbose=true;k=1000").size(), 5) << "more than stored means all";
  const Json mixed =
      Json::parse(ask(model, "application/json;verbose=true",
                      R"({"instances": [{"features": [0, 0], "configuration": {"k": 4}}, {"features": [0, 0]}]})",
                      "application/json")
                      .body);
  EXPECT_EQ(mixed["predictions"][0]["labels"].size(), 4);
  EXPECT_EQ(mixed["predictions"][1]["labels"].size(), 1);
  struct Row {
    const char *accept, *says;
  };
  for (const Row& row : {Row{"application/json;k=0", "k: '0'"}, Row{"application/json;k=x", "k: 'x'"},
                         Row{"application/json;order=worst", "order: 'worst' must be best or ascending"},
                         Row{"application/json;nprobe=-1", "nprobe"}}) {
    const auto answer = ask(model, row.accept, "0,0");
    EXPECT_EQ(answer.status, 400);
    EXPECT_THAT(answer.body, HasSubstr(row.says));
  }
  for (const char* configuration : {R"({"k": 0})", R"({"k": "3"})", R"({"depth": 3})", R"({"order": 3})", "[1]"}) {
    const std::string body =
        std::string(R"({"instances": [{"features": [0, 0], "configuration": )") + configuration + "}]}";
    EXPECT_EQ(ask(model, "", body, "application/json").status, 400) << configuration;
  }
}

TEST(KnnPredict, SimilaritiesAscendUnlessBestIsAskedFirst) {
  const Model model = line_model(classifier(3), false);
  const auto verbose = [&](std::string_view accept) { return Json::parse(ask(model, accept, "2,0").body); };
  EXPECT_EQ(verbose("application/jsonlines;verbose=true")["distances"], Json({6, 12, 20}));
  EXPECT_EQ(verbose("application/jsonlines;verbose=true")["labels"], Json({0, 2, 1}));
  EXPECT_EQ(verbose("application/jsonlines;verbose=true;order=best")["distances"], Json({20, 12, 6}));
  EXPECT_EQ(verbose("application/jsonlines;verbose=true;order=best")["labels"], Json({1, 2, 0}));
  const Model l2 = line_model(classifier(3));
  EXPECT_EQ(ask(l2, "application/jsonlines;verbose=true;order=best", "2,0").body,
            ask(l2, "application/jsonlines;verbose=true", "2,0").body);
}

TEST(KnnPredict, CosineIgnoresLengthAndZeroRowsStayZero) {
  Metadata metadata = classifier(5);
  metadata.normalize = true;
  const Model model = line_model(metadata, false);
  const Json answer = Json::parse(ask(model, "application/jsonlines;verbose=true", "0.001,0").body);
  EXPECT_EQ(answer["distances"], Json({0, 1, 1, 1, 1}));
  EXPECT_EQ(answer["labels"][0], 1);
}

TEST(KnnPredict, IdsSurvive) {
  const std::int64_t big = (std::int64_t{1} << 40) + 1;
  const Model numbered = line_model(classifier(2), true, {}, {7, big, 9, 10, 11});
  EXPECT_EQ(Json::parse(ask(numbered, "application/jsonlines;ids=true", "0.4,0").body)["ids"],
            Json({"7", std::to_string(big)}));
  const Model named = line_model(classifier(3), true, {"doc a", "", "\"q\"\n", "x", "y"});
  const Json ids = Json::parse(ask(named, "application/jsonlines;ids=true;verbose=true", "0.4,0").body)["ids"];
  EXPECT_EQ(ids, Json({"doc a", "1", "\"q\"\n"}));
}

TEST(KnnPredict, ClassShares) {
  const Model model = line_model(classifier(4));
  const Json answer = Json::parse(ask(model, "application/jsonlines;proportions=true", "0,0").body);
  EXPECT_EQ(answer["classes"], Json({0, 1, 2}));
  EXPECT_EQ(answer["proportions"], Json({.5, .25, .25}));
  Metadata regressor = classifier(2);
  regressor.predictor_type = Task::kRegressor;
  const Model mean = line_model(regressor);
  EXPECT_EQ(ask(mean, "", "0.4,0").body, R"({"predictions": [{"predicted_label": 0.5}]})");
  EXPECT_EQ(ask(mean, "application/json;proportions=true", "0.4,0").status, 400);
}

TEST(KnnPredict, RefusesRowsItCannotPlace) {
  const Model model = line_model(classifier(1));
  EXPECT_EQ(ask(model, "", "1,2,3").status, 400);
  EXPECT_EQ(ask(model, "", "1").status, 400);
  EXPECT_EQ(ask(model, "", "1,nan").status, 400);
  EXPECT_EQ(ask(model, "", R"({"instances": [{"features": [1e39, 0]}]})", "application/json").status, 400);
  EXPECT_EQ(ask(model, "", "1,2", "image/png").status, 415);
}

std::vector<std::string> names_in(const std::filesystem::path& dir) {
  std::vector<std::string> out;
  for (const auto& entry : std::filesystem::directory_iterator(dir)) out.push_back(entry.path().filename());
  std::sort(out.begin(), out.end());
  return out;
}

TEST(KnnArtifact, IsTheThreePublishedFilesUnlessIdsSayMore) {
  const TemporaryFolder plain, named;
  line_model(classifier(3), true, {}, {0, 1, 2, 3, 4}).save(plain.path());
  EXPECT_EQ(names_in(plain.path()),
            (std::vector<std::string>{"model_algo-1", "model_algo-1.json", "model_algo-1.labels"}));
  EXPECT_EQ(read_file(plain.path() / "model_algo-1.labels"),
            std::string(reinterpret_cast<const char*>(kLabels.data()), 20));
  line_model(classifier(3), true, {"a", "b", "c", "d\n", ""}, {5, 4, 3, 2, 1}).save(named.path());
  const Model loaded = Model::load(named.path());
  EXPECT_EQ(loaded.id_text(3), "d\n");
  EXPECT_EQ(loaded.id_text(4), "1");
  EXPECT_EQ(names_in(named.path()).size(), 5);
}

/// An archive as another program writes it.
void write_foreign(const std::filesystem::path& dir, const std::string& index, std::size_t labels,
                   const std::string& json) {
  std::filesystem::copy_file(tests::source_folder().string() + "/src/algorithms/knn/testdata/" + index + ".index",
                             dir / "model_algo-1", std::filesystem::copy_options::overwrite_existing);
  std::vector<float> values(labels);
  std::iota(values.begin(), values.end(), 0.0F);
  std::ofstream(dir / "model_algo-1.labels", std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(labels * 4));
  std::ofstream(dir / "model_algo-1.json") << json;
}

TEST(KnnArtifact, HostsArchivesOfOthersAndEditedOnes) {
  const TemporaryFolder dir;
  write_foreign(dir.path(), "ivfpq", 40,
                R"({"k": 2, "predictor_type": "regressor", "normalize": False, "new": {"x": 1}})");
  const Model model = Model::load(dir.path());
  EXPECT_EQ(ask(model, "", "0,856,703,550").body, R"({"predictions": [{"predicted_label": 14.0}]})");  // rows 0 and 28
  // Two sub-vectors: rows of 3 features were padded with a zero, rows of 2 cannot have been.
  EXPECT_EQ(ask(model, "", "0,856,703").status, 200);
  EXPECT_EQ(ask(model, "", "0,856").status, 400);
  write_foreign(dir.path(), "flat_l2", 20, R"({"k": 1, "predictor_type": "classifier"})");
  EXPECT_EQ(ask(Model::load(dir.path()), "", "0,856,703,550").body, R"({"predictions": [{"predicted_label": 0.0}]})");
}

TEST(KnnArtifact, RefusesArchivesThatContradictThemselves) {
  const TemporaryFolder dir;
  const std::string good = R"({"k": 2, "predictor_type": "classifier"})";
  const auto problem = [&]() -> std::string {
    try {
      Model::load(dir.path());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed);
      return error.what();
    }
    return "";
  };
  EXPECT_THAT(problem(), HasSubstr("no file model_algo-1.json"));
  write_foreign(dir.path(), "flat_l2", 19, good);
  EXPECT_THAT(problem(), HasSubstr("model_algo-1.labels: 76 bytes, must be 80"));
  write_foreign(dir.path(), "flat_l2", 20, R"({"k": 2, "predictor_type": "classifier", "feature_dim": 5})");
  EXPECT_THAT(problem(), HasSubstr("feature_dim: 5: must be the index's dimension, 4"));
  write_foreign(dir.path(), "flat_l2", 20,
                R"({"k": 2, "predictor_type": "classifier", "dimension_reduction":
                    {"type": "sign", "seed": 3, "target_dim": 5, "input_dim": 9, "rng": "philox4x32-10"}})");
  EXPECT_THAT(problem(), HasSubstr("target_dim: 5: must be the index's dimension, 4"));
  write_foreign(dir.path(), "flat_l2", 20, good);
  std::ofstream(dir.path() / "model_algo-1.ids") << "short";
  EXPECT_THAT(problem(), HasSubstr("model_algo-1.ids"));
  std::filesystem::remove(dir.path() / "model_algo-1.ids");
  std::ofstream(dir.path() / "model_algo-1.uids") << "\"a\"\n7\n";
  EXPECT_THAT(problem(), HasSubstr("model_algo-1.uids: line 2"));
  std::ofstream(dir.path() / "model_algo-1.uids") << "\"a\"\n";
  EXPECT_THAT(problem(), HasSubstr("1 lines, must be 20"));
  std::filesystem::remove(dir.path() / "model_algo-1.uids");
  std::filesystem::remove(dir.path() / "model_algo-1");
  EXPECT_THAT(problem(), HasSubstr("no file model_algo-1"));
}

}  // namespace
}  // namespace clary::knn
