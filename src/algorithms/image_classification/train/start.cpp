// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/start.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <optional>

#include "algorithms/image_classification/model/artifact.h"
#include "algorithms/image_classification/model/model.h"
#include "algorithms/image_classification/model/pretrained.h"
#include "base/error.h"
#include "contract/layout.h"
#include "learning/shell/unpacked_folder.h"

namespace clary::image_classification {
namespace {

namespace fs = std::filesystem;

Description description_of(const Hyperparameters& hp) {
  return {.layers = hp.num_layers, .image = hp.image(), .classes = hp.num_classes};
}

/// Files that a job lacks are the user's mistake, as other bad input is.
template <class F>
auto as_client_error(const std::string& what, F&& f) {
  try {
    return f();
  } catch (const Error& error) {
    throw Error(error.kind() == Kind::kNotFound ? Kind::kInvalid : error.kind(), what + error.what());
  }
}

using shell::UnpackedFolder;

bool is_artifact(const UnpackedFolder& folder) {
  return fs::exists(folder.path() / "image-classification-symbol.json");
}

std::string shape_text(const nn::MapShape& s) { return fmt::format("{},{},{}", s.channels, s.height, s.width); }

/// @throws Error{kInvalid} with every difference
void check_same(const Description& old, const Description& wanted) {
  std::vector<std::string> problems;
  const auto compare = [&](const char* name, const auto& had, const auto& wants) {
    if (had != wants) problems.push_back(fmt::format("{} of the model is {}, of the job {}", name, had, wants));
  };
  compare("num_layers", old.layers, wanted.layers);
  compare("image_shape", shape_text(old.image), shape_text(wanted.image));
  compare("num_classes", old.classes, wanted.classes);
  if (!problems.empty())
    throw Error(Kind::kInvalid,
                fmt::format("channel {}: {}; they must agree", kModelChannel, fmt::join(problems, "; ")));
}

Start continued(const Hyperparameters& hp, shell::TrainContext& context) {
  Model model = as_client_error(fmt::format("channel {}: ", kModelChannel), [&] {
    return UnpackedFolder(context.channel(kModelChannel).folder()).read(Model::read);
  });
  check_same(model.description, description_of(hp));
  if (hp.use_pretrained_model)
    context.log().warn("use_pretrained_model has no effect with a channel {}.", kModelChannel);
  if (model.multi_label != hp.multi_label)
    context.log().warn("multi_label of the model in channel {} is {}, of the job {}.", kModelChannel,
                       model.multi_label ? 1 : 0, hp.multi_label ? 1 : 0);
  context.log().info("Training goes on from the model of epoch {} in channel {}.", model.epoch, kModelChannel);
  return {std::move(model.description), std::move(model.parameters), std::move(model.class_names)};
}

/// The weights file of the channel, of the operator's folder, or of a finished job's artifact in the channel.
fs::path weights_file(const Hyperparameters& hp, const std::optional<UnpackedFolder>& channel) {
  if (channel && is_artifact(*channel)) return params_path(channel->path(), load(channel->path()).epoch);
  std::vector<fs::path> folders;
  if (channel) folders.push_back(channel->path());
  if (const char* folder = std::getenv(contract::kEnvPretrained); folder != nullptr && *folder != '\0')
    folders.emplace_back(folder);
  return find_pretrained(hp.num_layers, folders);
}

Start transferred(const Hyperparameters& hp, shell::TrainContext& context) {
  Pretrained found = as_client_error("use_pretrained_model: ", [&] {
    std::optional<UnpackedFolder> channel;
    if (context.has_channel(kPretrainedChannel)) channel.emplace(context.channel(kPretrainedChannel).folder());
    return import_pretrained(weights_file(hp, channel), description_of(hp), context.seed());
  });
  context.log().info("Pretrained weights: {}", found.summary());
  return {std::move(found.description), std::move(found.parameters)};
}

}  // namespace

Start random_start(const Hyperparameters& hp, std::uint64_t seed) {
  Start out{description_of(hp), {}};
  out.parameters = nn::Parameters(resnet(out.description));
  out.parameters.initialise(seed);
  return out;
}

Start starting_point(const Hyperparameters& hp, shell::TrainContext& context) {
  if (context.has_channel(kPretrainedChannel) && !hp.use_pretrained_model)
    context.log().warn("channel {} has an effect with use_pretrained_model=1 only.", kPretrainedChannel);
  if (context.has_channel(kModelChannel)) return continued(hp, context);
  if (hp.use_pretrained_model) return transferred(hp, context);
  return random_start(hp, context.seed());
}

}  // namespace clary::image_classification
