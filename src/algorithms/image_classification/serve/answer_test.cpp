// SPDX-License-Identifier: Apache-2.0
// Requests and answers of a loaded model; what the environment chooses; bad requests. learning/shell/answer.cpp turns
// what is thrown into 400 and 413.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <string>

#include "algorithms/image_classification/image_classification.h"
#include "algorithms/image_classification/train/calibration.h"
#include "algorithms/image_classification/train/start.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "base/json.h"
#include "learning/shell/serve.h"
#include "learning/vision/test_data.h"

namespace clary::image_classification {
namespace {

using testing::HasSubstr;
using vision::tests::test_file;

/// A model of three classes with random weights.
class Answer : public testing::Test {
 protected:
  Answer() {
    Hyperparameters hp;
    hp.num_layers = 20, hp.image_shape = "3,24,20", hp.num_classes = 3;
    Start start = random_start(hp, 5);
    model_.description = start.description;
    model_.parameters = std::move(start.parameters);
    // As after training, so that probabilities are neither 0 nor 1.
    const auto fill = [&](const char* name, float value) {
      std::ranges::fill(model_.parameters.of(*model_.parameters.find(name)), value);
    };
    fill("bn_data_moving_mean", 128), fill("bn_data_moving_var", 64 * 64);
    for (float& w : model_.parameters.of(*model_.parameters.find("fc1_weight"))) w *= 0.02F;
    model_.class_names = {"cat", "dog", "bird"};
  }
  ~Answer() override {
    for (const char* name : {"SAGEMAKER_BATCH", "CLARY_INFERENCE_PREPROCESS", "CLARY_INFERENCE_PRECISION"})
      unsetenv(name);
  }

  void load() {
    model_.save(folder_.path());
    served_ = shell::load_model<ImageClassification>(folder_.path());
  }

  shell::Answer ask(std::string_view body, std::string_view type = "application/x-image",
                    std::string_view accept = "") {
    if (!served_.answer) load();
    return shell::answer_invocation(served_, ImageClassification::descriptor(), type, accept, "", body);
  }

  TemporaryFolder folder_;
  Model model_;
  shell::ServedModel served_;
  const std::string picture_ = test_file("420.jpg");
};

TEST_F(Answer, IsAListOfTheClassesProbabilities) {
  const auto answer = ask(picture_);
  EXPECT_EQ(answer.status, 200);
  EXPECT_EQ(answer.content_type, "application/json");
  const Json list = parse_json(answer.body);
  ASSERT_EQ(list.size(), 3U);
  EXPECT_NEAR(list[0].get<double>() + list[1].get<double>() + list[2].get<double>(), 1, 1e-6);
  for (const Json& p : list) EXPECT_EQ(static_cast<double>(static_cast<float>(p.get<double>())), p.get<double>());
  for (const char* type : {"", "image/jpeg", "image/png", "application/octet-stream", "application/x-image; a=b"})
    EXPECT_EQ(ask(picture_, type).body, answer.body) << type;
  for (const char* accept : {"*/*", "application/json", "application/*", "text/csv, application/json;q=0.5"})
    EXPECT_EQ(ask(picture_, "image/jpeg", accept).body, answer.body) << accept;
}

TEST_F(Answer, SeveralLabelsAreIndependentProbabilities) {
  model_.multi_label = true;
  const Json list = parse_json(ask(picture_).body);
  double sum = 0;
  for (const Json& p : list) sum += p.get<double>();
  EXPECT_GT(std::abs(sum - 1), 1e-3);
}

TEST_F(Answer, IsALineWhereLinesAreWanted) {
  const std::string list = ask(picture_).body;
  const auto line = ask(picture_, "", "application/jsonlines");
  EXPECT_EQ(line.body, "{\"prediction\": " + list + "}");
  EXPECT_EQ(line.content_type, "application/jsonlines");
  setenv("SAGEMAKER_BATCH", "true", 1);
  load();
  EXPECT_EQ(ask(picture_).body, line.body) << "a transform job";
  EXPECT_EQ(ask(picture_, "", "application/json").body, list);
}

TEST_F(Answer, NamesTheClassesWhenItIsVerbose) {
  const Json list = parse_json(ask(picture_).body);
  const Json top = parse_json(ask(picture_, "", "application/json; verbose=1").body).at("predictions");
  ASSERT_EQ(top.size(), 3U);
  for (std::size_t i = 0; i < 3; ++i) {
    const auto index = top[i].at("index").get<std::size_t>();
    EXPECT_EQ(top[i].at("class"), model_.class_names[index]);
    EXPECT_EQ(top[i].at("probability"), list[index]);
  }
  EXPECT_TRUE(std::ranges::is_sorted(
      top, [](const Json& a, const Json& b) { return a.at("probability") > b.at("probability"); }));
}

TEST_F(Answer, SeveralPicturesComeAsJson) {
  const std::string list = ask(picture_).body;
  const Json one{{"data", {{"b64", to_base64(picture_)}}}};
  const std::string body = dump_json({{"instances", {one, one}}});
  EXPECT_EQ(ask(body, "application/json").body,
            "{\"predictions\": [{\"prediction\": " + list + "}, {\"prediction\": " + list + "}]}");
  EXPECT_EQ(ask(body, "application/json", "application/jsonlines").body,
            "{\"prediction\": " + list + "}\n{\"prediction\": " + list + "}");
}

TEST_F(Answer, EnvironmentChoosesThePreprocessing) {
  const std::string stretched = ask(picture_).body;
  setenv("CLARY_INFERENCE_PREPROCESS", "resize_crop", 1);
  load();
  EXPECT_NE(ask(picture_).body, stretched);
  setenv("CLARY_INFERENCE_PREPROCESS", "", 1);
  model_.preprocess = Preprocess::kResizeCrop;
  load();
  EXPECT_NE(ask(picture_).body, stretched) << "the model's own choice";
  setenv("CLARY_INFERENCE_PREPROCESS", "stretch", 1);
  load();
  EXPECT_EQ(ask(picture_).body, stretched);
  setenv("CLARY_INFERENCE_PREPROCESS", "crop", 1);
  EXPECT_THROW(load(), Error);
}

TEST_F(Answer, EnvironmentChoosesThePrecision) {
  const Json exact = parse_json(ask(picture_).body);
  setenv("CLARY_INFERENCE_PRECISION", "bfloat16", 1);
  load();
  const Json rounded = parse_json(ask(picture_).body);
  EXPECT_NE(exact, rounded);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(exact[i].get<double>(), rounded[i].get<double>(), 0.1);
}

TEST_F(Answer, IntegersAreNearlyExactAndNeedACalibration) {
  const Json exact = parse_json(ask(picture_).body);
  setenv("CLARY_INFERENCE_PRECISION", "int8", 1);
  try {
    load();
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    EXPECT_THAT(error.what(), HasSubstr("CLARY_INFERENCE_PRECISION: int8 needs the calibration"));
  }
  Calibration calibration(resnet(model_.description));
  std::vector<std::uint8_t> pixels(3 * 24 * 20);
  for (std::size_t i = 0; i < pixels.size(); ++i) pixels[i] = static_cast<std::uint8_t>(i * 37 % 256);
  calibration.add(pixels);
  model_.calibration = calibration.measure(model_.parameters).largest;
  load();
  const Json rounded = parse_json(ask(picture_).body);
  EXPECT_NE(exact, rounded);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_NEAR(exact[i].get<double>(), rounded[i].get<double>(), 0.05);
}

TEST_F(Answer, ACalibrationThatDoesNotFitIsNamed) {
  Calibration calibration(resnet(model_.description));
  calibration.add(std::vector<std::uint8_t>(3 * 24 * 20, 100));
  model_.calibration = calibration.measure(model_.parameters).largest;
  model_.save(folder_.path());
  const auto file = folder_.path() / "model.json";
  const Json good = parse_json(read_file(file, 1 << 20));
  EXPECT_EQ(Model::read(folder_.path()).calibration, model_.calibration);
  const auto message = [&](const Json& calibration_json) {
    Json changed = good;
    changed["calibration"] = calibration_json;
    write_file_atomically(file, dump_json(changed));
    try {
      Model::read(folder_.path());
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kMalformed);
      return std::string(error.what());
    }
    return std::string();
  };
  EXPECT_EQ(message(good.at("calibration")), "");
  EXPECT_EQ(message(Json::array()), "model.json: calibration is no object");
  for (const Json& bad : {Json(-1), Json("1"), Json(nullptr), Json(1e300)}) {
    Json values = good.at("calibration");
    values["stage1_unit1_bn1"] = bad;
    EXPECT_THAT(message(values), HasSubstr("calibration: stage1_unit1_bn1 is " + dump_json(bad)));
  }
  Json more = good.at("calibration");
  more["conv0"] = 1;
  EXPECT_THAT(message(more), HasSubstr("the network"));
}

struct Bad {
  const char* name;
  std::string body;
  const char *type, *accept;
  int status;
  const char* words;
};
class BadRequest : public Answer, public testing::WithParamInterface<Bad> {};

TEST_P(BadRequest, IsRefusedWithAReason) {
  const Bad& bad = GetParam();
  const auto answer = ask(bad.body, bad.type, bad.accept);
  EXPECT_EQ(answer.status, bad.status) << answer.body;
  EXPECT_THAT(answer.body, HasSubstr(bad.words));
}

/// A JPEG whose header says 65500 x 65500 pixels.
std::string huge_jpeg() {
  std::string out = test_file("420.jpg");
  const std::size_t frame = out.find("\xff\xc0");  // height and width follow marker, length and precision
  for (const std::size_t at : {frame + 5, frame + 7}) out[at] = '\xff', out[at + 1] = '\xdc';
  return out;
}

INSTANTIATE_TEST_SUITE_P(
    All, BadRequest,
    testing::Values(Bad{"empty", "", "application/x-image", "", 400, "the request is empty"},
                    Bad{"no_picture", "hello", "application/x-image", "", 400, ""},
                    Bad{"cut", test_file("420.jpg").substr(0, 300), "image/jpeg", "", 400, ""},
                    Bad{"huge", huge_jpeg(), "image/jpeg", "", 413, "pixels"},
                    Bad{"type", "1,2", "text/csv", "", 415, "content-type text/csv not supported"},
                    Bad{"accept", test_file("420.jpg"), "image/jpeg", "text/csv", 406, "accept type text/csv"},
                    Bad{"no_json", "{", "application/json", "", 400, ""},
                    Bad{"no_instances", "{}", "application/json", "", 400, "instances"},
                    Bad{"no_instance", R"({"instances": []})", "application/json", "", 400, "0 are given"},
                    Bad{"no_base64", R"({"instances": [{"data": {"b64": "?"}}]})", "application/json", "", 400,
                        "instances[0]: data.b64"},
                    Bad{"bad_instance", R"({"instances": [{"data": {"b64": "aGVsbG8="}}]})", "application/json", "",
                        400, "instances[0]: "}),
    [](const auto& row) { return std::string(row.param.name); });

}  // namespace
}  // namespace clary::image_classification
