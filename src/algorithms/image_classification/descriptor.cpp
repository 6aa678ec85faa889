// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/image_classification.h"

namespace clary::image_classification {
namespace {

const std::vector<std::string> kFileModes{"File", "FastFile"};

shell::ChannelSpec pictures(const char* name, const char* about) {
  return {.name = name,
          .required = true,
          .about = about,
          // "rec" and "lst" are what notebooks of 2017 and 2018 send for image records and listed pictures.
          .content_types = {"application/x-recordio", "application/x-image", "image/jpeg", "image/png", "rec", "lst"},
          .distributions = {"FullyReplicated"},
          .default_content_type = "application/x-recordio"};
}

shell::ChannelSpec list(const char* name, const char* about) {
  return {.name = name,
          .about = about,
          .content_types = {"application/x-image", "image/jpeg", "image/png", "lst"},
          .input_modes = kFileModes,
          .distributions = {"FullyReplicated"},
          .default_content_type = "application/x-image"};
}

std::vector<shell::MetricSpec> metrics() {
  const auto of_epoch = [](const char* what) { return R"(Epoch\[\d+\] )" + std::string(what) + R"(=([0-9.eE+-]+))"; };
  return {{"validation:accuracy", of_epoch("Validation-accuracy"), "Maximize"},
          {"train:accuracy", of_epoch("Train-accuracy"), "Maximize"},
          {"validation:top_k_accuracy", of_epoch(R"(Validation-top_k_accuracy_\d+)"), "Maximize"},
          {"train:top_k_accuracy", of_epoch(R"(Train-top_k_accuracy_\d+)"), ""},
          {"validation:loss", of_epoch("Validation-loss"), "Minimize"},
          {"train:loss", of_epoch("Train-loss"), ""},
          {"validation:mean_average_precision", of_epoch("Validation-mean_average_precision"), "Maximize"},
          {"validation:f1", of_epoch("Validation-f1"), "Maximize"},
          {"train:throughput", R"(Speed: ([0-9.]+) samples/sec)", ""}};
}

}  // namespace

const shell::Descriptor& ImageClassification::descriptor() {
  static const shell::Descriptor d = [] {
    shell::Descriptor out;
    out.images = {"image-classification"};
    out.about =
        "Image classification by residual networks: one class or several labels for a picture, from random or "
        "pretrained weights.";
    out.log_name = "AWS/ImageClassification";
    out.python_2 = true;
    out.distributed = true;
    shell::ChannelSpec model{.name = kModelChannel,
                             .about = "A finished job's artifact: training goes on from it.",
                             .content_types = {"application/x-sagemaker-model"},
                             .input_modes = kFileModes,
                             .distributions = {"FullyReplicated"},
                             .default_content_type = "application/x-sagemaker-model"};
    shell::ChannelSpec pretrained{
        .name = kPretrainedChannel,
        .about = "Weights for `use_pretrained_model` (Clary only): one file, or the artifact of another job.",
        .content_types = {},
        .input_modes = kFileModes,
        .distributions = {"FullyReplicated"},
        .default_content_type = "application/octet-stream"};
    out.channels = {pictures("train", "Labelled pictures to learn from."),
                    pictures("validation", "Labelled pictures; scored after every epoch, the best model is kept."),
                    list("train_lst", "One .lst file, which labels the train channel's pictures."),
                    list("validation_lst", "One .lst file, which labels the validation channel's pictures."),
                    model,
                    pretrained};
    out.metrics = metrics();
    out.inference_content_types = {"application/x-image", "image/jpeg", "image/png", "application/json"};
    out.accept_types = {"application/json", "application/jsonlines"};
    out.default_content_type = "application/x-image";
    out.default_accept = "application/json";
    out.batch_strategy = "SINGLE_RECORD";
    return out;
  }();
  return d;
}

}  // namespace clary::image_classification
