// SPDX-License-Identifier: Apache-2.0
// A fastText model file, vectors.txt and word pairs from a stranger: only Error may escape, also when they answer.
#include "algorithms/blazingtext/classify.h"
#include "algorithms/blazingtext/fasttext_file.h"
#include "algorithms/blazingtext/vectors_text.h"
#include "algorithms/blazingtext/word_similarity.h"
#include "base/error.h"

namespace bt = clary::blazingtext;

extern "C" int LLVMFuzzerTestOneInput(const unsigned char* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  try {
    const auto model = bt::read_fasttext(std::as_bytes(std::span(text)), "model.bin");
    if (model.is_supervised()) bt::classify(model, "good movie \xd0\xb4 unknown", 3);
    bt::word_vector(model, "good");
  } catch (const clary::Error&) {  // NOLINT: the expected answer
  }
  try {
    bt::read_vectors_text(text, "vectors.txt");
  } catch (const clary::Error&) {  // NOLINT
  }
  try {
    bt::read_word_pairs(text, "pairs.txt");
  } catch (const clary::Error&) {  // NOLINT
  }
  return 0;
}
