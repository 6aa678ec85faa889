// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/model.h"

#include <fmt/format.h>

#include <cmath>

#include "algorithms/image_classification/model/artifact.h"
#include "algorithms/image_classification/serve/predictions.h"
#include "base/error.h"
#include "learning/nn/predictor.h"

namespace clary::image_classification {
namespace {

constexpr const char *kClassNames = "class_names", *kMetrics = "metrics", *kHyperparameters = "hyperparameters",
                     *kResize = "resize", *kPreprocess = "inference_preprocess", *kCalibration = "calibration";
constexpr std::int64_t kMaxResize = 8192;

[[noreturn]] void malformed(const std::string& rule) { throw Error(Kind::kMalformed, "model.json: " + rule); }

std::vector<std::string> class_names_of(const Json& metadata, std::int64_t classes) {
  std::vector<std::string> out;
  const Json names = metadata.value(kClassNames, Json::array());
  if (!names.is_array() || (!names.empty() && std::ssize(names) != classes))
    malformed(fmt::format("class_names is not a list of {} names", classes));
  for (const Json& name : names) {
    if (!name.is_string()) malformed("class_names holds something else than text");
    out.push_back(name.get<std::string>());
  }
  return out;
}

std::optional<std::int64_t> resize_of(const Json& metadata) {
  const Json resize = metadata.value(kResize, Json());
  if (resize.is_null()) return std::nullopt;
  const auto pixels = exact_integer(resize);
  if (!pixels || *pixels < 1 || *pixels > kMaxResize)
    malformed(fmt::format("resize is {}, must be an integer from 1 to {}", dump_json(resize), kMaxResize));
  return pixels;
}

Preprocess preprocess_of(const Json& metadata) {
  const Json word = metadata.value(kPreprocess, Json("stretch"));
  if (word == "stretch") return Preprocess::kStretch;
  if (word == "resize_crop") return Preprocess::kResizeCrop;
  malformed(fmt::format("{} is {}, must be \"stretch\" or \"resize_crop\"", kPreprocess, dump_json(word)));
}

/// All maps that int8 has, or none. @throws Error{kMalformed}
std::map<std::string, float> calibration_of(const Json& metadata, const nn::Graph& graph) {
  std::map<std::string, float> out;
  const Json values = metadata.value(kCalibration, Json());
  if (values.is_null()) return out;
  if (!values.is_object()) malformed("calibration is no object");
  const std::vector<bool> needed = nn::integer_maps(graph);
  for (std::size_t i = 0; i < needed.size(); ++i) {
    if (!needed[i]) continue;
    const std::string& name = graph.ops[i].name;
    const Json value = values.value(name, Json());
    const float number = value.is_number() ? value.get<float>() : -1;
    if (!std::isfinite(number) || number < 0)
      malformed(fmt::format("calibration: {} is {:.100}, must be a number of at least 0", name, dump_json(value)));
    out[name] = number;
  }
  if (values.size() != out.size())
    malformed(fmt::format("calibration has {} maps, the network {}", values.size(), out.size()));
  return out;
}

Json object_of(const Json& metadata, const char* name) {
  const Json value = metadata.value(name, Json::object());
  return value.is_object() ? value : Json::object();
}

}  // namespace

void Model::save(const std::filesystem::path& dir) const {
  Json metadata{{kClassNames, class_names},
                {kMetrics, metrics},
                {kHyperparameters, hyperparameters},
                {kPreprocess, preprocess == Preprocess::kStretch ? "stretch" : "resize_crop"}};
  if (resize) metadata[kResize] = *resize;
  if (!calibration.empty()) metadata[kCalibration] = calibration;
  image_classification::save(dir, description, parameters,
                             {.epoch = epoch,
                              .batch = batch_size,
                              .loss = multi_label ? nn::Loss::kLogistic : nn::Loss::kSoftmax,
                              .metadata = std::move(metadata)});
}

std::filesystem::path Model::save_parameters(const std::filesystem::path& dir) const {
  return image_classification::save_parameters(dir, description, parameters, epoch);
}

Model Model::read(const std::filesystem::path& dir) {
  LoadedModel loaded = image_classification::load(dir);
  const Json metadata = loaded.metadata.is_object() ? std::move(loaded.metadata) : Json::object();
  Model out;
  out.description = std::move(loaded.description);
  out.parameters = std::move(loaded.parameters);
  out.multi_label = loaded.loss == nn::Loss::kLogistic;
  out.epoch = loaded.epoch;
  out.resize = resize_of(metadata);
  out.preprocess = preprocess_of(metadata);
  out.class_names = class_names_of(metadata, out.description.classes);
  out.calibration = calibration_of(metadata, resnet(out.description));
  out.metrics = object_of(metadata, kMetrics);
  out.hyperparameters = object_of(metadata, kHyperparameters);
  return out;
}

Model Model::load(const std::filesystem::path& dir) {
  Model out = read(dir);
  out.predictions_ = std::make_shared<const Predictions>(out, serve_options_from_environment(out.preprocess));
  out.parameters = {};  // the predictor has its own
  return out;
}

void Model::check_finite(const shell::FiniteCheck& check) const {
  for (const nn::Parameter& p : parameters.list()) check.array(p.name, parameters.of(p));
}

}  // namespace clary::image_classification
