// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/symbol_graph.h"

namespace clary::artifact {

std::size_t SymbolGraph::add(const std::string& op, const std::string& name, const Json& attributes,
                             const std::vector<std::size_t>& inputs) {
  // An input is (node, output, version); every node here has one output.
  Json triples = Json::array();
  for (const std::size_t input : inputs) triples.push_back({input, 0, 0});
  Json node{{"op", op}, {"name", name}, {"inputs", triples}};
  if (!attributes.empty()) node["attrs"] = attributes;
  nodes_.push_back(std::move(node));
  return nodes_.size() - 1;
}

std::size_t SymbolGraph::variable(const std::string& name, const Json& attributes) {
  const std::size_t node = add("null", name, attributes, {});
  arguments_.push_back(node);
  return node;
}

std::string SymbolGraph::json(std::size_t head) const {
  Json rows = Json::array();
  // One more than nodes: the row of node i ends where that of i + 1 begins.
  for (std::size_t i = 0; i <= nodes_.size(); ++i) rows.push_back(i);
  return dump_json({{"nodes", nodes_},
                    {"arg_nodes", arguments_},
                    {"node_row_ptr", rows},
                    {"heads", Json::array({Json::array({head, 0, 0})})},
                    // The version is MXNet 1.3.1, which later versions load too.
                    {"attrs", {{"mxnet_version", Json::array({"int", 10301})}}}});
}

}  // namespace clary::artifact
