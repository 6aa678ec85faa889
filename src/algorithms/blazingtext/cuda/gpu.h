// SPDX-License-Identifier: Apache-2.0
// The GPU of this machine, where there is one: the CUDA module beside the program, loaded at run time, so that the
// program itself needs no CUDA. Calls may come from any thread.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <mutex>

#include "algorithms/blazingtext/cuda/api.h"

namespace clary::blazingtext::cuda {

/// Words or features that a thread gathers before it hands them over. They are learned at one learning rate, so a short
/// text gets short chunks: the rate falls in a hundred steps at least.
std::int32_t chunk_size(std::int64_t tokens, int threads);

class Gpu {
 public:
  /// Opens the first device. @throws Error{kUnavailable} that says what is missing: the module, the driver, a device
  static std::unique_ptr<Gpu> open(const std::filesystem::path& module = module_path());
  /// Opens what `api` calls a device, for tests.
  explicit Gpu(const Api& api);
  ~Gpu();
  Gpu(const Gpu&) = delete;
  Gpu& operator=(const Gpu&) = delete;

  /// libexec/.../blazingtext_cuda.so, beside the program.
  static std::filesystem::path module_path();

  const Facts& facts() const { return facts_; }
  /// Whether matrices and tables of so many bytes and the chunks fit into the device's free memory.
  bool holds(std::size_t bytes) const;

  // The functions of the module; @throws Error{kInternal} with the device's message
  void begin_pairs(const Matrices& matrices, const PairWork& work, std::int32_t at_once);
  void begin_lines(const Matrices& matrices, std::int64_t input_capacity, std::int32_t at_once);
  void put_rows(std::int64_t first, std::int64_t count, const float* values);
  void learn(const PairChunk& chunk);
  void learn(const LineChunk& chunk);
  void fetch(const Matrices& matrices);

 private:
  const Api& api_;
  std::mutex mutex_;  // guards the device
  Device* device_ = nullptr;
  Facts facts_{};
};

}  // namespace clary::blazingtext::cuda
