// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/hyperparameters.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

#include "base/text.h"

namespace clary::image_classification {
namespace {

using H = Hyperparameters;

constexpr std::int64_t kMaxEdge = 8192, kMaxClasses = 1'000'000;

std::optional<nn::MapShape> parsed_shape(std::string_view text) {
  std::vector<std::int64_t> numbers;
  for (const std::string_view part : split(text, ',')) {
    const std::string_view digits = trimmed(part);
    std::int64_t value = 0;
    const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (error != std::errc() || end != digits.data() + digits.size() || numbers.size() == 3) return std::nullopt;
    numbers.push_back(value);
  }
  if (numbers.size() != 3) return std::nullopt;
  const nn::MapShape shape{numbers[0], numbers[1], numbers[2]};
  const auto fits = [](std::int64_t edge) { return edge >= 1 && edge <= kMaxEdge; };
  if ((shape.channels != 1 && shape.channels != 3) || !fits(shape.height) || !fits(shape.width)) return std::nullopt;
  return shape;
}

hyper::Read<std::string> read_shape(std::string_view text) {
  const auto shape = parsed_shape(text);
  if (!shape)
    return {hyper::Verdict::kOutside, "",
            fmt::format("must have the form 'channels,height,width' with 1 or 3 channels and edges from 1 to {}",
                        kMaxEdge)};
  return {hyper::Verdict::kTaken, fmt::format("{},{},{}", shape->channels, shape->height, shape->width)};
}

std::vector<hyper::Field<H>> fields() {
  using optim::Rule;
  using vision::Augmentation;
  using namespace hyper;  // NOLINT: the table below is made of its words
  const auto zero_or_one = [](const char* name, bool H::*member) {
    return categorical(name, member, {{"0", false}, {"1", true}});
  };
  std::vector<Field<H>> out{
      integer("num_classes", &H::num_classes, 1, kMaxClasses).required().about("Classes of the data."),
      integer("num_training_samples", &H::num_training_samples, 1)
          .required()
          .about(
              "Pictures of the train channel; a number that differs from those found by more than 1 % is warned of."),
      categorical("augmentation_type", &H::augmentation_type,
                  {{"crop", Augmentation::kCrop},
                   {"crop_color", Augmentation::kCropColor},
                   {"crop_color_transform", Augmentation::kCropColorTransform}})
          .about("Random changes of training pictures: crop and mirror; hue, saturation and lightness, too; rotation, "
                 "shear and aspect, too. None without it."),
      continuous("beta_1", &H::beta_1, 0, 1).tunable(1e-6, 0.999).about("Adam: decay of the first moment."),
      continuous("beta_2", &H::beta_2, 0, 1).tunable(1e-6, 0.999).about("Adam: decay of the second moment."),
      integer("checkpoint_frequency", &H::checkpoint_frequency, 1)
          .about("Epochs between the models that are kept, all of them in the artifact; without it only the best is."),
      categorical("early_stopping", &H::early_stopping, {{"True", true}, {"False", false}})
          .about("Stop when the validation accuracy no longer improves."),
      integer("early_stopping_min_epochs", &H::early_stopping_min_epochs, 1)
          .about("Epochs before training may be stopped early."),
      integer("early_stopping_patience", &H::early_stopping_patience, 1)
          .about("Epochs without improvement after which training stops."),
      continuous("early_stopping_tolerance", &H::early_stopping_tolerance, 0, 1)
          .about("An improvement is at least this part of the best accuracy."),
      integer("epochs", &H::epochs, 1).about("Passes over the training pictures."),
      continuous("eps", &H::eps, 0, 1).tunable(1e-8, 1.0).about("Adam and RMSProp: added to the divisor."),
      continuous("gamma", &H::gamma, 0, 1).tunable(1e-8, 0.999).about("RMSProp: decay of the mean square."),
      formed_text("image_shape", &H::image_shape, read_shape)
          .about("What the network reads: \"channels,height,width\". Other pictures are resized and cropped to it."),
      one_of("kv_store", &H::kv_store, {"dist_sync", "dist_async"})
          .about("How several instances exchange gradients; dist_async is run as dist_sync."),
      continuous("learning_rate", &H::learning_rate, 0, 1)
          .tunable(1e-6, 0.5, Scaling::kLogarithmic)
          .about("Rate at the start."),
      continuous("lr_scheduler_factor", &H::lr_scheduler_factor, 0, 1)
          .about("The rate is multiplied by it at each of lr_scheduler_step."),
      integer_list("lr_scheduler_step", &H::lr_scheduler_step, 1)
          .about("Epochs after which the rate falls, \"10,20\"; never without it."),
      integer("mini_batch_size", &H::mini_batch_size, 1, 1'000'000)
          .tunable(8, 512)
          .about("Pictures per update, on each instance."),
      continuous("momentum", &H::momentum, 0, 1).tunable(0, 0.999).about("Of sgd and nag."),
      zero_or_one("multi_label", &H::multi_label)
          .about("1: a picture has any number of classes; its label is a vector of 0 and 1."),
      categorical("num_layers", &H::num_layers,
                  {{"18", 18},
                   {"34", 34},
                   {"50", 50},
                   {"101", 101},
                   {"152", 152},
                   {"200", 200},
                   {"20", 20},
                   {"32", 32},
                   {"44", 44},
                   {"56", 56},
                   {"110", 110}})
          .about("Depth of the residual network; the last five are the narrow networks for small pictures."),
      categorical(
          "optimizer", &H::optimizer,
          {{"sgd", Rule::kMomentum}, {"adam", Rule::kAdam}, {"rmsprop", Rule::kRmsprop}, {"nag", Rule::kNesterov}})
          .tunable()
          .about("Update rule."),
      categorical("precision_dtype", &H::float16, {{"float32", false}, {"float16", true}})
          .about("float16: bfloat16 with float32 weights in the optimizer where the CPU multiplies it, else float32."),
      integer("resize", &H::resize, 1, kMaxEdge)
          .about("Pixels of the shorter side before the crop; without it pictures are cropped as they are."),
      integer("top_k", &H::top_k, 2).about("Reports also how often the class is among the k most probable."),
      zero_or_one("use_pretrained_model", &H::use_pretrained_model)
          .about("1: start from weights trained on other pictures (README.md: where they are looked for)."),
      zero_or_one("use_weighted_loss", &H::use_weighted_loss)
          .about("1, with multi_label: rare labels weigh more in the loss."),
      continuous("weight_decay", &H::weight_decay, 0, 1).tunable(0, 0.999).about("Of sgd and nag."),
      ignored<H>("_tuning_objective_metric"),
      ignored<H>("_kvstore"),
      ignored<H>("_num_gpus"),
      ignored<H>("_num_kv_servers")};
  return out;
}

std::vector<hyper::Rule<H>> rules() {
  return {{"top_k must be below num_classes",
           [](const H& hp) { return !hp.top_k || hp.multi_label || *hp.top_k < hp.num_classes; }},
          {"checkpoint_frequency must not exceed epochs",
           [](const H& hp) { return !hp.checkpoint_frequency || *hp.checkpoint_frequency <= hp.epochs; }}};
}

}  // namespace

nn::MapShape Hyperparameters::image() const { return parsed_shape(image_shape).value_or(nn::MapShape{}); }

const char* Hyperparameters::optimizer_name() const {
  switch (optimizer) {
    case optim::Rule::kAdam:
      return "adam";
    case optim::Rule::kRmsprop:
      return "rmsprop";
    case optim::Rule::kNesterov:
      return "nag";
    default:
      return "sgd";
  }
}

const Schema<Hyperparameters>& schema() {
  static const Schema<H> s{"image-classification", fields(), rules(), hyper::Dialect::kValidationError};
  return s;
}

}  // namespace clary::image_classification
