// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/pretrained.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string_view>
#include <utility>

#include "algorithms/image_classification/model/onnx_form.h"
#include "algorithms/image_classification/model/symbol_form.h"
#include "algorithms/image_classification/model/topology_text.h"
#include "algorithms/image_classification/model/weight_map.h"
#include "base/error.h"
#include "base/files.h"
#include "base/hash.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/onnx_file.h"
#include "learning/artifact/safetensors.h"
#include "learning/artifact/torch_file.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

namespace fs = std::filesystem;
using artifact::TensorView;

constexpr std::array<std::string_view, 5> kEndings{".safetensors", ".pth", ".pt", ".onnx", ".params"};
constexpr std::string_view kArtifact = "image-classification-";
constexpr std::uint64_t kMaxSymbolBytes = 16 << 20;

/// "resnet-50-0000.params", "resnet50-0676ba61.pth", "resnet50_v2-7.onnx", "resnet-v2-50.safetensors" for 50.
bool names_depth(std::string_view name, std::int64_t layers) {
  constexpr std::string_view kStart = "resnet";
  if (!name.starts_with(kStart)) return false;
  name.remove_prefix(kStart.size());
  for (const std::string_view version : {"-v1-", "-v2-", "_v1_", "_v2_", "-", "_"})
    if (name.starts_with(version)) {
      name.remove_prefix(version.size());
      break;
    }
  const std::string number = std::to_string(layers);
  if (!name.starts_with(number)) return false;
  name.remove_prefix(number.size());
  return name.empty() || std::isdigit(static_cast<unsigned char>(name.front())) == 0;
}

bool is_candidate(const fs::path& file, std::int64_t layers) {
  const std::string name = file.filename().string(), ending = file.extension().string();
  if (std::ranges::find(kEndings, ending) == kEndings.end()) return false;
  return names_depth(file.stem().string(), layers) || (name.starts_with(kArtifact) && ending == ".params");
}

std::vector<fs::path> candidates_in(const fs::path& folder, std::int64_t layers) {
  std::vector<fs::path> out;
  std::error_code error;
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->is_regular_file(error) && is_candidate(it->path(), layers)) out.push_back(it->path());
  std::ranges::sort(out);
  return out;
}

using Arrays = std::map<std::string, const TensorView*>;

/// How a source names the parameters of this algorithm's networks.
struct Naming {
  std::string source;
  Topology topology;
  bool normalised_input = false;
  std::function<std::string(const std::string& op, std::string_view suffix)>
      name_of;  // "conv0", "weight" -> in the file
};

/// "stage2_unit3_bn1" -> 2, 3, "bn1"; nothing for an operation outside the stages.
struct UnitPart {
  std::int64_t stage = 0, unit = 0;
  std::string part;
};
std::optional<UnitPart> unit_part(const std::string& op) {
  UnitPart out;
  char part[16] = {};
  long long stage = 0, unit = 0;
  if (std::sscanf(op.c_str(), "stage%lld_unit%lld_%15s", &stage, &unit, part) != 3) return std::nullopt;
  return UnitPart{stage, unit, part};
}

std::string torch_suffix(std::string_view suffix) {
  if (suffix == "gamma") return "weight";
  if (suffix == "beta") return "bias";
  if (suffix == "moving_mean") return "running_mean";
  if (suffix == "moving_var") return "running_var";
  return std::string(suffix);
}

std::string torchvision_name(const std::string& op, std::string_view suffix) {
  const std::string end = "." + torch_suffix(suffix);
  const auto in_unit = unit_part(op);
  if (!in_unit) return (op == "conv0" ? "conv1" : op == "bn0" ? "bn1" : op == "bn_data" ? "bn_data" : "fc") + end;
  const std::string part = in_unit->part == "conv1sc" ? "downsample.0"
                           : in_unit->part == "sc"    ? "downsample.1"
                                                      : in_unit->part;
  return fmt::format("layer{}.{}.{}", in_unit->stage, in_unit->unit - 1, part) + end;
}

std::string gluon_name(const std::string& op, std::string_view suffix) {
  constexpr std::int64_t kBeforeStages = 4;  // features.5 is stage 1
  std::string end(".");
  end += suffix == "moving_mean" ? "running_mean" : suffix == "moving_var" ? "running_var" : suffix;
  static const std::map<std::string, std::string> kOutside{
      {"bn_data", "features.0"}, {"conv0", "features.1"}, {"bn0", "features.2"}, {"bn1", "features.9"}};
  const auto in_unit = unit_part(op);
  if (in_unit)
    return fmt::format("features.{}.{}.{}", in_unit->stage + kBeforeStages, in_unit->unit - 1,
                       in_unit->part == "sc" ? "downsample" : in_unit->part) +
           end;
  const auto outside = kOutside.find(op);
  return (outside == kOutside.end() ? "output" : outside->second) + end;
}

/// The last layer's name in files that name the rest as MXNet's examples do: fc1, fc, newlayer_fc2, ...
std::string mxnet_head(const Arrays& arrays) {
  for (const auto& [name, view] : arrays)
    if (view->shape.size() == 2 && name.ends_with("_weight")) return name.substr(0, name.size() - 7);
  return "fc1";
}

Naming mxnet_naming(const Arrays& arrays) {
  using T = Topology;
  const bool pre = arrays.contains("bn1_gamma");
  const bool every = arrays.contains(pre ? "stage1_unit1_sc_weight" : "stage1_unit1_conv1sc_weight");
  Naming out;
  out.source = pre ? "MXNet ResNet v2" : "MXNet ResNet v1";
  out.topology = {.order = pre ? T::Order::kPreActivation : T::Order::kPostActivation,
                  .projection = every ? T::Projection::kEveryStage : T::Projection::kWhereShapeChanges,
                  .stride_in_first_convolution = !pre};
  out.name_of = [head = mxnet_head(arrays)](const std::string& op, std::string_view suffix) {
    const bool outside = !unit_part(op) && op != "bn_data" && op != "conv0" && op != "bn0" && op != "bn1";
    return fmt::format("{}_{}", outside ? head : op, suffix);
  };
  return out;
}

/// @throws Error{kMalformed} when the names are of no known source
Naming naming_of(const Arrays& arrays) {
  using T = Topology;
  if (arrays.contains("conv0_weight") && arrays.contains("stage1_unit1_conv1_weight")) return mxnet_naming(arrays);
  constexpr float kEpsilon = 1e-5F;
  if (arrays.contains("conv1.weight") && arrays.contains("layer1.0.conv1.weight"))
    return {"torchvision ResNet v1.5",
            {.order = T::Order::kPostActivation, .projection = T::Projection::kWhereShapeChanges, .epsilon = kEpsilon},
            true,
            torchvision_name};
  if (arrays.contains("features.1.weight") && arrays.contains("features.5.0.conv1.weight"))
    return {"Gluon ResNet v2",
            {.order = T::Order::kPreActivation, .projection = T::Projection::kWhereShapeChanges, .epsilon = kEpsilon},
            true,
            gluon_name};
  throw Error(Kind::kMalformed,
              fmt::format("its {} arrays{} are named by none of MXNet, Gluon, torchvision or timm", arrays.size(),
                          arrays.empty() ? "" : fmt::format(" ({:.100}, ...)", arrays.begin()->first)));
}

/// Removes MXNet's "arg:" and "aux:".
Arrays by_name(std::span<const TensorView> views) {
  Arrays out;
  for (const TensorView& view : views) {
    const bool prefixed = view.name.starts_with("arg:") || view.name.starts_with("aux:");
    out[prefixed ? view.name.substr(4) : view.name] = &view;
  }
  return out;
}

/// "resnet-50-0000.params" -> "resnet-50-symbol.json" beside it, when that is there.
std::optional<fs::path> symbol_beside(const fs::path& params) {
  const std::string stem = params.stem().string();
  const std::size_t dash = stem.rfind('-');
  if (dash == std::string::npos) return std::nullopt;
  const fs::path symbol = params.parent_path() / (stem.substr(0, dash) + "-symbol.json");
  std::error_code error;
  return fs::is_regular_file(symbol, error) ? std::optional(symbol) : std::nullopt;
}

/// A file's arrays, and what it says about its network beside them.
struct Contents {
  std::vector<TensorView> views;
  std::optional<Topology> topology;
  std::optional<artifact::OnnxModel> onnx;
};

Contents read_contents(const artifact::MappedFile& file, const Description& wanted) {
  Contents out;
  const std::string ending = file.path().extension().string();
  if (ending == ".safetensors") {
    artifact::Safetensors read = artifact::read_safetensors(file.bytes());
    out.views = std::move(read.arrays);
    const auto topology = read.metadata.find(kTopologyKey);
    if (topology != read.metadata.end()) out.topology = topology_of(parse_json(topology->second));
  } else if (ending == ".onnx") {
    out.onnx = artifact::read_onnx(file.bytes());
  } else if (ending == ".params") {
    out.views = artifact::view_arrays(file.bytes());
    if (const auto symbol = symbol_beside(file.path())) {
      const auto described = describe_symbol(artifact::read_symbol(read_file(*symbol, kMaxSymbolBytes)), wanted.image);
      if (described.description.layers != wanted.layers)
        throw Error(Kind::kMalformed, fmt::format("{} is of {} layers, {} are wanted", symbol->filename().string(),
                                                  described.description.layers, wanted.layers));
      out.topology = described.description.topology;
    }
  } else {
    out.views = artifact::read_torch(file.bytes());
  }
  return out;
}

/// The arrays by this algorithm's parameter names, bn_data's gamma included.
WeightMap named_weights(const Arrays& arrays, const Naming& naming, const nn::Graph& graph,
                        const nn::Parameters& parameters) {
  WeightMap out;
  out.normalised_input = naming.normalised_input;
  const auto add = [&](const std::string& op, const std::string& parameter) {
    const auto found = arrays.find(naming.name_of(op, std::string_view(parameter).substr(op.size() + 1)));
    if (found != arrays.end()) out.arrays[parameter] = found->second;
  };
  for (const nn::Parameter& p : parameters.list()) add(graph.ops[numeric::at(p.op)].name, p.name);
  add("bn_data", "bn_data_gamma");
  return out;
}

bool is_number(const TensorView& view) {
  using E = artifact::ElementType;
  return view.type == E::kFloat32 || view.type == E::kFloat64 || view.type == E::kFloat16 || view.type == E::kBFloat16;
}

/// Arrays that were not taken. Only the last layer, fixed gammas and counters may be left: anything else means that the
/// file's network does something that this one does not.
std::vector<std::string> left_over(std::span<const TensorView> views, const WeightMap& weights, const std::string& head,
                                   bool head_taken) {
  std::set<const TensorView*> used;
  std::vector<std::string> out;
  for (const auto& [parameter, view] : weights.arrays) {
    const bool of_head = parameter.starts_with(head + "_");
    if ((!of_head || head_taken) && parameter != "bn_data_gamma") used.insert(view);
    if ((of_head && !head_taken) || parameter == "bn_data_gamma") {
      used.insert(view);
      out.push_back(view->name);
    }
  }
  for (const TensorView& view : views) {
    if (used.contains(&view)) continue;
    if (is_number(view) && view.size() > 1)
      throw Error(Kind::kMalformed, fmt::format("{:.200} has no place in this network", view.name));
    out.push_back(view.name);
  }
  return out;
}

class Importer {
 public:
  Importer(const artifact::MappedFile& file, const Description& wanted, std::uint64_t seed, Head head)
      : contents_(read_contents(file, wanted)), seed_(seed), head_(head) {
    out_.description = wanted;
  }

  Pretrained run() && {
    if (contents_.onnx) {
      import_onnx();
    } else {
      import_names();
    }
    return std::move(out_);
  }

 private:
  void import_names() {
    const Arrays arrays = by_name(contents_.views);
    const Naming naming = naming_of(arrays);
    out_.source = naming.source;
    out_.description.topology = contents_.topology.value_or(naming.topology);
    make();
    const WeightMap weights = named_weights(arrays, naming, graph_, out_.parameters);
    finish(weights, contents_.views);
  }

  void import_onnx() {
    auto match = match_onnx(*contents_.onnx, out_.description);
    if (!match)
      throw Error(Kind::kMalformed,
                  fmt::format("the graph is that of no residual network of {} layers", out_.description.layers));
    const bool pre = match->topology.order == Topology::Order::kPreActivation;
    out_.source = fmt::format("ONNX ResNet {}", pre                                           ? "v2"
                                                : match->topology.stride_in_first_convolution ? "v1"
                                                                                              : "v1.5");
    out_.description.topology = match->topology;
    make();
    // Networks read by structure have no other arrays that matter: every operation has been matched.
    finish(match->weights, {});
  }

  void make() {
    graph_ = resnet(out_.description);
    out_.parameters = nn::Parameters(graph_);
    out_.parameters.initialise(seed_);
  }

  void finish(const WeightMap& weights, std::span<const TensorView> views) {
    const std::string& head = out_.description.head;
    const auto weight = weights.arrays.find(head + "_weight");
    const bool with_head = head_ == Head::kFromFileIfFits && weight != weights.arrays.end() &&
                           !weight->second->shape.empty() && weight->second->shape[0] == out_.description.classes;
    out_.taken = fill(weights, graph_, out_.parameters, with_head);
    out_.left = left_over(views, weights, head, with_head);
  }

  Contents contents_;  // views into the file, which outlives this
  std::uint64_t seed_;
  Head head_;
  nn::Graph graph_;
  Pretrained out_;
};

std::string sha256_of(std::span<const std::byte> bytes) {
  Hasher hasher(Digest::kSha256);
  hasher.update(bytes);
  return to_hex(hasher.finish());
}

}  // namespace

std::string how_to_get_pretrained(std::int64_t layers) {
  // Those of torchvision and of ONNX's zoo; timm has 200, too.
  constexpr std::array<std::int64_t, 5> kPublished{18, 34, 50, 101, 152};
  if (std::ranges::find(kPublished, layers) == kPublished.end())
    return fmt::format("For example, {}the artifact of an earlier job",
                       layers == 200 ? "timm (resnet200, model.safetensors as resnet-200.safetensors) or " : "");
  return fmt::format(
      "For example, where Python has torchvision: python3 -c \"import torch, torchvision; "
      "torch.save(torchvision.models.resnet{0}(weights='DEFAULT').state_dict(), 'resnet-{0}.pth')\"; or ONNX's model "
      "zoo "
      "(resnet{0}-v2-7.onnx), timm (resnet{0}, model.safetensors as resnet-{0}.safetensors), or the artifact of an "
      "earlier job",
      layers);
}

fs::path find_pretrained(std::int64_t layers, std::span<const fs::path> folders) {
  std::vector<std::string> places;
  for (const fs::path& folder : folders) {
    const auto found = candidates_in(folder, layers);
    if (found.size() == 1) return found.front();
    if (!found.empty()) {
      std::vector<std::string> names;
      for (const fs::path& one : found) names.push_back(one.filename().string());
      throw Error(Kind::kInvalid,
                  fmt::format("{} holds several files with weights of a ResNet of {} layers: {}. Leave one",
                              folder.string(), layers, fmt::join(names, ", ")));
    }
    places.push_back(folder.string());
  }
  throw Error(
      Kind::kNotFound,
      fmt::format("no pretrained weights of a ResNet of {0} layers: looked for resnet-{0}* and resnet{0}* ending in "
                  "{1} in {2}. {3}",
                  layers, fmt::join(kEndings, ", "),
                  places.empty() ? "no folder (none is configured)" : fmt::format("{}", fmt::join(places, ", ")),
                  how_to_get_pretrained(layers)));
}

std::string Pretrained::summary() const {
  constexpr std::size_t kShown = 3;
  const std::vector<std::string> some(left.begin(),
                                      left.begin() + static_cast<std::ptrdiff_t>(std::min(left.size(), kShown)));
  return fmt::format(
      "{} (sha256 {}): {}; {} arrays taken, {} left{}", file.string(), sha256, source, taken, left.size(),
      left.empty() ? "" : fmt::format(" ({}{})", fmt::join(some, ", "), left.size() > kShown ? ", ..." : ""));
}

Pretrained import_pretrained(const fs::path& path, const Description& wanted, std::uint64_t seed, Head head) {
  const artifact::MappedFile file(path);
  try {
    Pretrained out = Importer(file, wanted, seed, head).run();
    out.file = path;
    out.sha256 = sha256_of(file.bytes());
    return out;
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", path.string(), error.what()));
  }
}

}  // namespace clary::image_classification
