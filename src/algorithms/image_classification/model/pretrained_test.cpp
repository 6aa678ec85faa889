// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/pretrained.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <tuple>

#include "algorithms/image_classification/model/arrays.h"
#include "algorithms/image_classification/model/artifact.h"
#include "algorithms/image_classification/model/onnx_form.h"
#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/onnx_file.h"
#include "learning/artifact/safetensors.h"
#include "learning/nn/network.h"
#include "support/paths.h"

namespace clary::image_classification {
namespace {

namespace fs = std::filesystem;
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

// Of foreign_networks.py.
constexpr std::int64_t kPictures = 2, kHeight = 64, kWidth = 96, kClasses = 10;

Description wanted(std::int64_t layers) {
  return {.layers = layers, .image = {3, kHeight, kWidth}, .classes = kClasses};
}

/// Networks of other programs, made once for all tests of this file.
class ForeignNetworks : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new TemporaryFolder;
    answer_ = python("make " + folder_->path().string());
  }
  static void TearDownTestSuite() {
    delete folder_;
    folder_ = nullptr;
  }
  void SetUp() override {
    if (answer_.starts_with("absent")) GTEST_SKIP() << answer_;
    ASSERT_EQ(answer_, "");
  }

  static fs::path file(const std::string& name) { return folder_->path() / name; }

  static std::string python(const std::string& arguments) {
    const std::string base = (folder_->path() / "python").string();
    const std::string script =
        (tests::source_folder() / "src/algorithms/image_classification/testdata/foreign_networks.py").string();
    const int status =
        std::system(fmt::format("/usr/bin/python3 {} {} > {}.out 2> {}.err", script, arguments, base, base).c_str());
    return status == 0 ? read_file(base + ".out") : "failed: " + read_file(base + ".err");
  }

  static std::vector<float> floats(const fs::path& path) {
    const std::string bytes = read_file(path);
    std::vector<float> out(bytes.size() / sizeof(float));
    std::memcpy(out.data(), bytes.data(), bytes.size());
    return out;
  }

  /// The network's logits on the pictures, as training and validation compute them.
  static std::vector<float> logits_of(const Pretrained& from) {
    nn::Network network(resnet(from.description), {.threads = 2});
    std::ranges::copy(from.parameters.values(), network.parameters().values().begin());
    std::ranges::copy(from.parameters.statistics(), network.parameters().statistics().begin());
    const std::string bytes = read_file(file("pixels.bin"));
    const std::vector<float> labels(kPictures, 0);
    std::vector<float> logits(kPictures * kClasses);
    network.forward({.pictures = kPictures,
                     .pixels = {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()},
                     .labels = labels,
                     .negative_weights = {},
                     .positive_weights = {}},
                    logits);
    return logits;
  }

  /// The same by OpenCV, from our ONNX model, which onnx.checker has accepted.
  static std::vector<float> logits_by_opencv(const Pretrained& network) {
    const fs::path model = file("own.onnx");
    artifact::write_file_in_pieces(model, [&](const artifact::ByteSink& sink) {
      write_onnx(resnet(network.description), network.parameters, nn::Loss::kSoftmax, sink);
    });
    EXPECT_EQ(python(fmt::format("run {} {}", model.string(), folder_->path().string())), "");
    return floats(model.string() + ".logits");
  }

  static void expect_close(const std::vector<float>& got, const std::vector<float>& expected) {
    ASSERT_EQ(got.size(), static_cast<std::size_t>(kPictures * kClasses));
    ASSERT_EQ(expected.size(), got.size());
    float largest = 0;
    for (const float x : expected) largest = std::max(largest, std::abs(x));
    for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-4F * largest) << i;
  }

  static void expect_same_parameters(const Pretrained& a, const Pretrained& b) {
    EXPECT_EQ(a.description, b.description);
    EXPECT_TRUE(std::ranges::equal(a.parameters.values(), b.parameters.values()));
    EXPECT_TRUE(std::ranges::equal(a.parameters.statistics(), b.parameters.statistics()));
  }

  static TemporaryFolder* folder_;
  static std::string answer_;
};

TemporaryFolder* ForeignNetworks::folder_ = nullptr;
std::string ForeignNetworks::answer_;

struct Source {
  const char *stem, *ending, *says;
  std::int64_t layers;
};

class EverySource : public ForeignNetworks, public testing::WithParamInterface<Source> {};

// Names, strides, epsilons, order, shortcuts and the folded normalisation in one: the other program's logits.
TEST_P(EverySource, GivesTheSameLogits) {
  const Source& source = GetParam();
  const Pretrained network = import_pretrained(file(std::string(source.stem) + source.ending), wanted(source.layers), 1,
                                               Head::kFromFileIfFits);
  EXPECT_EQ(network.source, source.says);
  expect_close(logits_of(network), floats(file(std::string(source.stem) + ".logits")));
}

INSTANTIATE_TEST_SUITE_P(Files, EverySource,
                         testing::Values(Source{"resnet18-torchvision", ".pth", "torchvision ResNet v1.5", 18},
                                         Source{"resnet50-torchvision", ".pth", "torchvision ResNet v1.5", 50},
                                         Source{"resnet18-torchvision", ".onnx", "ONNX ResNet v1.5", 18},
                                         Source{"resnet50-torchvision", ".onnx", "ONNX ResNet v1.5", 50},
                                         Source{"resnet18-gluon", ".params", "Gluon ResNet v2", 18},
                                         Source{"resnet50-gluon", ".onnx", "ONNX ResNet v2", 50},
                                         Source{"resnet18-mxnet", ".params", "MXNet ResNet v2", 18},
                                         Source{"resnet50-mxnet", ".params", "MXNet ResNet v2", 50},
                                         Source{"resnet50-mxnet1", ".params", "MXNet ResNet v1", 50}),
                         [](const auto& row) {
                           std::string name = std::string(row.param.stem) + row.param.ending;
                           for (char& c : name)
                             if (std::isalnum(static_cast<unsigned char>(c)) == 0) c = '_';
                           return name;
                         });

TEST_F(ForeignNetworks, OurOnnxModelGivesTheSameLogitsElsewhere) {
  for (const auto& [stem, ending, layers] :
       {std::tuple{"resnet18-gluon", ".params", 18}, {"resnet50-mxnet1", ".params", 50}}) {
    const Pretrained network =
        import_pretrained(file(std::string(stem) + ending), wanted(layers), 1, Head::kFromFileIfFits);
    expect_close(logits_by_opencv(network), floats(file(std::string(stem) + ".logits")));
  }
}

TEST_F(ForeignNetworks, EveryFormOfAFileGivesTheSameNumbers) {
  const auto imported = [&](const char* ending) {
    return import_pretrained(file(std::string("resnet18-torchvision") + ending), wanted(18), 1, Head::kFromFileIfFits);
  };
  const Pretrained pth = imported(".pth");
  EXPECT_EQ(pth.taken, 20 + 20 * 4 + 2) << "20 convolutions, as many batch norms, the last layer";
  EXPECT_EQ(pth.left.size(), 20U) << "the counters of batch norms";
  EXPECT_EQ(pth.sha256.size(), 64U);
  expect_same_parameters(imported(".safetensors"), pth);
  expect_same_parameters(imported("-old.pt"), pth);
}

TEST_F(ForeignNetworks, ATransferKeepsANewLastLayer) {
  const Pretrained network = import_pretrained(file("resnet18-torchvision.pth"), wanted(18), 7);
  nn::Parameters fresh(resnet(network.description));
  fresh.initialise(7);
  const nn::Parameter* weight = fresh.find("fc1_weight");
  EXPECT_TRUE(std::ranges::equal(network.parameters.of(*weight), fresh.of(*weight)));
  EXPECT_THAT(network.left, testing::Contains("fc.weight"));
  EXPECT_THAT(network.summary(), HasSubstr("torchvision ResNet v1.5; 100 arrays taken, 22 left"));
  Description other = wanted(18);
  other.classes = 3;
  EXPECT_EQ(import_pretrained(file("resnet18-torchvision.pth"), other, 7, Head::kFromFileIfFits).taken, 100);
}

TEST_F(ForeignNetworks, OurFilesAreReadBack) {
  const TemporaryFolder saved;
  const Pretrained network = import_pretrained(file("resnet50-torchvision.pth"), wanted(50), 1, Head::kFromFileIfFits);
  save(saved.path(), network.description, network.parameters, {.safetensors = true});
  for (const char* name : {"model.safetensors", "image-classification-0001.params", "model.onnx"}) {
    SCOPED_TRACE(name);
    expect_same_parameters(import_pretrained(saved.path() / name, wanted(50), 1, Head::kFromFileIfFits), network);
  }
}

TEST_F(ForeignNetworks, OtherNetworksAreRefused) {
  const auto refused = [&](const char* name, const Description& description) {
    return refusal([&] { import_pretrained(file(name), description, 1); });
  };
  EXPECT_THAT(refused("resnet18-torchvision.pth", wanted(34)), HasSubstr("stage1_unit3_conv1_weight is missing"));
  EXPECT_THAT(refused("resnet50-torchvision.pth", wanted(18)),
              HasSubstr("has shape [64, 64, 1, 1], must be [64, 64, 3, 3]"));
  EXPECT_THAT(refused("resnet50-torchvision.onnx", wanted(18)), HasSubstr("of no residual network of 18 layers"));
  Description grey = wanted(18);
  grey.image.channels = 1;
  EXPECT_THAT(refused("resnet18-torchvision.pth", grey), HasSubstr("for pictures of 3 channels, the network reads 1"));
}

void touch(const fs::path& path) { write_file_atomically(path, "x"); }

TEST(FindPretrained, TakesTheOneFileOfTheFirstFolderThatHasAny) {
  const TemporaryFolder a, b;
  const std::vector<fs::path> folders{a.path(), a.path() / "none", b.path()};
  for (const char* name :
       {"resnet-50-0000.params", "resnet50-0676ba61.pth", "resnet50-v2-7.onnx", "resnet-v2-50.safetensors",
        "resnet_50.pt", "resnet-50.pt", "image-classification-0010.params"}) {
    touch(b.path() / name);
    EXPECT_EQ(find_pretrained(50, folders), b.path() / name);
    fs::remove(b.path() / name);
  }
  for (const char* name :
       {"resnet-50-symbol.json", "resnet-501.pt", "resnet-5.pt", "resnet-150.pt", "alexnet-50.pt", "50.pt"})
    touch(b.path() / name);
  EXPECT_THAT(refusal([&] { find_pretrained(50, folders); }),
              testing::AllOf(HasSubstr("no pretrained weights of a ResNet of 50 layers"), HasSubstr("resnet-50*"),
                             HasSubstr(".safetensors, .pth, .pt, .onnx, .params"), HasSubstr(a.path().string()),
                             HasSubstr(b.path().string()), HasSubstr("torchvision.models.resnet50")));
  touch(b.path() / "resnet50.pt");
  touch(a.path() / "resnet-50.onnx");
  EXPECT_EQ(find_pretrained(50, folders), a.path() / "resnet-50.onnx");
  touch(a.path() / "resnet-50.pth");
  EXPECT_THAT(refusal([&] { find_pretrained(50, folders); }),
              HasSubstr("several files with weights of a ResNet of 50 layers: resnet-50.onnx, resnet-50.pth"));
}

TEST(Pretrained, AdviceNamesWhatIsPublished) {
  EXPECT_THAT(how_to_get_pretrained(101), HasSubstr("torchvision.models.resnet101("));
  EXPECT_EQ(
      how_to_get_pretrained(200),
      "For example, timm (resnet200, model.safetensors as resnet-200.safetensors) or the artifact of an earlier job");
  EXPECT_EQ(how_to_get_pretrained(20), "For example, the artifact of an earlier job");
}

TEST(Pretrained, ArraysWithoutAPlaceAreRefused) {
  const TemporaryFolder folder;
  const Description d{.layers = 20, .image = {3, 32, 32}, .classes = 2};
  const nn::Graph graph = resnet(d);
  nn::Parameters parameters(graph);
  const NamedParameters named(graph, parameters, Prefix::kNone);
  auto arrays = named.list();
  const std::vector<float> more(4, 1);
  arrays.push_back({"stage1_unit1_attention_weight", {4}, more});
  artifact::write_file_in_pieces(folder.path() / "resnet-20.safetensors", [&](const artifact::ByteSink& sink) {
    artifact::write_safetensors(arrays, {}, sink);
  });
  EXPECT_THAT(refusal([&] { import_pretrained(folder.path() / "resnet-20.safetensors", d, 1); }),
              HasSubstr("resnet-20.safetensors: stage1_unit1_attention_weight has no place in this network"));
}

}  // namespace
}  // namespace clary::image_classification
