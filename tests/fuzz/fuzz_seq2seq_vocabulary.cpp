// SPDX-License-Identifier: Apache-2.0
// A vocabulary of a stranger: only Error may escape; each word of what is accepted is its id's, alone in a line.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "algorithms/seq2seq/data/vocabulary.h"
#include "base/error.h"
#include "formats/words.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  clary::formats::repaired_utf8(text);
  try {
    const auto vocabulary = clary::seq2seq::Vocabulary::parse(text, "vocab.src.json");
    if (vocabulary.size() > 10'000'000) std::abort();
    const auto gaps = vocabulary.gaps();
    if (vocabulary.words() + static_cast<std::int64_t>(gaps.size()) != vocabulary.size()) std::abort();
    for (std::int32_t id = 0; id < std::min<std::int64_t>(vocabulary.size(), 1000); ++id) {
      const std::vector<std::int32_t> found = vocabulary.ids(vocabulary.word(id));
      if (found.size() != 1 || (found[0] != id && vocabulary.word(id) != "<unk>")) std::abort();
    }
  } catch (const clary::Error& error) {
    if (error.kind() != clary::Kind::kMalformed) std::abort();
  }
  return 0;
}
