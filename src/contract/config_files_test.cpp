// SPDX-License-Identifier: Apache-2.0
#include "contract/config_files.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/json.h"
#include "contract/layout.h"

namespace clary::contract {
namespace {

template <class F>
std::string message_of(F f) {
  try {
    f();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kMalformed);
    return error.what();
  }
  return "no error";
}

TEST(ConfigFiles, HyperparametersRoundTrip) {
  const Hyperparameters given{{"num_topics", "30"}, {"epochs", "100"}, {"text", "a \"b\" \xc3\xa4"}};
  EXPECT_EQ(parse_hyperparameters(to_json(given)), given);
  EXPECT_EQ(to_json(Hyperparameters{}), "{}");
}

TEST(ConfigFiles, HyperparametersTakeHandWrittenNumbers) {
  const auto h = parse_hyperparameters(R"({"k": 5, "on": true, "layers": [1, 2], "rate": 0.5})");
  EXPECT_EQ(h.at("k"), "5");
  EXPECT_EQ(h.at("on"), "true");
  EXPECT_EQ(h.at("layers"), "[1,2]");
  EXPECT_EQ(h.at("rate"), "0.5");
}

TEST(ConfigFiles, InputDataConfigHasAwsKeys) {
  const InputDataConfig given{{"train", {InputMode::kPipe, "ShardedByS3Key", "None", "text/csv;label_size=1"}},
                              {"test", {}}};
  const std::string text = to_json(given);
  EXPECT_EQ(parse_input_data_config(text), given);
  const Json json = parse_json(text);
  EXPECT_EQ(json["train"]["S3DistributionType"], "ShardedByS3Key");
  EXPECT_EQ(json["train"]["TrainingInputMode"], "Pipe");
  EXPECT_FALSE(json["test"].contains("ContentType"));
}

TEST(ConfigFiles, ResourceConfigSortsHostsAsText) {
  ResourceConfig given{"algo-2", {"algo-1", "algo-2", "algo-10"}, "lo", "ml.c5.xlarge", "homogeneousCluster"};
  const auto back = parse_resource_config(to_json(given));
  EXPECT_EQ(back.hosts, (std::vector<std::string>{"algo-1", "algo-10", "algo-2"}));
  EXPECT_EQ(back.current_host, "algo-2");
  EXPECT_EQ(back.current_instance_type, "ml.c5.xlarge");
}

TEST(ConfigFiles, CheckpointConfigRoundTrips) {
  const CheckpointConfig given{"s3://b/c", "/opt/ml/checkpoints"};
  EXPECT_EQ(parse_checkpoint_config(to_json(given)), given);
}

TEST(ConfigFiles, ErrorsNameFileAndKey) {
  EXPECT_EQ(message_of([] { parse_hyperparameters("[]"); }), "hyperparameters.json: must hold one JSON object");
  EXPECT_EQ(message_of([] { parse_input_data_config(R"({"train": 3})"); }),
            "inputdataconfig.json: train: must be an object");
  EXPECT_EQ(message_of([] { parse_input_data_config(R"({"../x": {}})"); }),
            "inputdataconfig.json: channel: '../x' is not a plain name");
  EXPECT_EQ(message_of([] { parse_input_data_config(R"({"a": {"TrainingInputMode": "Tape"}})"); }),
            "inputdataconfig.json: a: TrainingInputMode: 'Tape' is not File, FastFile or Pipe");
  EXPECT_EQ(message_of([] { parse_resource_config(R"({"hosts": ["a", "a"], "current_host": "a"})"); }),
            "resourceconfig.json: hosts: 'a' appears twice");
  EXPECT_EQ(message_of([] { parse_resource_config(R"({"hosts": ["a"], "current_host": "b"})"); }),
            "resourceconfig.json: current_host: 'b' is not among hosts");
  EXPECT_EQ(message_of([] { parse_checkpoint_config(R"({"LocalPath": "x"})"); }),
            "checkpointconfig.json: LocalPath: 'x' is not absolute");
}

TEST(ConfigFiles, EveryCutIsRefusedOrRead) {
  const std::string text = to_json(ResourceConfig{"algo-1", {"algo-1", "algo-2"}, "eth0", "ml.m5.large", "g"});
  for (std::size_t cut = 0; cut < text.size(); ++cut)
    EXPECT_THROW(parse_resource_config(text.substr(0, cut)), Error) << cut;
}

TEST(Layout, PathsAreAwsPaths) {
  const Layout layout;
  EXPECT_EQ(layout.hyperparameters(), "/opt/ml/input/config/hyperparameters.json");
  EXPECT_EQ(layout.channel_fifo("train", 3), "/opt/ml/input/data/train_3");
  EXPECT_EQ(layout.failure(), "/opt/ml/output/failure");
}

}  // namespace
}  // namespace clary::contract
