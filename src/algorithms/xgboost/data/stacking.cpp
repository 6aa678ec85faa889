// SPDX-License-Identifier: Apache-2.0
#include "algorithms/xgboost/data/stacking.h"

#include <algorithm>
#include <vector>

namespace clary::xgboost {
namespace {

template <class T>
void append(std::vector<T>& out, const std::vector<T>& more) {
  out.insert(out.end(), more.begin(), more.end());
}

void append(Csr& out, const Csr& part) {
  const std::int64_t base = out.offsets.back();
  for (std::size_t i = 1; i < part.offsets.size(); ++i) out.offsets.push_back(base + part.offsets[i]);
  append(out.columns, part.columns);
  append(out.values, part.values);
}

/// Weights of the rows, or of the groups; 1 where a part has none.
std::vector<float> weights_of(std::span<const Matrix* const> parts) {
  std::vector<float> out;
  bool any = false;
  for (const Matrix* part : parts) {
    auto weights = part->weights();
    any = any || !weights.empty();
    const std::size_t groups = part->groups().size();
    if (weights.empty()) weights.assign(groups > 0 ? groups : static_cast<std::size_t>(part->rows()), 1);
    append(out, weights);
  }
  return any ? out : std::vector<float>();
}

}  // namespace

// Copies: the library cannot append to a matrix or change its width.
Matrix stacked(std::span<const Matrix* const> parts, std::int64_t columns, int threads) {
  Csr rows{{0}, {}, {}};
  std::vector<float> labels;
  std::vector<std::uint32_t> groups;
  for (const Matrix* part : parts) {
    append(rows, part->csr());
    append(labels, part->labels());
    append(groups, part->groups());
  }
  Matrix out = Matrix::from_csr(rows.offsets, rows.columns, rows.values, columns, threads);
  out.set_labels(labels);
  if (!groups.empty()) out.set_groups(groups);
  if (const auto weights = weights_of(parts); !weights.empty()) out.set_weights(weights);
  const Matrix& first = *parts.front();
  // Names and types are per column; with another width they no longer fit.
  if (columns == first.columns()) {
    if (const auto names = first.feature_names(); !names.empty()) out.set_feature_names(names);
    if (const auto types = first.feature_types(); !types.empty()) out.set_feature_types(types);
  }
  return out;
}

}  // namespace clary::xgboost
