// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/model/huffman_tree.h"

#include <algorithm>

#include "learning/numeric/index.h"

namespace clary::blazingtext {
namespace {

constexpr std::int64_t kUnbuilt = 1'000'000'000'000'000;   // above every count; fastText's value
constexpr std::int64_t kHeaviest = std::int64_t{1} << 61;  // sums of foreign counts stop here, short of overflow

}  // namespace

// As fastText's Model::buildTree, including the order among equal weights: the tree is not in the file and must come
// out the same. Labels are sorted by descending count, hence the leaves from the last upwards.
HuffmanTree build_huffman_tree(std::span<const std::int64_t> counts) {
  const auto k = static_cast<std::int32_t>(counts.size());
  HuffmanTree out;
  out.nodes.resize(static_cast<std::size_t>(2 * k - 1));
  std::vector<std::int64_t> weight(out.nodes.size(), kUnbuilt);
  for (std::size_t i = 0; i < counts.size(); ++i) weight[i] = counts[i];
  // Two queues: leaves from the rarest upwards, inner nodes in the order they were made.
  std::int32_t leaf = k - 1, inner = k;
  using numeric::at;
  const auto take = [&](std::int32_t made) {
    // Inner nodes not made yet weigh more than any leaf but a sum of huge counts may too: never take one of those.
    const bool has_inner = inner < made;
    return leaf >= 0 && (!has_inner || weight[at(leaf)] < weight[at(inner)]) ? leaf-- : inner++;
  };
  // Two lightest nodes become children; the left one is the lighter.
  for (std::int32_t node = k; node < 2 * k - 1; ++node) {
    const std::int32_t left = take(node), right = take(node);
    out.nodes[at(node)] = {left, right};
    weight[at(node)] = std::min(weight[at(left)] + weight[at(right)], kHeaviest);
  }
  return out;
}

}  // namespace clary::blazingtext
