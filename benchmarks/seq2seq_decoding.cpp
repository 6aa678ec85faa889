// SPDX-License-Identifier: Apache-2.0
// Translates the sentences of a file with a model (one layer each, mlp attention) whose tensors are files, for
// seq2seq_decoding.py: first line `SECONDS WORDS`, the best of three rounds, then the ids of each translation.
//   seq2seq_decoding lstm|gru UNITS EMBED FOLDER float32|bfloat16|int8 BEAM TOGETHER
// FOLDER/<tensor>: float32. FOLDER/sources: vocabulary sizes, then mean and deviation of the ratio of lengths, in the
// first line, then a line of ids for each sentence. TOGETHER sentences are one request. CLARY_THREADS says how many
// threads.
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "algorithms/seq2seq/decode/translator.h"

namespace {

using namespace clary;
using namespace clary::seq2seq;
using Sentences = std::vector<std::vector<std::int32_t>>;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

Sentences read_sources(const std::filesystem::path& path, Architecture& architecture, DecodeLimits& limits) {
  std::ifstream in(path);
  std::string line;
  std::getline(in, line);
  std::istringstream(line) >> architecture.source_vocabulary >> architecture.target_vocabulary >>
      limits.length_ratio_mean >> limits.length_ratio_std;
  Sentences sources;
  while (std::getline(in, line)) {
    std::istringstream ids(line);
    sources.emplace_back();
    for (std::int32_t id = 0; ids >> id;) sources.back().push_back(id);
  }
  return sources;
}

Parameters read_parameters(const Architecture& architecture, const std::filesystem::path& folder) {
  Parameters parameters(architecture);
  for (const Tensor& tensor : parameters.list()) {
    const std::span<float> values = parameters.of(tensor);
    std::ifstream(folder / tensor.name, std::ios::binary)
        .read(reinterpret_cast<char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  }
  return parameters;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 8) {
    fmt::print(stderr, "usage: seq2seq_decoding lstm|gru UNITS EMBED FOLDER float32|bfloat16|int8 BEAM TOGETHER\n");
    return 2;
  }
  const std::filesystem::path folder = argv[4];
  const std::string precision = argv[5];
  const auto together = static_cast<std::size_t>(std::atoll(argv[7]));
  Architecture a;
  a.cell = std::string(argv[1]) == "lstm" ? Cell::kLstm : Cell::kGru;
  a.rnn_hidden = a.attention_hidden = std::atoll(argv[2]);
  a.num_embed_source = a.num_embed_target = std::atoll(argv[3]);
  DecodeLimits limits;
  const Sentences sources = read_sources(folder / "sources", a, limits);
  const Translator translator(a, read_parameters(a, folder), limits,
                              precision == "int8"       ? Precision::kInt8
                              : precision == "bfloat16" ? Precision::kBFloat16
                                                        : Precision::kFloat32);
  std::vector<std::vector<Translation>> translations;
  double best = 0;
  for (int round = 0; round < 3; ++round) {
    translations.clear();
    const double start = seconds();
    for (std::size_t i = 0; i < sources.size(); i += together) {
      const auto request = std::span(sources).subspan(i, std::min(together, sources.size() - i));
      for (auto& found : translator.translate(request, {.beam_size = std::atoll(argv[6])}))
        translations.push_back(std::move(found));
    }
    const double taken = seconds() - start;
    best = round == 0 ? taken : std::min(best, taken);
  }
  std::size_t words = 0;
  for (const auto& found : translations) words += found[0].ids.size();
  fmt::print("{:.6f} {}\n", best, words);
  for (const auto& found : translations) fmt::print("{}\n", fmt::join(found[0].ids, " "));
}
