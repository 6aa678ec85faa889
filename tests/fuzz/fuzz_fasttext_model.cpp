// SPDX-License-Identifier: Apache-2.0
// A fastText model file, vectors.txt, word pairs, analogies and raw text from a stranger: only Error may escape, also
// when they answer.
#include "algorithms/blazingtext/data/simple_text.h"
#include "algorithms/blazingtext/evaluate/analogies.h"
#include "algorithms/blazingtext/evaluate/word_similarity.h"
#include "algorithms/blazingtext/model/fasttext_file.h"
#include "algorithms/blazingtext/model/vectors_text.h"
#include "algorithms/blazingtext/serve/classify.h"
#include "base/error.h"

namespace bt = clary::blazingtext;

namespace {

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> out;
  bt::for_each_token(text, [&](std::string_view token) { out.emplace_back(token); });
  return out;
}

}  // namespace

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
    if (bt::are_analogies(text))
      bt::read_analogies(text, "questions.txt");
    else
      bt::read_word_pairs(text, "pairs.txt");
  } catch (const clary::Error&) {  // NOLINT
  }
  // What the tokenizer has cut it does not cut again.
  const auto words = words_of(bt::simple_text(text));
  if (words != words_of(bt::simple_text(bt::simple_text(text)))) __builtin_trap();
  return 0;
}
