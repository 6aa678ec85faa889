// SPDX-License-Identifier: Apache-2.0
// Trains a residual network for some steps on pictures of random bytes and prints how long a step takes;
// image_training.py drives it beside PyTorch.
//   image_training LAYERS EDGE BATCH STEPS THREADS float32|bfloat16 [FOLDER]
// prints each step's loss, seconds and CPU seconds (the first, which plans and allocates, apart), and the arena's size.
// FOLDER: the pictures, the labels and the first parameters are written there, so that a peer computes the same losses.
#include <fmt/format.h>

#include <chrono>
#include <cstdlib>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "algorithms/image_classification/model/resnet.h"
#include "learning/nn/network.h"
#include "learning/numeric/idle_threads.h"
#include "learning/numeric/philox.h"

namespace {

using namespace clary;

double wall_seconds() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}
double cpu_seconds() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

/// One step of stochastic gradient descent with momentum, as the peer's.
void update(std::span<float> values, std::span<const float> gradients, std::vector<float>& momentum) {
  for (std::size_t i = 0; i < values.size(); ++i) {
    momentum[i] = 0.9F * momentum[i] + gradients[i];
    values[i] -= 0.01F * momentum[i];
  }
}

template <class T>
void write(const std::filesystem::path& path, std::span<const T> values) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(values.data()), static_cast<std::streamsize>(values.size_bytes()));
}

}  // namespace

int main(int argc, char** argv) {
  numeric::let_idle_threads_sleep(argv);
  if (argc != 7 && argc != 8) {
    fmt::print(stderr, "usage: image_training LAYERS EDGE BATCH STEPS THREADS float32|bfloat16 [FOLDER]\n");
    return 2;
  }
  const std::int64_t layers = std::atoll(argv[1]), edge = std::atoll(argv[2]), batch = std::atoll(argv[3]);
  const std::int64_t classes = edge > 32 ? 1000 : 10;
  const nn::Precision precision =
      std::string(argv[6]) == "bfloat16" ? nn::Precision::kBFloat16 : nn::Precision::kFloat32;
  nn::Network network(image_classification::resnet({.layers = layers, .image = {3, edge, edge}, .classes = classes}),
                      {.precision = precision, .threads = std::atoi(argv[5])});
  network.parameters().initialise(1);

  numeric::PhiloxStream random(2, 3);
  std::vector<std::uint8_t> pixels(static_cast<std::size_t>(batch * 3 * edge * edge));
  for (auto& v : pixels) v = static_cast<std::uint8_t>(random.next64() >> 56);
  std::vector<float> labels(static_cast<std::size_t>(batch)), logits(static_cast<std::size_t>(batch * classes)),
      momentum(network.gradients().size());
  for (auto& v : labels) v = static_cast<float>(random.next64() % static_cast<std::uint64_t>(classes));

  if (argc == 8) {
    const std::filesystem::path folder = argv[7];
    write<std::uint8_t>(folder / "pixels", pixels);
    write<float>(folder / "labels", labels);
    for (const nn::Parameter& p : network.parameters().list())
      write<float>(folder / p.name, network.parameters().of(p));
  }

  for (int step = 0; step <= std::atoi(argv[4]); ++step) {
    const double wall = wall_seconds(), cpu = cpu_seconds();
    const double loss = network.forward_backward({.pictures = batch, .pixels = pixels, .labels = labels},
                                                 1.0F / static_cast<float>(batch), false, logits);
    update(network.parameters().values(), network.gradients(), momentum);
    fmt::print("{} {:.5f}: {:.4f} s, CPU {:.4f} s\n", step == 0 ? "first" : "step", loss / static_cast<double>(batch),
               wall_seconds() - wall, cpu_seconds() - cpu);
  }
  fmt::print("{} MiB\n", network.memory_needed(batch) >> 20);
}
