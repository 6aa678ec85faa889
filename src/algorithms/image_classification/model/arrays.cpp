// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/model/arrays.h"

#include "learning/numeric/index.h"

namespace clary::image_classification {

NamedParameters::NamedParameters(const nn::Graph& graph, const nn::Parameters& parameters, Prefix prefix) {
  const auto prefixed = [&](bool statistic, const std::string& name) {
    return prefix == Prefix::kNone ? name : (statistic ? "aux:" : "arg:") + name;
  };
  for (const nn::Parameter& p : parameters.list()) {
    const nn::Op& op = graph.ops[numeric::at(p.op)];
    if (op.gamma_is_one && p.role == nn::Role::kBeta) {  // its gamma comes before
      ones_.emplace_back(numeric::at(p.size), 1.0F);
      list_.push_back({prefixed(false, op.name + "_gamma"), p.shape, ones_.back()});
    }
    list_.push_back({prefixed(p.is_statistic(), p.name), p.shape, parameters.of(p)});
  }
}

}  // namespace clary::image_classification
