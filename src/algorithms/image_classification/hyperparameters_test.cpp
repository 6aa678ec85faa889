// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/hyperparameters.h"

#include <gtest/gtest.h>

#include <string>

#include "base/error.h"

namespace clary::image_classification {
namespace {

hyper::TextMap with(hyper::TextMap more) {
  more.try_emplace("num_classes", "10");
  more.try_emplace("num_training_samples", "100");
  return more;
}

std::string problem(const hyper::TextMap& more) {
  try {
    schema().parse(with(more));
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), Kind::kInvalid);
    return error.what();
  }
  return "";
}

TEST(Hyperparameters, DefaultsAreThePublishedOnes) {
  const auto hp = schema().parse(with({}));
  EXPECT_EQ(hp.num_layers, 152);
  EXPECT_EQ(hp.image(), (nn::MapShape{3, 224, 224}));
  EXPECT_EQ(hp.epochs, 30);
  EXPECT_EQ(hp.mini_batch_size, 32);
  EXPECT_EQ(hp.learning_rate, 0.1);
  EXPECT_EQ(hp.momentum, 0.9);
  EXPECT_EQ(hp.weight_decay, 0.0001);
  EXPECT_STREQ(hp.optimizer_name(), "sgd");
  EXPECT_EQ(hp.augmentation_type, vision::Augmentation::kNone);
  EXPECT_FALSE(hp.resize || hp.top_k || hp.checkpoint_frequency || hp.multi_label || hp.float16);
}

TEST(Hyperparameters, ReadsWhatPublishedJobsSend) {
  const auto hp = schema().parse(with({{"image_shape", "3, 180, 320"},
                                       {"lr_scheduler_step", "10, 20"},
                                       {"early_stopping", "True"},
                                       {"multi_label", "1"},
                                       {"precision_dtype", "float16"},
                                       {"augmentation_type", "crop_color_transform"},
                                       {"optimizer", "nag"},
                                       {"num_layers", "18"},
                                       {"use_pretrained_model", "1"},
                                       {"top_k", "2"},
                                       {"kv_store", "dist_async"}}));
  EXPECT_EQ(hp.image(), (nn::MapShape{3, 180, 320}));
  EXPECT_EQ(hp.lr_scheduler_step, (std::vector<std::int64_t>{10, 20}));
  EXPECT_TRUE(hp.early_stopping && hp.multi_label && hp.float16 && hp.use_pretrained_model);
  EXPECT_EQ(hp.augmentation_type, vision::Augmentation::kCropColorTransform);
  EXPECT_STREQ(hp.optimizer_name(), "nag");
  EXPECT_EQ(hp.top_k, 2);
}

TEST(Hyperparameters, ParametersOfOtherOptimizersAreTaken) {
  EXPECT_EQ(problem({{"optimizer", "sgd"}, {"beta_1", "0.5"}, {"beta_2", "0.5"}, {"eps", "0.1"}, {"gamma", "0.3"}}),
            "");
}

TEST(Hyperparameters, RefusesInTheContainersWords) {
  EXPECT_EQ(
      problem({{"augmentation_type", "crop_color_transformation"}}),
      "The value 'crop_color_transformation' is not valid for the 'augmentation_type' hyperparameter which accepts "
      "one of the following: 'crop', 'crop_color', 'crop_color_transform' (caused by ValidationError)");
  EXPECT_NE(
      problem({{"num_layers", "19"}}).find("'num_layers' hyperparameter which accepts one of the following: '18'"),
      std::string::npos);
  for (const char* shape : {"224,224", "2,32,32", "3,0,32", "3,32,32,1", "3,32,a", "", "3,9999999999999999999,3"})
    EXPECT_NE(problem({{"image_shape", shape}})
                  .find("'image_shape' hyperparameter which must have the form 'channels,height,width'"),
              std::string::npos)
        << shape;
}

struct Broken {
  const char* name;
  hyper::TextMap given;
  const char* words;
};
class CrossRule : public testing::TestWithParam<Broken> {};

TEST_P(CrossRule, IsNamed) { EXPECT_NE(problem(GetParam().given).find(GetParam().words), std::string::npos); }

INSTANTIATE_TEST_SUITE_P(
    All, CrossRule,
    testing::Values(
        Broken{"top_k", {{"top_k", "10"}}, "top_k must be below num_classes (given num_classes=10, top_k=10)"},
        Broken{"checkpoints", {{"checkpoint_frequency", "31"}}, "checkpoint_frequency must not exceed epochs"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST(Hyperparameters, PretrainedWeightsMayBeOfAnyNetworkThatAnotherJobLearned) {
  EXPECT_EQ(problem({{"use_pretrained_model", "1"}, {"num_layers", "20"}, {"image_shape", "1,32,32"}}), "");
}

TEST(Hyperparameters, TopKIsIgnoredWithSeveralLabels) {
  EXPECT_EQ(problem({{"top_k", "10"}, {"multi_label", "1"}}), "");
}

}  // namespace
}  // namespace clary::image_classification
