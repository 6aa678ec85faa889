// SPDX-License-Identifier: Apache-2.0
// Trains on a file and writes vectors.txt (or, supervised, the accuracy on a second file): what blazingtext_training.py
// runs beside fastText, word2vec and gensim.
// usage: blazingtext_training <text> <out or -> [threads=1] [seed=1] [validation=<file>] [<hyperparameter>=<value> ...]
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>

#include "algorithms/blazingtext/trainer.h"

namespace clary::blazingtext {
namespace {

Corpus corpus(const std::string& path) { return corpus_of({{path, path}}, path); }

void write_vectors(const Model& model, const std::string& path) {
  std::ofstream out(path);
  out << model.dictionary.nwords << ' ' << model.dim() << '\n';
  for (std::int64_t w = 0; w < model.dictionary.nwords; ++w) {
    const std::string& word = model.dictionary.words[static_cast<std::size_t>(w)];
    out << word;
    for (const float x : word_vector(model, word)) out << ' ' << x;
    out << '\n';
  }
}

int run(int argc, char** argv) {
  if (argc < 3) return std::fputs("usage: blazingtext_training <text> <out or -> [name=value ...]\n", stderr), 2;
  hyper::TextMap given;
  for (int i = 3; i < argc; ++i) {
    const std::string_view argument = argv[i];
    const auto equals = argument.find('=');
    given[std::string(argument.substr(0, equals))] = std::string(argument.substr(equals + 1));
  }
  const auto take = [&](const char* name, const char* otherwise) {
    const auto node = given.extract(name);
    return node ? node.mapped() : std::string(otherwise);
  };
  const int threads = std::stoi(take("threads", "1"));
  const auto seed = std::stoull(take("seed", "1"));
  const std::string validation = take("validation", "");
  const Hyperparameters h = schema().parse(given);
  shell::TrainLog log("algo-1", "AWS/BlazingText");
  Report report(log, h);
  TrainingJob job{h, corpus(argv[1]), std::nullopt, report, threads, seed};
  if (!validation.empty()) job.validation = corpus(validation);
  const auto start = std::chrono::steady_clock::now();
  const Model model = h.is_supervised() ? train_classifier(job) : train_word_vectors(job);
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  fmt::print("whole: {:.3f} s\n", seconds.count());
  if (std::string_view(argv[2]) != "-") write_vectors(model, argv[2]);
  return 0;
}

}  // namespace
}  // namespace clary::blazingtext

int main(int argc, char** argv) {
  try {
    return clary::blazingtext::run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
