// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/tensor_file.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/onnx_file.h"
#include "learning/artifact/pickle.h"
#include "learning/artifact/safetensors.h"
#include "learning/artifact/symbol_graph.h"
#include "learning/artifact/torch_file.h"
#include "learning/artifact/zip_archive.h"

namespace clary::artifact {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class F>
std::string refusal(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.kind() == Kind::kMalformed || error.kind() == Kind::kLimit) return error.what();
    return std::string("wrong kind: ") + error.what();
  }
  return "accepted";
}

/// Fails for every prefix of `whole` that f() accepts.
template <class F>
void expect_every_cut_refused(const std::string& whole, F&& f) {
  for (std::size_t n = 0; n < whole.size(); ++n)
    EXPECT_THAT(refusal([&] { f(bytes_of(std::string_view(whole).substr(0, n))); }),
                testing::AllOf(testing::Ne("accepted"), testing::Not(HasSubstr("wrong kind"))))
        << n;
}

std::vector<float> floats(const TensorView& view) {
  std::vector<float> out(static_cast<std::size_t>(view.size()));
  view.copy_to(out);
  return out;
}

std::string collected(const std::function<void(const ByteSink&)>& write) {
  std::string out;
  write([&](std::span<const std::byte> b) { out.append(reinterpret_cast<const char*>(b.data()), b.size()); });
  return out;
}

TEST(TensorView, ConvertsEveryFloatingType) {
  std::string halves;
  for (const int half : {0x3C00, 0xC000, 0x0001, 0x7BFF, 0xFC00, 0x8000, 0x7E00})
    put(halves, static_cast<std::uint16_t>(half));
  const TensorView view{.name = "h", .type = ElementType::kFloat16, .shape = {7}, .bytes = bytes_of(halves)};
  const auto values = floats(view);
  EXPECT_THAT(std::vector<float>(values.begin(), values.end() - 1),
              ElementsAre(1.0F, -2.0F, 0x1p-24F, 65504.0F, -std::numeric_limits<float>::infinity(), 0.0F));
  EXPECT_TRUE(std::signbit(values[5]) && std::isnan(values[6]));
  std::string upper;
  put<std::uint16_t>(upper, 0xBFC0);
  EXPECT_EQ(floats({.name = "b", .type = ElementType::kBFloat16, .shape = {1}, .bytes = bytes_of(upper)})[0], -1.5F);
  std::string wide;
  put(wide, 0.25);
  EXPECT_EQ(floats({.name = "d", .type = ElementType::kFloat64, .shape = {1}, .bytes = bytes_of(wide)})[0], 0.25F);
  EXPECT_THAT(
      refusal([&] { floats({.name = "i", .type = ElementType::kInt64, .shape = {1}, .bytes = bytes_of(wide)}); }),
      HasSubstr("i: its type is int64"));
  EXPECT_THAT(
      refusal([&] { floats({.name = "s", .type = ElementType::kFloat32, .shape = {1}, .bytes = bytes_of(wide)}); }),
      HasSubstr("s: 1 numbers in 8 bytes of float32"));
}

TEST(TensorView, ShapesAreCheckedBeforeTheyAreMultiplied) {
  const auto check = [](std::vector<std::int64_t> shape) {
    return refusal([&] { checked_size("a", shape, ElementType::kFloat32, 400); });
  };
  EXPECT_EQ(check({10, 10}), "accepted");
  EXPECT_THAT(check({10, 11}), HasSubstr("a: shape [10, 11] does not fit"));
  EXPECT_THAT(check({1LL << 33, 1LL << 33}), HasSubstr("does not fit"));
  EXPECT_THAT(check({-1}), HasSubstr("dimension -1 does not fit"));
  EXPECT_THAT(check(std::vector<std::int64_t>(9, 1)), HasSubstr("9 dimensions"));
}

TEST(MappedFile, GivesTheBytesOfAFileWrittenInPieces) {
  const TemporaryFolder folder;
  const auto path = folder.path() / "f";
  const std::string large(3 << 20, 'x'), middle(600'000, 'y');
  write_file_in_pieces(path, [&](const ByteSink& sink) {
    for (const std::string_view piece : {std::string_view("ab"), std::string_view(large), std::string_view("cd"),
                                         std::string_view(middle), std::string_view("ef")})
      sink(bytes_of(piece));
  });
  const MappedFile file(path);
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(file.bytes().data()), file.bytes().size()),
            "ab" + large + "cd" + middle + "ef");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1) << "no temporary file is left";
  MappedFile moved(folder.path() / "f");
  moved = MappedFile(path);
  EXPECT_EQ(moved.bytes().size(), large.size() + middle.size() + 6);
  write_file_atomically(path, "");
  EXPECT_TRUE(MappedFile(path).bytes().empty());
  EXPECT_THROW(MappedFile(folder.path() / "none"), Error);
}

TEST(MappedFile, AnErrorOfTheWriterLeavesTheOldFile) {
  const TemporaryFolder folder;
  write_file_atomically(folder.path() / "f", "old");
  EXPECT_THROW(write_file_in_pieces(folder.path() / "f",
                                    [](const ByteSink& sink) {
                                      sink(bytes_of("new"));
                                      throw Error(Kind::kInternal, "x");
                                    }),
               Error);
  EXPECT_EQ(read_file(folder.path() / "f"), "old");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder.path()), {}), 1);
}

// The list of one array, put together by hand from MXNet's NDArray::Save of each version.
std::string mxnet_list(const std::string& array, bool with_name = true) {
  std::string out;
  for (const std::uint64_t word : {0x112U, 0U, 1U}) put(out, word);
  out += array;
  put<std::uint64_t>(out, with_name ? 1 : 0);
  if (with_name) {
    put<std::uint64_t>(out, 5);
    out += "arg:w";
  }
  return out;
}

std::string mxnet_body(std::int32_t type_flag, const std::string& numbers) {
  std::string out;
  put<std::int32_t>(out, 2);  // a GPU
  put<std::int32_t>(out, 1);
  put(out, type_flag);
  return out + numbers;
}

TEST(MxnetParams, EveryFormOfArraysIsRead) {
  std::string floats32, halves, doubles;
  for (const float x : {1.0F, 2.0F}) put(floats32, x);
  for (const int x : {0x3C00, 0x4000}) put(halves, static_cast<std::uint16_t>(x));
  for (const double x : {1.0, 2.0}) put(doubles, x);
  std::string oldest, v1, v2, v3;
  for (const std::uint32_t x : {2U, 1U, 2U}) put(oldest, x);  // dimensions, shape
  put(v1, 0xF993FAC8U);
  put(v1, 1U);
  put<std::int64_t>(v1, 2);
  put(v2, 0xF993FAC9U);
  put(v2, 0);
  put(v2, 1U);
  put<std::int64_t>(v2, 2);
  put(v3, 0xF993FACAU);
  put(v3, 0);
  put(v3, 1);
  put<std::int64_t>(v3, 2);
  for (const std::string& array : {oldest + mxnet_body(0, floats32), v1 + mxnet_body(2, halves),
                                   v2 + mxnet_body(1, doubles), v3 + mxnet_body(0, floats32)}) {
    const std::string file = mxnet_list(array);
    const auto views = view_arrays(bytes_of(file));
    ASSERT_EQ(views.size(), 1U);
    EXPECT_EQ(views[0].name, "arg:w");
    EXPECT_THAT(floats(views[0]), ElementsAre(1, 2));
    EXPECT_EQ(view_arrays(bytes_of(mxnet_list(array, false)))[0].name, "");
    EXPECT_THAT(read_arrays(file)[0].values, ElementsAre(1, 2));
    expect_every_cut_refused(file, [](auto bytes) { view_arrays(bytes); });
  }
  EXPECT_THAT(view_arrays(bytes_of(mxnet_list(oldest + mxnet_body(0, floats32))))[0].shape, ElementsAre(1, 2));
}

TEST(MxnetParams, ArraysWithoutAValueEndAfterTheirShape) {
  std::string v2, v3, scalar, number;
  put(v2, 0xF993FAC9U);
  put(v2, 0);
  put(v2, 0U);
  put(v3, 0xF993FACAU);
  put(v3, 0);
  put(v3, -1);
  for (const std::string& array : {v2, v3}) {
    const std::string file = mxnet_list(array);
    const auto views = view_arrays(bytes_of(file));
    EXPECT_THAT(views.at(0).shape, ElementsAre(0));
    EXPECT_TRUE(floats(views[0]).empty());
  }
  put(scalar, 0xF993FACAU);
  put(scalar, 0);
  put(scalar, 0);
  put(number, 7.0F);
  const std::string file = mxnet_list(scalar + mxnet_body(0, number));
  EXPECT_THAT(floats(view_arrays(bytes_of(file)).at(0)), ElementsAre(7));
  std::string integers;
  put(integers, 1U);
  put(integers, 1U);
  const std::string whole = mxnet_list(integers + mxnet_body(6, "12345678"));
  EXPECT_EQ(view_arrays(bytes_of(whole)).at(0).type, ElementType::kInt64);
  EXPECT_THAT(refusal([&] { read_arrays(whole); }), HasSubstr("its type is int64"));
}

TEST(Safetensors, RoundTripAndEveryCutIsMalformed) {
  const std::vector<float> a{1, 2, 3, 4, 5, 6}, b{7};
  const std::vector<ArrayRef> arrays{{"b", {1}, b}, {"a", {2, 3}, a}};
  const std::string file = collected([&](const ByteSink& sink) { write_safetensors(arrays, {{"k", "v"}}, sink); });
  const Safetensors back = read_safetensors(bytes_of(file));
  ASSERT_EQ(back.arrays.size(), 2U);
  EXPECT_EQ(back.arrays[0].name, "a");
  EXPECT_THAT(back.arrays[0].shape, ElementsAre(2, 3));
  EXPECT_EQ(floats(back.arrays[0]), a);
  EXPECT_EQ(floats(back.arrays[1]), b);
  EXPECT_EQ(back.metadata.at("k"), "v");
  expect_every_cut_refused(file, [](auto bytes) { read_safetensors(bytes); });
}

TEST(Safetensors, LyingHeadersAreRefused) {
  const auto with = [](const std::string& header, std::optional<std::uint64_t> length = {}) {
    std::string file;
    put<std::uint64_t>(file, length.value_or(header.size()));
    file += header + "12345678";
    return refusal([&] { read_safetensors(bytes_of(file)); });
  };
  const auto array = [&](const std::string& type, const std::string& shape, const std::string& offsets) {
    return with(R"({"a":{"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}}");
  };
  EXPECT_EQ(array("F32", "[2]", "[0,8]"), "accepted");
  EXPECT_THAT(array("F32", "[2]", "[0,9]"), HasSubstr("bytes 0 to 9 of 8"));
  EXPECT_THAT(array("F32", "[2]", "[8,0]"), HasSubstr("bytes 8 to 0"));
  EXPECT_THAT(array("F32", "[1]", "[0,8]"), HasSubstr("shape [1] of float32 is not 8 bytes"));
  EXPECT_THAT(array("F32", "[-1]", "[0,8]"), HasSubstr("-1 is no count"));
  EXPECT_THAT(array("F32", "[4611686018427387905,4]", "[0,8]"), HasSubstr("does not fit"));
  EXPECT_THAT(array("F4", "[2]", "[0,8]"), HasSubstr("type \"F4\" is not supported"));
  EXPECT_THAT(array("F32", "[2]", "[0]"), HasSubstr("no list"));
  EXPECT_THAT(with("[]"), HasSubstr("no object"));
  EXPECT_THAT(with("{}", ~0ULL), HasSubstr("header of"));
  EXPECT_THAT(with("{}", 4000), HasSubstr("header is cut"));
}

std::string small_onnx(const std::vector<float>& weights) {
  OnnxWriter writer;
  writer.input("x", {2});
  writer.output("y", {1});
  writer.initializer({"w", {1, 2}, weights});
  const std::vector<std::string> inputs{"x", "w"};
  writer.node("Gemm", "y", inputs,
              {.lists = {{"pads", {1, 2}}}, .integers = {{"transB", 1}}, .numbers = {{"alpha", 0.5F}}});
  return collected([&](const ByteSink& sink) { writer.write("g", sink); });
}

TEST(OnnxFile, RoundTripAndNoCutEscapesTheErrors) {
  const std::vector<float> weights{3, 4};
  const std::string file = small_onnx(weights);
  const OnnxModel model = read_onnx(bytes_of(file));
  EXPECT_EQ(model.producer, "clary");
  EXPECT_THAT(model.inputs, ElementsAre("x"));
  EXPECT_THAT(model.outputs, ElementsAre("y"));
  ASSERT_EQ(model.initializers.size(), 1U);
  EXPECT_EQ(floats(model.initializers[0]), weights);
  ASSERT_EQ(model.nodes.size(), 1U);
  EXPECT_EQ(model.nodes[0].op, "Gemm");
  EXPECT_EQ(model.nodes[0].integer("transB", 0), 1);
  EXPECT_EQ(model.nodes[0].integer("transA", 7), 7);
  EXPECT_EQ(model.nodes[0].number("alpha", 1), 0.5F);
  EXPECT_THAT(model.nodes[0].integers("pads", {}), ElementsAre(1, 2));
  expect_every_cut_refused(file, [](auto bytes) { read_onnx(bytes); });
}

TEST(OnnxFile, ExternalAndRaggedNumbersAreRefused) {
  const auto with_tensor = [](const std::string& tensor) {
    std::string graph("\x2A"), model("\x3A");  // initializer, graph
    graph += static_cast<char>(tensor.size()) + tensor;
    model += static_cast<char>(graph.size()) + graph;
    return refusal([&] { read_onnx(bytes_of(model)); });
  };
  const std::string head("\x08\x02\x10\x01\x42\x01w", 7);  // dims 2, float, name w
  EXPECT_EQ(with_tensor(head + "\x22\x08" + "12345678"), "accepted") << "float_data, packed";
  EXPECT_EQ(with_tensor(head + "\x4A\x08" + "12345678"), "accepted") << "raw_data";
  EXPECT_THAT(with_tensor(head + "\x4A\x04" + "1234"), HasSubstr("w: shape [2] of float32 is not 4 bytes"));
  EXPECT_THAT(with_tensor(head + "\x25" + "1234" + "\x25" + "1234"), HasSubstr("w: its numbers lie in several pieces"));
  EXPECT_THAT(with_tensor(head + "\x70\x01"), HasSubstr("w: its numbers lie in another file"));
  EXPECT_THAT(with_tensor(std::string("\x08\x02\x10\x0A\x42\x01w\x2A\x02\x01\x02", 11)), HasSubstr("int32_data"));
  EXPECT_THAT(refusal([] { read_onnx({}); }), HasSubstr("no graph"));
}

/// What a program prints; "absent" when a module is missing.
std::string python(const std::string& program, const std::filesystem::path& folder) {
  write_file_atomically(folder / "program.py", program);
  const std::string command =
      fmt::format("/usr/bin/python3 {0}/program.py {0} > {0}/answer 2> {0}/error", folder.string());
  if (std::system(command.c_str()) != 0) return "failed: " + read_file(folder / "error");
  return read_file(folder / "answer");
}

constexpr const char* kSave = R"(
import sys
try:
  import torch
except ImportError:
  print("absent", end=""); sys.exit()
from collections import OrderedDict
folder = sys.argv[1] + "/"
base = torch.arange(12, dtype=torch.float32)
state = OrderedDict(a=base[2:8].reshape(2, 3), b=torch.tensor([1.5, -2], dtype=torch.float16),
                    p=torch.nn.Parameter(torch.tensor([3.0])), n=torch.tensor(7), empty=torch.zeros(0))
torch.save(state, folder + "plain.pth")
torch.save(state, folder + "old.pth", _use_new_zipfile_serialization=False)
torch.save({"epoch": 3, "loss": .5, "state_dict": {"module." + k: v for k, v in state.items()}}, folder + "nested.pt")
torch.save({"a": torch.zeros(2, 3).t()}, folder + "turned.pt")
torch.save(torch.nn.Linear(2, 2), folder + "module.pt")
torch.save([1, 2], folder + "list.pt")
)";

TEST(TorchFile, ReadsWhatPyTorchSaves) {
  const TemporaryFolder folder;
  const std::string answer = python(kSave, folder.path());
  if (answer == "absent") GTEST_SKIP() << "python3-torch is not installed";
  ASSERT_EQ(answer, "");
  for (const char* name : {"plain.pth", "old.pth", "nested.pt"}) {
    SCOPED_TRACE(name);
    const MappedFile file(folder.path() / name);
    const auto views = read_torch(file.bytes());
    ASSERT_EQ(views.size(), 5U);
    EXPECT_EQ(views[0].name, "a");
    EXPECT_THAT(views[0].shape, ElementsAre(2, 3));
    EXPECT_THAT(floats(views[0]), ElementsAre(2, 3, 4, 5, 6, 7));
    EXPECT_THAT(floats(views[1]), ElementsAre(1.5F, -2.0F));
    EXPECT_THAT(floats(views[2]), ElementsAre(3));
    EXPECT_EQ(views[3].type, ElementType::kInt64);
    EXPECT_TRUE(views[4].bytes.empty());
    const std::string whole = read_file(folder.path() / name);
    for (std::size_t n = 0; n < whole.size(); n += 7)
      EXPECT_NE(refusal([&] { read_torch(bytes_of(std::string_view(whole).substr(0, n))); }), "accepted") << n;
  }
  const auto refused = [&](const char* name) {
    return refusal([&] { read_torch(MappedFile(folder.path() / name).bytes()); });
  };
  EXPECT_THAT(refused("turned.pt"), HasSubstr("a: its memory format is not contiguous"));
  EXPECT_THAT(refused("module.pt"), HasSubstr("save model.state_dict()"));
  EXPECT_THAT(refused("list.pt"), HasSubstr("save model.state_dict()"));
  EXPECT_THAT(refusal([] { read_torch(bytes_of("nothing")); }), HasSubstr("no file of torch.save()"));
}

TEST(ZipDirectory, GivesStoredEntriesAsSpansOfTheFile) {
  const std::string zip = write_zip({{"a", "content"}, {"b/c", ""}});
  const auto entries = view_stored_zip(bytes_of(zip), 2);
  ASSERT_EQ(entries.size(), 2U);
  const auto& content = entries.at("a");
  EXPECT_EQ(std::string(reinterpret_cast<const char*>(content.data()), content.size()), "content");
  EXPECT_TRUE(reinterpret_cast<const char*>(content.data()) > zip.data());
  EXPECT_THAT(refusal([&] { view_stored_zip(bytes_of(zip), 1); }), HasSubstr("2 entries, at most 1"));
  expect_every_cut_refused(zip, [](auto bytes) { view_stored_zip(bytes, 2); });
}

TEST(Pickle, ReadsValuesAsData) {
  // {'f': 1.5, 'i': -2, 'p': PERSID x, 't': (b'..',)} and a call that is not made
  constexpr char kBytes[] =

      "\x80\x02}(U\x01"
      "fG\x3F\xF8\0\0\0\0\0\0U\x01iJ\xFE\xFF\xFF\xFFU\x01pU\x01xQU\x01"
      "ccos\nsystem\nU\x02ls\x85Ru.rest";
  const std::string bytes(kBytes, sizeof kBytes - 1);
  const pickle::Pickle parsed = pickle::parse(bytes);
  EXPECT_EQ(parsed.size, bytes.size() - 4);
  const auto& dict = std::get<pickle::Dict>(parsed.root->is);
  EXPECT_EQ(std::get<double>(pickle::find(dict, "f")->is), 1.5);
  EXPECT_EQ(std::get<std::int64_t>(pickle::find(dict, "i")->is), -2);
  EXPECT_EQ(pickle::text_of(*std::get<pickle::Persistent>(pickle::find(dict, "p")->is).id), "x");
  EXPECT_EQ(pickle::type_of(std::get<pickle::Object>(pickle::find(dict, "c")->is)), "os system");
  EXPECT_EQ(pickle::find(dict, "none"), nullptr);
}

TEST(Pickle, TextsAreNotMultiplied) {
  // bytearray(<text of 1,000 bytes>) again and again, each from the memo: 9 bytes that would become 1,000.
  std::string bytes("cbuiltins\nbytearray\nq\0", 22);
  bytes += "X" + std::string("\xE8\x03\0\0", 4) + std::string(1000, 'x') + "q\x01";
  for (int i = 0; i < 100; ++i) bytes += std::string("h\0h\x01\x85R0", 7);
  EXPECT_THAT(refusal([&] { pickle::parse(bytes + "."); }), HasSubstr("repeated too often"));
}

TEST(Symbol, BothDialectsAreRead) {
  const auto read = [](const std::string& attributes, const std::string& input) {
    return read_symbol(R"({"nodes":[{"op":"null","name":"data","inputs":[]},{"op":"Convolution",)" + attributes +
                       R"("name":"c","inputs":[)" + input + R"(]}],"heads":[[1,0]]})");
  };
  for (const auto& symbol :
       {read(R"x("attrs":{"kernel":"(3, 3)"},)x", "[0,0,0]"), read(R"x("attr":{"kernel":"(3, 3)"},)x", "[0,0]"),
        read(R"x("param":{"kernel":"(3, 3)"},"attr":{},)x", "[0,0,1]")}) {
    ASSERT_EQ(symbol.nodes.size(), 2U);
    EXPECT_EQ(symbol.head, 1U);
    EXPECT_EQ(symbol.nodes[1].text("kernel"), "(3, 3)");
    EXPECT_EQ(symbol.nodes[1].text("stride", "(1, 1)"), "(1, 1)");
    EXPECT_THAT(symbol.nodes[1].inputs, ElementsAre(0U));
  }
  EXPECT_THAT(refusal([&] { read("", "[1,0,0]"); }), HasSubstr("node 1: its input 1 is no earlier node"));
  EXPECT_THAT(refusal([&] { read("", "[-1,0,0]"); }), HasSubstr("no earlier node"));
  EXPECT_THAT(refusal([&] { read(R"("attrs":[],)", "[0,0,0]"); }), HasSubstr("attrs is no object"));
  EXPECT_THAT(refusal([] { read_symbol("[]"); }), HasSubstr("no list of nodes"));
  EXPECT_THAT(refusal([] { read_symbol(R"({"nodes":[{"op":"null","name":"a"}],"heads":[]})"); }),
              HasSubstr("one output"));
}

TEST(SymbolGraph, CountsHiddenOutputs) {
  SymbolGraph graph;
  const auto data = graph.variable("data");
  const auto norm = graph.add("BatchNorm", "bn", Json::object(), {data, data, data}, 2);
  const auto pool = graph.add("Pooling", "p", {{"pool_type", "max"}}, {norm});
  const Json json = parse_json(graph.json(graph.add("Pooling", "g", {{"pool_type", "avg"}}, {pool}), 10300));
  EXPECT_EQ(json["node_row_ptr"], Json({0, 1, 4, 6, 7}));
  EXPECT_EQ(json["nodes"][1]["inputs"], Json({{0, 0, 0}, {0, 0, 1}, {0, 0, 1}}));
  EXPECT_EQ(json["attrs"]["mxnet_version"], Json({"int", 10300}));
}

}  // namespace
}  // namespace clary::artifact
