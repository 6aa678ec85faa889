// SPDX-License-Identifier: Apache-2.0
// Trains an encoder-decoder (one layer each, mlp attention) on the batches of a file, for seq2seq_training.py: the same
// start and the same batches as PyTorch gets. Prints `update LOSS SECONDS LABELS` for each, whole updates: forward,
// backward, element-wise clipping, Adam.
//   seq2seq_updates lstm|gru UNITS EMBED THREADS FOLDER
// FOLDER/batches: vocabulary sizes in the first line, then a line `source ids|target ids` for each pair and an empty
// line after each batch. The first parameters are written as FOLDER/<tensor>, float32.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <sstream>
#include <string>
#include <vector>

#include "algorithms/seq2seq/network/network.h"
#include "learning/numeric/gemm.h"
#include "learning/numeric/idle_threads.h"
#include "learning/optim/update.h"

namespace {

using namespace clary;
using namespace clary::seq2seq;

double seconds() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

std::vector<std::int32_t> ids_of(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::int32_t> ids;
  for (std::int32_t id = 0; in >> id;) ids.push_back(id);
  return ids;
}

std::vector<Batch> read_batches(const std::filesystem::path& path, Architecture& architecture) {
  std::ifstream in(path);
  std::vector<Batch> batches;
  Pairs pairs;
  std::string line;
  std::getline(in, line);
  std::istringstream(line) >> architecture.source_vocabulary >> architecture.target_vocabulary;
  while (std::getline(in, line)) {
    if (line.empty()) {
      std::vector<std::int64_t> all(static_cast<std::size_t>(pairs.size()));
      std::iota(all.begin(), all.end(), 0);
      batches.emplace_back().assign(pairs, all);
      pairs = {};
      continue;
    }
    const std::size_t bar = line.find('|');
    pairs.source.add(ids_of(line.substr(0, bar)));
    pairs.target.add(ids_of(line.substr(bar + 1)));
  }
  return batches;
}

void write_parameters(const Parameters& parameters, const std::filesystem::path& folder) {
  for (const Tensor& tensor : parameters.list()) {
    const std::span<const float> values = parameters.of(tensor);
    std::ofstream(folder / tensor.name, std::ios::binary)
        .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
  }
}

}  // namespace

int main(int argc, char** argv) {
  numeric::let_idle_threads_sleep(argv);
  if (argc != 6) {
    fmt::print(stderr, "usage: seq2seq_updates lstm|gru UNITS EMBED THREADS FOLDER\n");
    return 2;
  }
  const std::filesystem::path folder = argv[5];
  Architecture a;
  a.cell = std::string(argv[1]) == "lstm" ? Cell::kLstm : Cell::kGru;
  a.rnn_hidden = a.attention_hidden = std::atoll(argv[2]);
  a.num_embed_source = a.num_embed_target = std::atoll(argv[3]);
  const std::vector<Batch> batches = read_batches(folder / "batches", a);

  numeric::Team team(std::atoi(argv[4]));
  Network network(a, {}, team);
  Parameters parameters(a);
  parameters.initialise({}, 1);
  write_parameters(parameters, folder);
  numeric::Floats gradients(parameters.values().size()), first(gradients.size()), second(gradients.size());
  std::int64_t t = 0;
  for (const Batch& batch : batches) {
    const double start = seconds();
    const Score score = network.train(parameters, batch, 0, gradients);
    const optim::Step step{.clip = 1, .learning_rate = optim::corrected_rate(0.0003F, ++t)};
    team.run([&](int thread) {
      const auto [begin, end] =
          numeric::share(static_cast<std::int64_t>(gradients.size()), thread, team.size(), numeric::kPad);
      optim::update(optim::Rule::kAdam, step, end - begin, parameters.values().data() + begin, first.data() + begin,
                    second.data() + begin, gradients.data() + begin);
    });
    fmt::print("update {:.6f} {:.6f} {}\n", score.nats / static_cast<double>(score.labels), seconds() - start,
               score.labels);
  }
}
