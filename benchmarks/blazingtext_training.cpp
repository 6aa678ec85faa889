// SPDX-License-Identifier: Apache-2.0
// Trains on a file and writes vectors.txt (or, supervised, the accuracy on a second file): what blazingtext_training.py
// runs beside fastText, word2vec and gensim.
// usage: blazingtext_training <text> <out or -> [threads=1] [seed=1] [hosts=1] [validation=<file>]
// [device=cpu] [<hyperparameter>=<value> ...]
// device: cpu, cuda, or emulated (the CUDA kernels on the host, as late as they can see each other: to measure what
// that does to quality, not speed). Hosts are processes of this machine; the first one's vectors are written.
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <memory>

#include "algorithms/blazingtext/cuda/emulation.h"
#include "algorithms/blazingtext/train/trainer.h"
#include "base/files.h"

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

std::uint16_t free_port() {
  const UniqueFd fd(socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  bind(fd.get(), reinterpret_cast<sockaddr*>(&address), size);
  getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

/// One process per host from here on.
std::unique_ptr<collective::Collective> meet(int count) {
  collective::Hosts hosts;
  hosts.names.clear();
  for (int i = 0; i < count; ++i) hosts.names.push_back("127.0.0." + std::to_string(i + 1));
  collective::ConnectOptions options;
  options.port = free_port();
  int rank = 0;
  for (int i = 1; i < count && rank == 0; ++i)
    if (fork() == 0) rank = i;
  hosts.current = hosts.names[static_cast<std::size_t>(rank)];
  return collective::connect(hosts, options);
}

std::unique_ptr<cuda::Gpu> device(const std::string& name) {
  if (name == "cpu") return nullptr;
  if (name == "emulated") return std::make_unique<cuda::Gpu>(cuda::emulated_api(true));
  if (name != "cuda") throw std::runtime_error("device=" + name + ": none of cpu, cuda, emulated");
  auto gpu = cuda::Gpu::open(CLARY_CUDA_MODULE);
  fmt::print("{}\n", gpu->facts().name);
  return gpu;
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
  const int count = std::stoi(take("hosts", "1"));
  const std::string validation = take("validation", "");
  const auto gpu = device(take("device", "cpu"));
  const Hyperparameters h = schema().parse(given);
  // Scoring the training text after learning is no part of what the peers do.
  std::optional<std::chrono::steady_clock::time_point> learned;
  shell::TrainLog log("algo-1", "AWS/BlazingText", [&](std::string_view line) {
    if (line.starts_with("Training finished")) learned = std::chrono::steady_clock::now();
    std::fwrite(line.data(), 1, line.size(), stdout);
    std::fflush(stdout);
  });
  Report report(log, h);
  TrainingJob job{h, corpus(argv[1]), std::nullopt, report, threads, seed};
  job.gpu = gpu.get();
  if (!validation.empty()) job.validation = corpus(validation);
  std::unique_ptr<collective::Collective> hosts;
  if (count > 1) hosts = meet(count);
  job.hosts = hosts.get();
  const auto start = std::chrono::steady_clock::now();
  const Model model = h.is_supervised() ? train_classifier(job) : train_word_vectors(job);
  const auto end = learned.value_or(std::chrono::steady_clock::now());
  fmt::print("learned after: {:.3f} s\n", std::chrono::duration<double>(end - start).count());
  if (hosts && hosts->rank() > 0) return 0;
  if (std::string_view(argv[2]) != "-") write_vectors(model, argv[2]);
  while (count > 1 && ::wait(nullptr) > 0) continue;
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
