// SPDX-License-Identifier: Apache-2.0
#include "learning/artifact/symbol_graph.h"

#include <fmt/format.h>

#include <cstdint>
#include <utility>

#include "base/error.h"

namespace clary::artifact {
namespace {

constexpr std::size_t kMaxNodes = 20'000;

/// How many outputs an operation has, hidden ones included: `node_row_ptr` counts them.
std::size_t outputs_of(const Json& node) {
  if (node["op"] == "BatchNorm") return 3;  // and the batch's mean and variance
  const bool max_pool = node["op"] == "Pooling" && node.contains("attrs") &&
                        node["attrs"].value("pool_type", "max") == "max" &&
                        node["attrs"].value("global_pool", "False") == "False";
  return max_pool ? 2 : 1;  // and the workspace of the build with MKL-DNN
}

[[noreturn]] void malformed(const std::string& message) { throw Error(Kind::kMalformed, "symbol: " + message); }

std::string text_at(const Json& node, const char* key, std::size_t number) {
  const auto found = node.find(key);
  if (found == node.end() || !found->is_string()) malformed(fmt::format("node {}: {} is no text", number, key));
  return found->get<std::string>();
}

/// An input is [node, output] or [node, output, version]; only earlier nodes may be named.
std::size_t source_of(const Json& input, std::size_t number) {
  if (!input.is_array() || input.size() < 2 || input.size() > 3)
    malformed(fmt::format("node {}: an input is no list of two or three numbers", number));
  const auto source = exact_integer(input[0]);
  if (!source || *source < 0 || static_cast<std::uint64_t>(*source) >= number)
    malformed(fmt::format("node {}: its input {:.40} is no earlier node", number, dump_json(input[0])));
  return static_cast<std::size_t>(*source);
}

SymbolNode node_of(const Json& node, std::size_t number) {
  if (!node.is_object()) malformed(fmt::format("node {} is no object", number));
  SymbolNode out{
      .op = text_at(node, "op", number), .name = text_at(node, "name", number), .attributes = {}, .inputs = {}};
  for (const char* key : {"param", "attr", "attrs"}) {  // the oldest form first: a document may have two of them
    const auto found = node.find(key);
    if (found == node.end()) continue;
    if (!found->is_object()) malformed(fmt::format("node {}: {} is no object", number, key));
    for (const auto& [name, value] : found->items())
      out.attributes[name] = value.is_string() ? value.get<std::string>() : dump_json(value);
  }
  const auto inputs = node.find("inputs");
  if (inputs == node.end()) return out;
  if (!inputs->is_array()) malformed(fmt::format("node {}: inputs is no list", number));
  for (const Json& input : *inputs) out.inputs.push_back(source_of(input, number));
  return out;
}

}  // namespace

std::size_t SymbolGraph::add(const std::string& op, const std::string& name, const Json& attributes,
                             const std::vector<std::size_t>& inputs, std::size_t changed) {
  Json triples = Json::array();
  for (std::size_t i = 0; i < inputs.size(); ++i)
    triples.push_back({inputs[i], 0, i + changed < inputs.size() ? 0 : 1});
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

std::string SymbolGraph::json(std::size_t head, int version) const {
  Json rows = Json::array({0});
  std::size_t outputs = 0;
  for (const Json& node : nodes_) rows.push_back(outputs += outputs_of(node));
  return dump_json({{"nodes", nodes_},
                    {"arg_nodes", arguments_},
                    {"node_row_ptr", rows},
                    {"heads", Json::array({Json::array({head, 0, 0})})},
                    {"attrs", {{"mxnet_version", Json::array({"int", version})}}}});
}

std::string SymbolNode::text(const std::string& attribute, const std::string& otherwise) const {
  const auto found = attributes.find(attribute);
  return found == attributes.end() ? otherwise : found->second;
}

Symbol read_symbol(std::string_view text) {
  const Json document = parse_json(text);
  const auto nodes = document.is_object() ? document.find("nodes") : document.end();
  if (nodes == document.end() || !nodes->is_array() || nodes->empty()) malformed("it has no list of nodes");
  if (nodes->size() > kMaxNodes) malformed(fmt::format("{} nodes, at most {} allowed", nodes->size(), kMaxNodes));
  Symbol out;
  for (const Json& node : *nodes) out.nodes.push_back(node_of(node, out.nodes.size()));
  const auto heads = document.find("heads");
  if (heads == document.end() || !heads->is_array() || heads->size() != 1) malformed("it has not one output");
  out.head = source_of((*heads)[0], out.nodes.size());
  return out;
}

}  // namespace clary::artifact
