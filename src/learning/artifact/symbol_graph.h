// SPDX-License-Identifier: Apache-2.0
// MXNet's symbol JSON: a graph of named operations, written node by node, and read in both dialects (until 0.12 and
// since). Text that is read may come from strangers.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "base/json.h"

namespace clary::artifact {

class SymbolGraph {
 public:
  static constexpr int kVersion = 10301;  // of MXNet, as the document states it

  /// An operation on earlier nodes. @return its number
  /// @param changed  how many of the last inputs the operation changes (a batch norm's statistics)
  std::size_t add(const std::string& op, const std::string& name, const Json& attributes,
                  const std::vector<std::size_t>& inputs, std::size_t changed = 0);
  /// An input or a parameter.
  std::size_t variable(const std::string& name, const Json& attributes = Json::object());

  /// The document. @param head  the node whose output the graph gives
  std::string json(std::size_t head, int version = kVersion) const;

 private:
  Json nodes_ = Json::array(), arguments_ = Json::array();
};

struct SymbolNode {
  std::string op, name;  // op "null": an input or a parameter
  std::map<std::string, std::string> attributes;
  std::vector<std::size_t> inputs;  // numbers of earlier nodes

  /// The attribute's text, or what MXNet takes when it is absent.
  std::string text(const std::string& attribute, const std::string& otherwise = "") const;
};

struct Symbol {
  std::vector<SymbolNode> nodes;
  std::size_t head = 0;  // the node whose output the graph gives
};

/// @throws Error{kMalformed} naming the node and the rule
Symbol read_symbol(std::string_view text);

}  // namespace clary::artifact
