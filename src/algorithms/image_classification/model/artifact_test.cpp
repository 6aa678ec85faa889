// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/artifact.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <map>
#include <set>

#include "algorithms/image_classification/model/arrays.h"
#include "algorithms/image_classification/model/symbol_form.h"
#include "algorithms/image_classification/model/topology_text.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/onnx_file.h"
#include "learning/artifact/safetensors.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    return error.what();
  }
  return "accepted";
}

Description small() { return {.layers = 20, .image = {3, 20, 24}, .classes = 5}; }

/// Every number different, statistics too.
nn::Parameters random_parameters(const nn::Graph& graph, std::uint64_t seed = 1) {
  nn::Parameters out(graph);
  out.initialise(seed);
  float next = 0.25F;
  for (const nn::Parameter& p : out.list())
    if (p.role != nn::Role::kWeight)
      for (float& x : out.of(p)) x = (next += 0.001F);
  return out;
}

void expect_equal(const nn::Parameters& a, const nn::Parameters& b) {
  ASSERT_EQ(a.list().size(), b.list().size());
  EXPECT_TRUE(std::ranges::equal(a.values(), b.values()));
  EXPECT_TRUE(std::ranges::equal(a.statistics(), b.statistics()));
}

DescribedSymbol described(const Json& symbol, nn::MapShape image) {
  return describe_symbol(artifact::read_symbol(dump_json(symbol)), image);
}

TEST(SymbolForm, IsTheServicesNodeByNode) {
  const Json json =
      parse_json(symbol_json(resnet({.layers = 18, .image = {3, 224, 224}, .classes = 257}), nn::Loss::kSoftmax));
  const Json& nodes = json["nodes"];
  ASSERT_EQ(nodes.size(), 172U);  // as in files of the service
  std::vector<std::string> names;
  for (const Json& node : nodes) names.push_back(node["name"]);
  EXPECT_THAT(std::vector(names.begin(), names.begin() + 16),
              ElementsAre("data", "bn_data_gamma", "bn_data_beta", "bn_data_moving_mean", "bn_data_moving_var",
                          "bn_data", "conv0_weight", "conv0", "bn0_gamma", "bn0_beta", "bn0_moving_mean",
                          "bn0_moving_var", "bn0", "relu0", "pooling0", "stage1_unit1_bn1_gamma"));
  EXPECT_THAT(
      std::vector(names.begin() + 20, names.begin() + 34),
      ElementsAre("stage1_unit1_relu1", "stage1_unit1_conv1_weight", "stage1_unit1_conv1", "stage1_unit1_bn2_gamma",
                  "stage1_unit1_bn2_beta", "stage1_unit1_bn2_moving_mean", "stage1_unit1_bn2_moving_var",
                  "stage1_unit1_bn2", "stage1_unit1_relu2", "stage1_unit1_conv2_weight", "stage1_unit1_conv2",
                  "stage1_unit1_sc_weight", "stage1_unit1_sc", "_plus0"));
  EXPECT_THAT(std::vector(names.end() - 14, names.end()),
              ElementsAre("_plus7", "bn1_gamma", "bn1_beta", "bn1_moving_mean", "bn1_moving_var", "bn1", "relu1",
                          "pool1", "flatten0", "fc1_weight", "fc1_bias", "fc1", "softmax_label", "softmax"));
  std::map<std::string, Json> by_name;
  for (const Json& node : nodes) by_name[node["name"]] = node;
  EXPECT_EQ(by_name["conv0"]["attrs"], (Json{{"kernel", "(7, 7)"},
                                             {"no_bias", "True"},
                                             {"num_filter", "64"},
                                             {"pad", "(3, 3)"},
                                             {"stride", "(2, 2)"},
                                             {"workspace", "256"}}));
  EXPECT_FALSE(by_name["stage2_unit1_sc"]["attrs"].contains("pad"));
  EXPECT_EQ(by_name["stage2_unit1_sc_weight"]["attrs"], by_name["stage2_unit1_sc"]["attrs"]);
  EXPECT_EQ(by_name["bn_data"]["attrs"], (Json{{"eps", "2e-05"}, {"fix_gamma", "True"}, {"momentum", "0.9"}}));
  EXPECT_EQ(by_name["bn0_moving_var"]["attrs"]["__init__"], R"(["one", {}])");
  EXPECT_EQ(by_name["bn0"]["inputs"], Json({{7, 0, 0}, {8, 0, 0}, {9, 0, 0}, {10, 0, 1}, {11, 0, 1}}));
  EXPECT_EQ(by_name["softmax"]["op"], "SoftmaxOutput");
  EXPECT_EQ(json["heads"], Json::array({Json({171, 0, 0})}));
  EXPECT_EQ(json["node_row_ptr"].back(), 172 + 2 * 19 + 1) << "19 batch norms of 3 outputs, a maximum of 2";
  EXPECT_EQ(json["attrs"]["mxnet_version"], Json({"int", 10300}));
}

TEST(SymbolForm, EveryNetworkIsFoundAgain) {
  using T = Topology;
  for (const std::int64_t layers : {18, 34, 50, 101, 152, 200, 20, 32, 44, 56, 110})
    for (const std::int64_t edge : {28, 32, 224}) {
      for (const auto order : {T::Order::kPreActivation, T::Order::kPostActivation}) {
        SCOPED_TRACE(fmt::format("{} layers, {} pixels, {}", layers, edge, static_cast<int>(order)));
        Description d{.layers = layers, .image = {3, edge, edge + 8}, .classes = 7};
        d.head = "newlayer_fc2";
        d.topology.order = order;
        if (order == T::Order::kPostActivation) d.topology.projection = T::Projection::kWhereShapeChanges;
        d.topology.epsilon = order == T::Order::kPreActivation ? 2e-5F : 1e-5F;
        const auto found = describe_symbol(artifact::read_symbol(symbol_json(resnet(d), nn::Loss::kLogistic)), d.image);
        EXPECT_EQ(found.description, d);
        EXPECT_EQ(found.loss, nn::Loss::kLogistic);
      }
    }
  // A bottleneck's first stage is wider than the stem: both projections are one network.
  Description d{.layers = 18, .image = {1, 64, 96}, .classes = 2};
  d.topology.projection = T::Projection::kWhereShapeChanges;
  EXPECT_EQ(described(parse_json(symbol_json(resnet(d), nn::Loss::kSoftmax)), d.image).description, d);
  d.layers = 50;
  d.topology = {T::Order::kPostActivation, T::Projection::kWhereShapeChanges, true, 2e-5F};
  EXPECT_EQ(described(parse_json(symbol_json(resnet(d), nn::Loss::kSoftmax)), d.image).description, d);
}

/// The same graph as MXNet 0.8 wrote it, with the copy of the input that 1.3 adds.
Json in_old_dialect(const Json& symbol) {
  Json out = symbol;
  Json nodes = Json::array();
  for (const Json& node : symbol["nodes"]) {
    Json old = node;
    old.erase("attrs");
    Json attributes = node.value("attrs", Json::object());
    for (auto& [name, value] : attributes.items()) {
      std::string text = value;
      std::erase(text, ' ');
      value = text;
    }
    if (node["op"] != "null") old[nodes.size() % 2 == 0 ? "attr" : "param"] = attributes;
    for (Json& input : old["inputs"]) {
      input = {input[0].get<int>() == 0 ? 1 : input[0].get<int>() + 1, 0};
    }
    if (node["op"] == "Convolution") old[nodes.size() % 2 == 0 ? "attr" : "param"]["dilate"] = "(1,1)";
    nodes.push_back(old);
    if (node["name"] == "data") nodes.push_back({{"op", "_copy"}, {"name", "id"}, {"inputs", {{0, 0}}}});
  }
  out["nodes"] = nodes;
  out["heads"] = {{nodes.size() - 1, 0}};
  return out;
}

TEST(SymbolForm, OldDialectsAreRead) {
  Description d{.layers = 50, .image = {3, 180, 320}, .classes = 4};
  d.head = "fc";
  const Json symbol = parse_json(symbol_json(resnet(d), nn::Loss::kSoftmax));
  EXPECT_EQ(described(in_old_dialect(symbol), d.image).description, d);
}

TEST(SymbolForm, OtherGraphsAreRefused) {
  const Description d = small();
  const Json symbol = parse_json(symbol_json(resnet(d), nn::Loss::kSoftmax));
  const auto with = [&](const std::string& name, const std::function<void(Json&)>& change) {
    Json changed = symbol;
    for (Json& node : changed["nodes"])
      if (node["name"] == name) change(node);
    return refusal([&] { described(changed, d.image); });
  };
  EXPECT_THAT(with("stage2_unit1_conv1", [](Json& n) { n["attrs"]["stride"] = "(1, 1)"; }),
              HasSubstr("stage2_unit1_conv1 is not as in a residual network of 20 layers"));
  EXPECT_THAT(with("stage1_unit2_bn1", [](Json& n) { n["attrs"]["eps"] = "0.1"; }),
              HasSubstr("stage1_unit2_bn1 is not as"));
  EXPECT_THAT(with("conv0", [](Json& n) { n["attrs"]["kernel"] = "(3, 5)"; }), HasSubstr("a square is expected"));
  EXPECT_THAT(with("conv0", [](Json& n) { n["attrs"]["no_bias"] = "False"; }), HasSubstr("conv0 has a bias"));
  EXPECT_THAT(with("relu1", [](Json& n) { n["attrs"]["act_type"] = "tanh"; }), HasSubstr("operation Activation"));
  EXPECT_THAT(with("softmax", [](Json& n) { n["op"] = "MAERegressionOutput"; }), HasSubstr("MAERegressionOutput"));
  EXPECT_THAT(with("fc1", [](Json& n) { n["attrs"]["num_hidden"] = "99999999999999"; }), HasSubstr("num_hidden"));
  EXPECT_THAT(refusal([&] { described(symbol, {3, 64, 64}); }), HasSubstr("conv0 is not as")) << "another stem";
}

TEST(ModelShapes, ExactBytesAndTheLastEntry) {
  EXPECT_EQ(model_shapes(32, {3, 180, 320}), R"([{"shape": [32, 3, 180, 320], "name": "data"}])");
  EXPECT_EQ(read_model_shapes(R"([{"shape":[1,2,3,4]},{"name":"data","shape":[64,1,28,30]}])"),
            (nn::MapShape{1, 28, 30}));
  for (const char* text : {"[]", "{}", "[1]", R"([{"shape":[1,2,3]}])", R"([{"shape":[1,3,0,4]}])",
                           R"([{"shape":[1,3,9999999,4]}])", R"([{"shape":[1,3,"4",4]}])"})
    EXPECT_THAT(refusal([&] { read_model_shapes(text); }), HasSubstr("model-shapes.json")) << text;
}

TEST(Topology, IsReadBackFromItsJson) {
  const Topology t{Topology::Order::kPostActivation, Topology::Projection::kWhereShapeChanges, true, 1e-5F};
  EXPECT_EQ(topology_of(topology_json(t)), t);
  EXPECT_EQ(topology_of(topology_json({})), Topology());
  EXPECT_EQ(dump_json(topology_json({})["epsilon"]), "2e-05");
  EXPECT_THAT(refusal([] { topology_of({{"order", "sideways"}}); }), HasSubstr("topology"));
}

TEST(Artifact, RoundTrip) {
  const TemporaryFolder folder;
  Description d = small();
  d.head = "fc";
  const nn::Graph graph = resnet(d);
  const nn::Parameters parameters = random_parameters(graph);
  save(
      folder.path(), d, parameters,
      {.epoch = 3, .batch = 8, .loss = nn::Loss::kLogistic, .metadata = {{"class_names", {"a"}}}, .safetensors = true});
  std::set<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(folder.path())) names.insert(entry.path().filename());
  EXPECT_THAT(names, ElementsAre("image-classification-0003.params", "image-classification-symbol.json",
                                 "model-shapes.json", "model.json", "model.onnx", "model.safetensors"));
  const LoadedModel loaded = load(folder.path());
  EXPECT_EQ(loaded.description, d);
  EXPECT_EQ(loaded.loss, nn::Loss::kLogistic);
  EXPECT_EQ(loaded.epoch, 3);
  EXPECT_EQ(loaded.metadata["class_names"], Json({"a"}));
  EXPECT_EQ(loaded.metadata["num_layers"], 20);
  expect_equal(loaded.parameters, parameters);
  const auto arrays = artifact::read_arrays(read_file(folder.path() / "image-classification-0003.params"));
  EXPECT_EQ(arrays[0].name, "arg:bn_data_gamma");
  EXPECT_THAT(arrays[0].values, ElementsAre(1, 1, 1));
  EXPECT_EQ(std::ranges::count_if(arrays, [](const auto& a) { return a.name.starts_with("aux:"); }), 2 * 20);
}

TEST(Artifact, TheBestEpochIsLoadedElseTheLast) {
  const TemporaryFolder folder;
  const Description d = small();
  const nn::Graph graph = resnet(d);
  const nn::Parameters best = random_parameters(graph, 1), last = random_parameters(graph, 2);
  save(folder.path(), d, best, {.epoch = 9});
  EXPECT_EQ(save_parameters(folder.path(), d, last, 10).filename(), "image-classification-0010.params");
  EXPECT_EQ(load(folder.path()).epoch, 9);
  expect_equal(load(folder.path()).parameters, best);
  std::filesystem::remove(folder.path() / "model.json");  // as the service writes it
  EXPECT_EQ(load(folder.path()).epoch, 10);
  EXPECT_TRUE(load(folder.path()).metadata.is_null());
  expect_equal(load(folder.path()).parameters, last);
  remove_parameters(folder.path(), 10);
  EXPECT_EQ(load(folder.path()).epoch, 9);
}

TEST(Artifact, HalfPrecisionIsRead) {
  const TemporaryFolder folder;
  const Description d = small();
  const nn::Graph graph = resnet(d);
  nn::Parameters parameters(graph);
  for (const nn::Parameter& p : parameters.list()) std::ranges::fill(parameters.of(p), 0.5F);
  save(folder.path(), d, parameters, {.epoch = 1});
  // Every array again, in the form before 0.9 and with 16 bits.
  std::string out;
  const auto put = [&](auto value) { out.append(reinterpret_cast<const char*>(&value), sizeof value); };
  const NamedParameters named(graph, parameters, Prefix::kMxnet);
  for (const std::uint64_t word : {std::uint64_t{0x112}, std::uint64_t{0}, std::uint64_t{named.list().size()}})
    put(word);
  for (const auto& array : named.list()) {
    put(static_cast<std::uint32_t>(array.shape.size()));
    for (const std::int64_t n : array.shape) put(static_cast<std::uint32_t>(n));
    for (const std::int32_t word : {1, 0, 2}) put(word);
    for (const float x : array.values) put(static_cast<std::uint16_t>(x == 1 ? 0x3C00 : 0x3800));
  }
  put(std::uint64_t{named.list().size()});
  for (const auto& array : named.list()) {
    put(std::uint64_t{array.name.size()});
    out += array.name;
  }
  write_file_atomically(folder.path() / "image-classification-0001.params", out);
  expect_equal(load(folder.path()).parameters, parameters);
}

TEST(Artifact, NumbersThatMakeNoNetworkAreNamed) {
  const TemporaryFolder folder;
  const Description d = small();
  const nn::Parameters good = random_parameters(resnet(d));
  const auto refused = [&](const char* name, float value) {
    nn::Parameters bad = good;
    bad.of(*bad.find(name))[2] = value;
    save(folder.path(), d, bad, {});
    return refusal([&] { load(folder.path()); });
  };
  EXPECT_EQ(refused("stage1_unit1_conv1_weight", NAN),
            "image-classification-0001.params: weights: stage1_unit1_conv1_weight (arg:stage1_unit1_conv1_weight): "
            "number 2 is nan, must be finite");
  EXPECT_THAT(refused("fc1_bias", -INFINITY), HasSubstr("number 2 is -inf, must be finite"));
  EXPECT_THAT(refused("bn1_moving_var", -0.5F), HasSubstr("number 2 is -0.5, must be finite and at least 0"));
  EXPECT_EQ(refused("bn1_moving_mean", -0.5F), "accepted");
}

TEST(Artifact, WhatIsMissingOrWrongIsNamed) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal([&] { load(folder.path()); }), HasSubstr("holds no image-classification-NNNN.params"));
  const Description d = small();
  const nn::Parameters parameters = random_parameters(resnet(d));
  save(folder.path(), d, parameters, {});
  Description wider = d;
  wider.classes = 6;
  save_parameters(folder.path(), wider, random_parameters(resnet(wider)), 1);
  EXPECT_THAT(refusal([&] { load(folder.path()); }),
              HasSubstr("image-classification-0001.params: it has no fc1_weight of 5 classes"));
  // A symbol that asks for more memory than there is.
  const std::string symbol = read_file(folder.path() / "image-classification-symbol.json");
  Json huge = parse_json(symbol);
  for (Json& node : huge["nodes"])
    if (node["name"] == "fc1") node["attrs"]["num_hidden"] = "150000000";
  write_file_atomically(folder.path() / "image-classification-symbol.json", dump_json(huge));
  EXPECT_THAT(refusal([&] { load(folder.path()); }), HasSubstr("it has no fc1_weight of 150000000 classes"));
  write_file_atomically(folder.path() / "image-classification-symbol.json", symbol);
  auto cut = artifact::read_arrays(read_file(folder.path() / "image-classification-0001.params"));
  std::erase_if(cut, [](const auto& array) { return array.name == "aux:bn1_moving_var"; });
  for (auto& array : cut)
    if (array.name.starts_with("arg:fc1_")) {
      array.shape[0] = 5;
      array.values.resize(array.values.size() / 6 * 5);
    }
  write_file_atomically(folder.path() / "image-classification-0001.params", artifact::write_arrays(cut));
  EXPECT_THAT(refusal([&] { load(folder.path()); }), HasSubstr("weights: bn1_moving_var is missing"));
  write_file_atomically(folder.path() / "image-classification-0001.params",
                        artifact::write_arrays({{"arg:conv0_weight", {1}, {1}}}));
  EXPECT_THAT(refusal([&] { load(folder.path()); }), HasSubstr("it has no fc1_weight"));
  std::filesystem::remove(folder.path() / "model-shapes.json");
  EXPECT_THAT(refusal([&] { load(folder.path()); }), HasSubstr("holds no model-shapes.json"));
}

}  // namespace
}  // namespace clary::image_classification
