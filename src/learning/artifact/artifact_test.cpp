// SPDX-License-Identifier: Apache-2.0
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/files.h"
#include "learning/artifact/model_file.h"
#include "learning/artifact/mxnet_params.h"
#include "learning/artifact/symbol_graph.h"
#include "learning/artifact/zip_archive.h"

namespace clary::artifact {
namespace {

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

TEST(MxnetParams, RoundTripAndEveryCutIsMalformed) {
  const std::vector<NamedArray> arrays{{"arg:a", {2, 3}, {1, 2, 3, 4, 5, 6}}, {"aux:b", {1}, {-1}}};
  const std::string bytes = write_arrays(arrays);
  const auto back = read_arrays(bytes);
  ASSERT_EQ(back.size(), 2u);
  EXPECT_EQ(back[0].shape, arrays[0].shape);
  EXPECT_EQ(back[0].values, arrays[0].values);
  EXPECT_EQ(back[1].name, "aux:b");
  for (std::size_t n = 0; n < bytes.size(); ++n) {
    EXPECT_NE(refusal([&] { read_arrays(std::string_view(bytes).substr(0, n)); }), "accepted") << n;
  }
}

TEST(MxnetParams, LyingCountsDoNotAllocate) {
  std::string bytes = write_arrays({{"arg:a", {2, 3}, {1, 2, 3, 4, 5, 6}}});
  const auto with = [&](std::size_t at, std::uint64_t value) {
    std::string changed = bytes;
    changed.replace(at, 8, reinterpret_cast<const char*>(&value), 8);
    return refusal([&] { read_arrays(changed); });
  };
  EXPECT_THAT(with(16, 1ull << 60), HasSubstr("arrays, at most"));
  EXPECT_THAT(with(36, 1ull << 62), HasSubstr("does not fit"));
  EXPECT_THAT(with(36, ~0ull), HasSubstr("does not fit"));
  EXPECT_THAT(with(0, 7), HasSubstr("magic"));
}

TEST(ZipArchive, KeepsTheOrderOfItsMembersAndStoresThem) {
  const std::string zip = write_zip({{"second", "bbb"}, {"first", "a"}});
  EXPECT_LT(zip.find("second"), zip.find("first"));
  EXPECT_THAT(zip, HasSubstr("bbb")) << "not compressed";
  EXPECT_EQ(zip, write_zip({{"second", "bbb"}, {"first", "a"}})) << "same content, same bytes";
  EXPECT_EQ(read_zip(zip), (std::map<std::string, std::string>{{"first", "a"}, {"second", "bbb"}}));
  EXPECT_THAT(refusal([&] { read_zip(zip, 3); }), HasSubstr("more than 3 bytes"));
  EXPECT_THAT(refusal([&] { read_zip(zip, 1 << 20, 1); }), HasSubstr("more than 1 entries"));
  EXPECT_NE(refusal([] { read_zip("this is no zip"); }), "accepted");
}

TEST(SymbolGraph, NumbersNodesAndArguments) {
  SymbolGraph graph;
  const auto data = graph.variable("data"), weight = graph.variable("w", {{"__shape__", "(2, 1)"}});
  const Json json = parse_json(graph.json(graph.add("dot", "dot0", Json::object(), {data, weight})));
  EXPECT_EQ(json["arg_nodes"], Json({0, 1}));
  EXPECT_EQ(json["node_row_ptr"], Json({0, 1, 2, 3}));
  EXPECT_EQ(json["heads"], Json::array({Json({2, 0, 0})}));
  EXPECT_EQ(json["attrs"]["mxnet_version"], Json({"int", 10301}));
  EXPECT_EQ(json["nodes"][1]["attrs"]["__shape__"], "(2, 1)");
  EXPECT_EQ(json["nodes"][2], (Json{{"op", "dot"}, {"name", "dot0"}, {"inputs", {{0, 0, 0}, {1, 0, 0}}}}));
}

TEST(ModelFile, IsTheFirstOfTheHosts) {
  const TemporaryFolder folder;
  EXPECT_THAT(refusal([&] { find_model_file(folder.path(), "a model of X"); }),
              HasSubstr("holds no model_algo-1: not a model of X"));
  for (const char* name : {"model_algo-2", "model_algo-1", "other"}) write_file_atomically(folder.path() / name, "x");
  EXPECT_EQ(find_model_file(folder.path(), "").filename(), "model_algo-1");
}

}  // namespace
}  // namespace clary::artifact
