// SPDX-License-Identifier: Apache-2.0
// The artifact: its bytes as published, what is written is read back, what is broken is refused, what it answers.
#include "algorithms/linear_learner/model/model.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <random>

#include "algorithms/linear_learner/model/artifact.h"
#include "base/error.h"
#include "base/files.h"
#include "base/json.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/zip_archive.h"
#include "learning/shell/encode.h"
#include "support/paths.h"

namespace clary::linear_learner {
namespace {

using testing::HasSubstr;

Hyperparameters of_type(PredictorType type, std::int64_t classes = 1) {
  return Hyperparameters{.predictor_type = type, .num_classes = classes};
}

Weights random_weights(std::int64_t features, std::int64_t outputs) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  Weights w{features, outputs, {}, {}};
  for (std::int64_t i = 0; i < features * outputs; ++i) w.weight.push_back(normal(random));
  for (std::int64_t i = 0; i < outputs; ++i) w.bias.push_back(normal(random));
  return w;
}

formats::Batch dense(std::vector<float> values, std::int64_t width) {
  formats::Batch out;
  out.width = width, out.rows = static_cast<std::int64_t>(values.size()) / width, out.values = std::move(values);
  return out;
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_TRUE(error.kind() == Kind::kMalformed || error.kind() == Kind::kNotFound) << error.what();
    return error.what();
  }
  return "accepted";
}

std::string answer(const Model& model, formats::Batch rows, const std::string& accept) {
  shell::ServeRequest request;
  request.accept = formats::parse_content_type(accept);
  return shell::encode(model.predict(rows, request), request.accept.format());
}

TEST(LinearLearnerArtifact, HasThePublishedBytes) {
  const StoredModel model{.weights = random_weights(513, 1)};
  const std::string zip = to_archive(model);
  std::size_t at = 0;  // entries in the published order
  for (const char* name : {"mx-mod-0000.params", "mx-mod-symbol.json", "manifest.json", "additional-params.json"}) {
    const std::size_t found = zip.find(name);
    ASSERT_NE(found, std::string::npos) << name;
    EXPECT_GE(found, at) << name;
    at = found;
  }
  const auto members = artifact::read_zip(zip);
  EXPECT_EQ(members.at("mx-mod-0000.params").size(), 2210u) << "of a real artifact with 513 features";
  EXPECT_EQ(members.at("manifest.json"), R"({"additional-params.json":"json","mx-mod":"mxnet_module","version":1})");
  const Json additional = parse_json(members.at("additional-params.json"));
  EXPECT_EQ(additional, parse_json(R"({"threshold": 0.5, "loss_type": "squared_loss",
    "metrics_params": {"eps_insensitive_loss_type": null, "class_weights": null, "huber_delta": null, "quantile": null,
    "loss_insensitivity": null, "positive_example_weight_mult": 1.0, "accuracy_top_k": 3, "threshold": 0.5,
    "f_beta": null, "margin": null}, "predictor_type": "regressor"})"));
}

TEST(LinearLearnerArtifact, SymbolIsThePublishedGraph) {
  StoredModel model{.weights = random_weights(513, 1)};
  const auto symbol = [&] { return parse_json(artifact::read_zip(to_archive(model)).at("mx-mod-symbol.json")); };
  const Json json = symbol();
  std::string nodes;
  for (const Json& node : json["nodes"])
    nodes += node["op"].get<std::string>() + ":" + node["name"].get<std::string>() + node["inputs"].dump() + " ";
  EXPECT_EQ(nodes,
            "null:data[] null:fc0_weight[] dot:dot32[[0,0,0],[1,0,0]] null:fc0_bias[] "
            "broadcast_add:broadcast_plus32[[2,0,0],[3,0,0]] null:out_label[] "
            "LinearRegressionOutput:linearregressionoutput32[[4,0,0],[5,0,0]] ");
  EXPECT_EQ(json["nodes"][1]["attrs"], Json({{"__shape__", "(513, 1)"}}));
  EXPECT_EQ(json["nodes"][3]["attrs"], Json({{"__lr_mult__", "10.0"}, {"__shape__", "(1, 1)"}}));
  EXPECT_EQ(json["arg_nodes"], Json({0, 1, 3, 5}));
  EXPECT_EQ(json["node_row_ptr"], Json({0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(json["heads"], Json::array({Json({6, 0, 0})}));
  model.loss = Loss::kLogistic;
  EXPECT_EQ(symbol()["nodes"][6]["op"], "LogisticRegressionOutput");
  model.loss = Loss::kHinge;
  EXPECT_EQ(symbol()["nodes"][6]["op"], "LinearRegressionOutput") << "its score is raw";
}

TEST(LinearLearnerArtifact, RoundTrips) {
  const TemporaryFolder folder;
  Hyperparameters hp = of_type(PredictorType::kMulticlass, 4);
  hp.f_beta = 2;
  Model model(hp, random_weights(3, 4), 0.5, {1, 2, 3, 1e6f});
  model.save(folder.path());
  const Model back = Model::load(folder.path());
  EXPECT_EQ(back.predictor_type(), PredictorType::kMulticlass);
  EXPECT_EQ(back.loss(), Loss::kSoftmax);
  EXPECT_EQ(back.weights().weight, model.weights().weight);
  EXPECT_EQ(back.weights().bias, model.weights().bias);
  EXPECT_EQ(back.metrics_parameters().class_weights, (std::vector<float>{1, 2, 3, 1e6f}));
  EXPECT_EQ(back.metrics_parameters().f_beta, 2);
  EXPECT_EQ(back.metrics_parameters().margin, std::nullopt);
  EXPECT_EQ(back.feature_dim(), 3);
  Model(of_type(PredictorType::kBinary), random_weights(3, 1), 0.37, {}, 9).save(folder.path());
  EXPECT_EQ(Model::load(folder.path()).threshold(), 0.37);
  EXPECT_EQ(Model::load(folder.path()).metrics_parameters().positive_example_weight_mult, 9);
}

TEST(LinearLearnerArtifact, PlainFilesReadInOneLine) {
  const TemporaryFolder folder;
  Model model(of_type(PredictorType::kBinary), {2, 1, {0.5f, -0.1f}, {3}}, 0.37);
  model.record.feature_names = {"age", "income \"k\""};
  model.record.standardised_weight = {1, 2};
  model.record.standard_error = {0.25f, std::nanf("")};
  model.record.bias_standard_error = {0.5f};
  model.record.criterion = "sampled_accuracy";
  model.record.candidates = {{.settings = {.id = 0, .learning_rate = 0.1}, .best_epoch = 3, .value = 0.9},
                             {.settings = {.id = 1, .optimizer = Optimizer::kSgd},
                              .value = -std::numeric_limits<double>::infinity(),
                              .validation_loss = 0.25}};
  model.record.metrics = {{"validation", {{"recall", "score", 0.75}}}};
  model.save(folder.path());
  const Json json = parse_json(read_file(folder.path() / "linear-learner-coefficients.json"));
  EXPECT_EQ(json["classes"], Json({0, 1}));
  EXPECT_EQ(json["threshold"], 0.37);
  EXPECT_EQ(json["intercept"], 3.0);
  EXPECT_EQ(json["intercept_standard_error"], 0.5);
  EXPECT_EQ(json["metrics"]["validation"]["recall"], 0.75);
  EXPECT_EQ(
      json["features"][0],
      Json({{"index", 0}, {"name", "age"}, {"weight", 0.5}, {"standardised_weight", 1.0}, {"standard_error", 0.25}}));
  EXPECT_EQ(json["features"][1]["name"], "income \"k\"");
  EXPECT_EQ(json["features"][1]["weight"], static_cast<double>(-0.1f)) << "the exact float32";
  EXPECT_TRUE(json["features"][1]["standard_error"].is_null());
  const Json candidates = parse_json(read_file(folder.path() / "candidates.json"));
  EXPECT_EQ(candidates["criterion"], "sampled_accuracy");
  EXPECT_EQ(candidates["candidates"][0]["learning_rate"], 0.1);
  EXPECT_EQ(candidates["candidates"][1]["optimizer"], "sgd");
  EXPECT_TRUE(candidates["candidates"][1]["value"].is_null()) << "diverged";
  EXPECT_EQ(candidates["candidates"][1]["validation_loss"], 0.25);
  EXPECT_THAT(read_file(folder.path() / "coefficients.npy"), HasSubstr("'shape': (1,2,)"));

  Model(of_type(PredictorType::kMulticlass, 3), random_weights(2, 3)).save(folder.path());
  const Json many = parse_json(read_file(folder.path() / "linear-learner-coefficients.json"));
  EXPECT_EQ(many["classes"], Json({0, 1, 2}));
  EXPECT_EQ(many["features"][1]["weight"].size(), 3u);
  EXPECT_FALSE(many.contains("threshold"));
}

/// Made with Python's zipfile and struct (seeds of the fuzzer), stored and deflated, as the real service's could be.
TEST(LinearLearnerArtifact, LoadsWhatPythonWrote) {
  const std::string seeds = tests::source_folder() / "tests/fuzz/corpus/linear_learner_model/";
  EXPECT_EQ(from_archive(read_file(seeds + "regressor.zip")).weights.weight, (std::vector<float>{1, 1, 1}));
  const StoredModel binary = from_archive(read_file(seeds + "binary-deflated.zip"));
  EXPECT_EQ(binary.predictor_type, PredictorType::kBinary);
  EXPECT_EQ(binary.weights.bias, std::vector<float>{0.5f});
  EXPECT_EQ(from_archive(read_file(seeds + "multiclass.zip")).weights.outputs, 3);
}

TEST(LinearLearnerArtifact, ForeignFilesAreRefusedWithAReason) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal([&] { Model::load(folder.path()); }), HasSubstr("not a Linear Learner model"));
  const auto good = artifact::read_zip(to_archive({.weights = random_weights(3, 1)}));
  const auto with = [&](const std::string& name, const std::string& content) {
    auto members = good;
    if (content.empty())
      members.erase(name);
    else
      members[name] = content;
    return refusal([&] { from_archive(artifact::write_zip({members.begin(), members.end()})); });
  };
  const std::string params = "mx-mod-0000.params", additional = "additional-params.json";
  EXPECT_THAT(with(params, ""), HasSubstr("mx-mod-0000.params: missing"));
  EXPECT_THAT(with(additional, ""), HasSubstr("additional-params.json: missing"));
  EXPECT_EQ(with("manifest.json", ""), "accepted") << "not needed to serve";
  EXPECT_THAT(with(additional, "[]"), HasSubstr("not an object"));
  EXPECT_THAT(with(additional, R"({"loss_type":"squared_loss"})"), HasSubstr("predictor_type is missing"));
  EXPECT_THAT(with(additional, R"({"loss_type":"x","predictor_type":"regressor"})"), HasSubstr("loss_type 'x'"));
  EXPECT_THAT(with(additional, R"({"loss_type":"softmax_loss","predictor_type":"multiclass_classifier"})"),
              HasSubstr("1 outputs do not fit predictor_type multiclass_classifier"));
  EXPECT_THAT(with(additional, R"({"loss_type":"squared_loss","predictor_type":"regressor","threshold":"high"})"),
              HasSubstr("threshold is no number"));
  EXPECT_THAT(with(params, artifact::write_arrays({{"arg:fc0_weight", {3, 1}, {1, 2, 3}}})),
              HasSubstr("fc0_bias is missing"));
  EXPECT_THAT(with(params, artifact::write_arrays({{"fc0_weight", {3, 1}, {1, 2, 3}}, {"fc0_bias", {2}, {1, 2}}})),
              HasSubstr("fc0_bias has 2 numbers for 1 outputs"));
  EXPECT_THAT(with(params, artifact::write_arrays({{"fc0_weight", {3, 1}, {1, NAN, 3}}, {"fc0_bias", {1}, {1}}})),
              HasSubstr("not finite"));
  const std::string zip = to_archive({.weights = random_weights(3, 1)});
  for (std::size_t n = 0; n < 300; ++n) EXPECT_NE(refusal([&] { from_archive(zip.substr(0, n)); }), "accepted") << n;
}

TEST(LinearLearnerPredict, AnswersInThePublishedForms) {
  const Model regressor(of_type(PredictorType::kRegressor), {2, 1, {1, 2}, {0.5f}});
  EXPECT_EQ(answer(regressor, dense({1, 2}, 2), "application/json"), R"({"predictions": [{"score": 5.5}]})");
  EXPECT_EQ(answer(regressor, dense({0.1f, 0}, 2), "application/jsonlines"), "{\"score\": 0.6000000238418579}\n");
  const Model binary(of_type(PredictorType::kBinary), {2, 1, {1, 2}, {0}}, 0.4);
  EXPECT_EQ(answer(binary, dense({0, 0, -9, 0}, 2), "application/json"),
            R"({"predictions": [{"score": 0.5, "predicted_label": 1}, )"
            R"({"score": 0.00012339458044152707, "predicted_label": 0}]})");
  EXPECT_EQ(answer(binary, dense({0, 0}, 2), "text/csv"), "1,0.5\n");
  const Model many(of_type(PredictorType::kMulticlass, 3), {1, 3, {0, 0, 0}, {0, 0, 0}});
  EXPECT_EQ(answer(many, dense({7}, 1), "application/jsonlines"),
            "{\"score\": [0.3333333432674408, 0.3333333432674408, 0.3333333432674408], \"predicted_label\": 0}\n");
  Hyperparameters hp = of_type(PredictorType::kBinary);
  hp.loss = Loss::kHinge;
  const Model hinge(hp, {1, 1, {2}, {0}}, 0.5);
  EXPECT_EQ(answer(hinge, dense({2}, 1), "application/jsonlines"), "{\"score\": 4.0, \"predicted_label\": 1}\n");
  EXPECT_EQ(answer(hinge, dense({-2}, 1), "application/jsonlines"), "{\"score\": -4.0, \"predicted_label\": 0}\n");
}

/// A row alone, in a batch, and sparse: the same bits, and those of the plain formula in double.
TEST(LinearLearnerPredict, ARowsOutputsDoNotDependOnItsCompany) {
  constexpr std::int64_t kFeatures = 53, kRows = 205;
  for (const std::int64_t outputs : {1, 3, 7, 40}) {
    const Weights w = random_weights(kFeatures, outputs);
    const Scorer scorer(w);
    std::vector<float> values;
    std::mt19937 random(outputs);
    for (std::int64_t i = 0; i < kRows * kFeatures; ++i)
      values.push_back(random() % 4 ? 0 : std::normal_distribution<float>()(random));
    formats::Batch all = dense(values, kFeatures), sparse = all;
    formats::make_sparse(sparse);
    const auto together = scorer.outputs(all);
    EXPECT_EQ(scorer.outputs(sparse), together) << outputs;
    for (std::int64_t r = 0; r < kRows; ++r) {
      const auto row = all.row(r);
      const auto alone = scorer.outputs(dense({row.begin(), row.end()}, kFeatures));
      for (std::int64_t k = 0; k < outputs; ++k) {
        const auto i = static_cast<std::size_t>(k);
        EXPECT_EQ(alone[i], together[static_cast<std::size_t>(r * outputs + k)]);
        double plain = w.bias[i];
        for (std::int64_t d = 0; d < kFeatures; ++d)
          plain += static_cast<double>(row[static_cast<std::size_t>(d)]) *
                   w.weight[static_cast<std::size_t>(d * outputs + k)];
        EXPECT_NEAR(alone[i], plain, 1e-4);
      }
    }
  }
}

}  // namespace
}  // namespace clary::linear_learner
