// SPDX-License-Identifier: Apache-2.0
// The words and labels of a model, and their numbers.
// Letters: V words, K labels. Entries 0 .. V-1 are words by descending count, V .. V+K-1 labels, likewise.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "algorithms/blazingtext/data/ngrams.h"

namespace clary::blazingtext {

struct Dictionary {
  std::vector<std::string> words;    // [V + K]
  std::vector<std::int64_t> counts;  // [V + K]
  std::int64_t nwords = 0, nlabels = 0;
  std::int64_t ntokens = 0;  // of the training text, dropped words included (fastText's header)

  std::int64_t size() const { return nwords + nlabels; }
  /// Builds what find() needs; to be called once words are complete. Of equal words the first counts.
  void build_index();
  /// The entry's number, or -1. build_index() comes first.
  std::int64_t find(std::string_view word) const { return find(word, hash_of(word)); }
  /// @param hash  hash_of(word)
  std::int64_t find(std::string_view word, std::uint32_t hash) const;
  bool is_label(std::int64_t id) const { return id >= nwords; }
  const std::string& label(std::int64_t k) const { return words[static_cast<std::size_t>(nwords + k)]; }

 private:
  /// Open addressing with linear probing; the stored hash spares most text comparisons.
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = -1;
  };
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace clary::blazingtext
