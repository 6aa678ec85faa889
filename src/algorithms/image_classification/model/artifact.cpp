// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/artifact.h"

#include <fmt/format.h>

#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "algorithms/image_classification/model/arrays.h"
#include "algorithms/image_classification/model/onnx_form.h"
#include "algorithms/image_classification/model/symbol_form.h"
#include "algorithms/image_classification/model/topology_text.h"
#include "algorithms/image_classification/model/weight_map.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/safetensors.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kPrefix = "image-classification-", kParams = ".params";
constexpr const char *kSymbol = "image-classification-symbol.json", *kShapes = "model-shapes.json",
                     *kMetadata = "model.json", *kOnnx = "model.onnx", *kSafetensors = "model.safetensors";
constexpr const char* kBestEpoch = "best_epoch";
constexpr int kFormat = 1;  // of model.json
constexpr std::uint64_t kMaxTextBytes = 16 << 20;

/// model.json: what the network is, over what the caller says about it.
Json metadata_of(const Description& d, const SaveOptions& options) {
  Json out = options.metadata;
  out["format"] = kFormat;
  out["algorithm"] = "image-classification";
  out["num_layers"] = d.layers;
  out["num_classes"] = d.classes;
  out["image_shape"] = {d.image.channels, d.image.height, d.image.width};
  out["multi_label"] = options.loss == nn::Loss::kLogistic;
  out["family"] = stages_of(d.layers, d.image.height).widths.size() == 3 ? "small" : "large";
  out[kTopologyKey] = topology_json(d.topology);
  out[kBestEpoch] = options.epoch;
  return out;
}

void write_params(const fs::path& path, const nn::Graph& graph, const nn::Parameters& parameters) {
  const NamedParameters named(graph, parameters, Prefix::kMxnet);
  artifact::write_file_in_pieces(path,
                                 [&](const artifact::ByteSink& sink) { artifact::write_arrays(named.list(), sink); });
}

void write_safetensors(const fs::path& path, const nn::Graph& graph, const nn::Parameters& parameters,
                       const Json& metadata) {
  const NamedParameters named(graph, parameters, Prefix::kNone);
  artifact::write_file_in_pieces(path, [&](const artifact::ByteSink& sink) {
    artifact::write_safetensors(named.list(), {{kTopologyKey, dump_json(metadata[kTopologyKey])}}, sink);
  });
}

/// 10 for image-classification-0010.params
std::optional<std::int64_t> epoch_of(const fs::path& file) {
  const std::string name = file.filename().string();
  if (!name.starts_with(kPrefix) || !name.ends_with(kParams)) return std::nullopt;
  const std::string_view number =
      std::string_view(name).substr(kPrefix.size(), name.size() - kPrefix.size() - kParams.size());
  std::int64_t epoch = 0;
  const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), epoch);
  if (error != std::errc() || end != number.data() + number.size() || epoch < 0) return std::nullopt;
  return epoch;
}

Json read_metadata(const fs::path& dir) {
  std::error_code error;
  if (!fs::exists(dir / kMetadata, error)) return nullptr;
  Json out = parse_json(read_file(dir / kMetadata, kMaxTextBytes));
  if (!out.is_object()) throw Error(Kind::kMalformed, "model.json is no object");
  return out;
}

struct ParamsFile {
  fs::path path;
  std::int64_t epoch = -1;
};

ParamsFile choose_params(const fs::path& dir, const Json& metadata) {
  ParamsFile last, best;
  const auto named = metadata.is_object() ? exact_integer(metadata.value(kBestEpoch, Json())) : std::nullopt;
  std::error_code error;
  for (fs::directory_iterator it(dir, error), end; !error && it != end; it.increment(error)) {
    const auto epoch = epoch_of(it->path());
    if (!epoch) continue;
    if (*epoch > last.epoch) last = {it->path(), *epoch};
    if (epoch == named) best = {it->path(), *epoch};
  }
  if (last.epoch < 0)
    throw Error(
        Kind::kNotFound,
        fmt::format("{} holds no image-classification-NNNN.params: not a model of image-classification", dir.string()));
  return best.epoch >= 0 ? best : last;
}

std::string read_part(const fs::path& dir, const char* name) {
  std::error_code error;
  if (!fs::exists(dir / name, error))
    throw Error(Kind::kNotFound,
                fmt::format("{} holds no {}: not a model of image-classification", dir.string(), name));
  return read_file(dir / name, kMaxTextBytes);
}

/// The network's size follows from its depth but for the number of classes, which is compared with the arrays that are
/// there before anything is allocated.
nn::Parameters read_params(const fs::path& path, const Description& description) {
  const artifact::MappedFile file(path);
  const auto views = artifact::view_arrays(file.bytes());
  WeightMap weights;
  for (const artifact::TensorView& view : views)
    if (view.name.starts_with("arg:") || view.name.starts_with("aux:")) weights.arrays[view.name.substr(4)] = &view;
  const auto head = weights.arrays.find(description.head + "_weight");
  if (head == weights.arrays.end() || head->second->shape.empty() || head->second->shape[0] != description.classes)
    throw Error(Kind::kMalformed, fmt::format("it has no {:.100}_weight of {} classes, which the symbol names",
                                              description.head, description.classes));
  const nn::Graph graph = resnet(description);
  nn::Parameters out(graph);
  fill(weights, graph, out, true);
  return out;
}

}  // namespace

fs::path params_path(const fs::path& dir, std::int64_t epoch) {
  return dir / fmt::format("{}{:04}{}", kPrefix, epoch, kParams);
}

void save(const fs::path& dir, const Description& description, const nn::Parameters& parameters,
          const SaveOptions& options) {
  const nn::Graph graph = resnet(description);
  const Json metadata = metadata_of(description, options);
  write_params(params_path(dir, options.epoch), graph, parameters);
  write_file_atomically(dir / kSymbol, symbol_json(graph, options.loss));
  write_file_atomically(dir / kShapes, model_shapes(options.batch, description.image));
  write_file_atomically(dir / kMetadata, dump_json(metadata));
  artifact::write_file_in_pieces(
      dir / kOnnx, [&](const artifact::ByteSink& sink) { write_onnx(graph, parameters, options.loss, sink); });
  if (options.safetensors) write_safetensors(dir / kSafetensors, graph, parameters, metadata);
}

fs::path save_parameters(const fs::path& dir, const Description& description, const nn::Parameters& parameters,
                         std::int64_t epoch) {
  const fs::path path = params_path(dir, epoch);
  write_params(path, resnet(description), parameters);
  return path;
}

void remove_parameters(const fs::path& dir, std::int64_t epoch) { fs::remove(params_path(dir, epoch)); }

LoadedModel load(const fs::path& dir) {
  LoadedModel out;
  out.metadata = read_metadata(dir);
  const ParamsFile params = choose_params(dir, out.metadata);
  const auto described =
      describe_symbol(artifact::read_symbol(read_part(dir, kSymbol)), read_model_shapes(read_part(dir, kShapes)));
  out.description = described.description;
  out.loss = described.loss;
  out.epoch = params.epoch;
  try {
    out.parameters = read_params(params.path, out.description);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", params.path.filename().string(), error.what()));
  }
  return out;
}

}  // namespace clary::image_classification
