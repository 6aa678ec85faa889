// SPDX-License-Identifier: Apache-2.0
// Bodies of seq2seq requests in all three types, around a translator that repeats its source: there is always an
// answer.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <vector>

#include "algorithms/seq2seq/model/testing_models.h"
#include "algorithms/seq2seq/serve/answer.h"

namespace {

using namespace clary::seq2seq;

std::vector<std::vector<Translation>> repeated(std::span<const std::vector<std::int32_t>> sources,
                                               const DecodeOptions& options) {
  if (options.n_best < 1 || options.n_best > options.beam_size || options.beam_size > 100) std::abort();
  std::vector<std::vector<Translation>> out;
  for (const auto& source : sources) {
    Translation translation{source, 1.5, {}};
    if (options.attention) translation.attention.resize(source.size() * source.size());
    out.emplace_back(static_cast<std::size_t>(options.n_best), translation);
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Vocabulary source = testing_vocabulary(11, "s"), target = testing_vocabulary(13, "t");
  const std::string_view body(reinterpret_cast<const char*>(data), size);
  for (const char* type :
       {"application/json", "application/jsonlines;attention_matrix=true", "application/x-recordio-protobuf"}) {
    const auto answer = answer_to({type, "", "", body}, {source, target, {.beam_size = 5}, {}}, repeated);
    if (answer.status != 200 && answer.status != 400 && answer.status != 413) std::abort();
  }
  return 0;
}
