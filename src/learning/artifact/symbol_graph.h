// SPDX-License-Identifier: Apache-2.0
// MXNet's symbol JSON: a graph of named operations, written node by node.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "base/json.h"

namespace clary::artifact {

class SymbolGraph {
 public:
  /// An operation on earlier nodes. @return its number
  std::size_t add(const std::string& op, const std::string& name, const Json& attributes,
                  const std::vector<std::size_t>& inputs);
  /// An input or a parameter.
  std::size_t variable(const std::string& name, const Json& attributes = Json::object());

  /// The document. @param head  the node whose output the graph gives
  std::string json(std::size_t head) const;

 private:
  Json nodes_ = Json::array(), arguments_ = Json::array();
};

}  // namespace clary::artifact
