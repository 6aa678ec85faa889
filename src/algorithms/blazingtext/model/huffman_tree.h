// SPDX-License-Identifier: Apache-2.0
// The binary tree over labels that hierarchical softmax walks: frequent labels lie near the root. Built from the
// labels' counts as fastText builds it, since its files hold only the counts.
// Letters: K labels; nodes 0 .. K-1 are leaves, K .. 2K-2 inner ones, each with row (node - K) of the output matrix.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace clary::blazingtext {

struct HuffmanTree {
  struct Node {
    std::int32_t left = -1, right = -1;  // -1: a leaf
  };
  std::vector<Node> nodes;  // 2K - 1; the last one is the root

  std::int32_t leaves() const { return static_cast<std::int32_t>((nodes.size() + 1) / 2); }
  std::int32_t root() const { return static_cast<std::int32_t>(nodes.size()) - 1; }
};

/// @param counts  [K], K >= 1, descending, each below 1e15
HuffmanTree build_huffman_tree(std::span<const std::int64_t> counts);

}  // namespace clary::blazingtext
