// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/cuda/gpu.h"

#include <dlfcn.h>

#include <algorithm>
#include <string>

#include "base/error.h"

namespace clary::blazingtext::cuda {
namespace {

constexpr std::size_t kReserve = std::size_t{256} << 20;  // the driver's own, the chunks and their buffers

void check(const char* problem) {
  if (problem != nullptr) throw Error(Kind::kInternal, std::string("GPU: ") + problem);
}

Error unavailable(const std::string& why) { return {Kind::kUnavailable, why}; }

/// Containers may have the driver's library where the dynamic linker does not look without LD_LIBRARY_PATH, which jobs
/// do not have. Once it is loaded, CUDA's runtime finds it by its name.
void load_driver() {
  if (::dlopen("libcuda.so.1", RTLD_NOW) == nullptr) ::dlopen("/usr/local/nvidia/lib64/libcuda.so.1", RTLD_NOW);
}

/// Loaded once and never unloaded: CUDA's runtime keeps threads.
const Api& load(const std::filesystem::path& module) {
  if (!std::filesystem::exists(module))
    throw unavailable("this build of Clary has no CUDA module (" + module.filename().string() +
                      "; nvcc was not found when it was built)");
  load_driver();
  void* const library = ::dlopen(module.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) throw unavailable(std::string("its CUDA module cannot be loaded: ") + ::dlerror());
  using Entry = const Api* (*)();
  const auto entry = reinterpret_cast<Entry>(::dlsym(library, kApiSymbol));
  const Api* api = entry == nullptr ? nullptr : entry();
  if (api == nullptr || api->version != kApiVersion)
    throw unavailable("its CUDA module is of another version: " + module.string());
  return *api;
}

}  // namespace

std::int32_t chunk_size(std::int64_t tokens, int threads) {
  return static_cast<std::int32_t>(std::clamp<std::int64_t>(tokens / (100 * threads), 1 << 12, 1 << 20));
}

std::filesystem::path Gpu::module_path() {
  return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "blazingtext_cuda.so";
}

std::unique_ptr<Gpu> Gpu::open(const std::filesystem::path& module) { return std::make_unique<Gpu>(load(module)); }

Gpu::Gpu(const Api& api) : api_(api) {
  if (const char* problem = api_.open(&device_, &facts_)) throw unavailable(problem);
}

Gpu::~Gpu() { api_.close(device_); }

bool Gpu::holds(std::size_t bytes) const { return bytes + kReserve <= facts_.free_bytes; }

void Gpu::begin_pairs(const Matrices& matrices, const PairWork& work, std::int32_t at_once) {
  // The module is not thread-safe: mutex_ serialises all calls.
  const std::lock_guard lock(mutex_);
  check(api_.begin_pairs(device_, matrices, work, at_once));
}

void Gpu::begin_lines(const Matrices& matrices, std::int64_t input_capacity, std::int32_t at_once) {
  const std::lock_guard lock(mutex_);
  check(api_.begin_lines(device_, matrices, input_capacity, at_once));
}

void Gpu::put_rows(std::int64_t first, std::int64_t count, const float* values) {
  const std::lock_guard lock(mutex_);
  check(api_.put_rows(device_, first, count, values));
}

void Gpu::learn(const PairChunk& chunk) {
  const std::lock_guard lock(mutex_);
  check(api_.learn_pairs(device_, chunk));
}

void Gpu::learn(const LineChunk& chunk) {
  const std::lock_guard lock(mutex_);
  check(api_.learn_lines(device_, chunk));
}

void Gpu::fetch(const Matrices& matrices) {
  const std::lock_guard lock(mutex_);
  check(api_.fetch(device_, matrices));
}

}  // namespace clary::blazingtext::cuda
