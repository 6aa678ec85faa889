// SPDX-License-Identifier: Apache-2.0
// blazingtext_cuda.so: the device's memory, the two kernels around bodies.h, and the table of functions that the
// program loads. One stream: a chunk's copy (4 MB at most) takes a hundredth of its learning, so there is nothing to
// overlap but the host's work, for which chunks lie in one of two pinned buffers.
#include <cuda_runtime.h>

#include <cstdio>
#include <cstring>
#include <memory>
#include <stdexcept>
#include <string>

#include "algorithms/blazingtext/cuda/bodies.h"

// Four floats are added at once by devices of compute capability 9, in toolkits that have the function.
#define CLARY_TOOLKIT_ADDS_FOUR (CUDART_VERSION >= 12080)
#if CLARY_TOOLKIT_ADDS_FOUR && defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
#define CLARY_ADDS_FOUR 1
#else
#define CLARY_ADDS_FOUR 0
#endif

namespace clary::blazingtext::cuda {
namespace {

constexpr int kLanes = 32, kWarpsPerBlock = 4;
constexpr std::size_t kSharedBytes = 48 << 10;  // what every device gives a block without asking
constexpr unsigned kAll = ~0U;

/// 32 threads of a warp; every one of them makes every call.
template <int kWidth>
struct DeviceWarp {
  using Part = cuda::Part<kWidth>;
  int lane = static_cast<int>(threadIdx.x) % kLanes;

  template <class F>
  __device__ void each(std::int32_t n, const F& f) const {
    for (std::int32_t i = lane; i < n; i += kLanes) f(i);
  }
  template <int kSums, class F>
  __device__ void sums(std::int32_t n, float (&totals)[kSums], const F& f) const {
    for (int s = 0; s < kSums; ++s) totals[s] = 0;
    for (std::int32_t i = lane; i < n; i += kLanes) f(i, totals);
    for (int far = kLanes / 2; far > 0; far /= 2)
      for (int s = 0; s < kSums; ++s) totals[s] += __shfl_xor_sync(kAll, totals[s], far);
  }
  template <class F>
  __device__ float sum(std::int32_t n, const F& f) const {
    float total[1];
    sums<1>(n, total, [&](std::int32_t i, float(&t)[1]) { t[0] += f(i); });
    return total[0];
  }
  template <class F>
  __device__ float max(std::int32_t n, const F& f) const {
    float most = -3e38f;
    for (std::int32_t i = lane; i < n; i += kLanes) most = fmaxf(most, f(i));
    for (int far = kLanes / 2; far > 0; far /= 2) most = fmaxf(most, __shfl_xor_sync(kAll, most, far));
    return most;
  }
  __device__ bool leads() const { return lane == 0; }
  __device__ void sync() const { __syncwarp(kAll); }
  __device__ float exp(float x) const { return __expf(x); }
  __device__ Part load(const Part* at) const {
    Part out;
    if constexpr (kWidth == 4) {
      const float4 v = __ldcg(reinterpret_cast<const float4*>(at));
      out.v[0] = v.x, out.v[1] = v.y, out.v[2] = v.z, out.v[3] = v.w;
    } else {
      out.v[0] = __ldcg(at->v);
    }
    return out;
  }
  __device__ void add(Part* at, const Part& x) const {
#if CLARY_ADDS_FOUR
    if constexpr (kWidth == 4)
      atomicAdd(reinterpret_cast<float4*>(at), make_float4(x.v[0], x.v[1], x.v[2], x.v[3]));
    else
#endif
      for (int i = 0; i < kWidth; ++i) atomicAdd(at->v + i, x.v[i]);
  }
};

/// How a launch divides its work: warp w takes items w * run .. (w + 1) * run - 1, so that warps work far from each
/// other in the text.
struct Division {
  std::int32_t run, scratch_floats;
  float* scratch;  // of all warps in device memory; null: in shared memory
};

__device__ float* scratch_of_warp(const Division& division, std::int32_t warp) {
  extern __shared__ float4 shared[];
  if (division.scratch != nullptr) return division.scratch + static_cast<std::int64_t>(warp) * division.scratch_floats;
  return reinterpret_cast<float*>(shared) + static_cast<int>(threadIdx.x) / kLanes * division.scratch_floats;
}

template <class Learn>
__device__ void in_runs(const Division& division, std::int32_t count, const Learn& learn) {
  const auto warp = static_cast<std::int32_t>((blockIdx.x * blockDim.x + threadIdx.x) / kLanes);
  const std::int64_t begin = static_cast<std::int64_t>(warp) * division.run;
  const std::int64_t end = begin + division.run < count ? begin + division.run : count;
  float* const scratch = scratch_of_warp(division, warp);
  for (std::int64_t i = begin; i < end; ++i) learn(static_cast<std::int32_t>(i), scratch);
}

template <int kWidth>
__global__ void __launch_bounds__(kLanes* kWarpsPerBlock)
    pairs_kernel(Matrices m, PairWork work, PairChunk chunk, Division division) {
  const DeviceWarp<kWidth> warp;
  in_runs(division, chunk.count,
          [&](std::int32_t i, float* scratch) { learn_position(warp, m, work, chunk, i, scratch); });
}

template <int kWidth>
__global__ void __launch_bounds__(kLanes* kWarpsPerBlock) lines_kernel(Matrices m, LineChunk chunk, Division division) {
  const DeviceWarp<kWidth> warp;
  in_runs(division, chunk.line_count, [&](std::int32_t i, float* scratch) { learn_line(warp, m, chunk, i, scratch); });
}

void check(cudaError_t result, const char* what) {
  if (result != cudaSuccess) throw std::runtime_error(std::string(what) + ": " + cudaGetErrorString(result));
}

struct FreeDevice {
  void operator()(void* memory) const { cudaFree(memory); }
};
struct FreePinned {
  void operator()(void* memory) const { cudaFreeHost(memory); }
};
template <class T>
using OnDevice = std::unique_ptr<T, FreeDevice>;

template <class T>
OnDevice<T> on_device(std::size_t count) {
  void* memory = nullptr;
  check(cudaMalloc(&memory, count * sizeof(T)), "device memory");
  return OnDevice<T>(static_cast<T*>(memory));
}

/// A copy of host memory, in the order of the stream; null for null. The host's memory is read before this returns.
template <class T>
OnDevice<T> on_device(const T* from, std::size_t count, cudaStream_t stream) {
  if (from == nullptr || count == 0) return nullptr;
  OnDevice<T> out = on_device<T>(count);
  check(cudaMemcpyAsync(out.get(), from, count * sizeof(T), cudaMemcpyHostToDevice, stream), "copy to the device");
  return out;
}

/// A chunk on its way: filled by the host, copied, and free again when its event has happened.
class Slot {
 public:
  Slot() { check(cudaEventCreateWithFlags(&free_, cudaEventDisableTiming), "event"); }
  ~Slot() { cudaEventDestroy(free_); }
  Slot(const Slot&) = delete;
  Slot& operator=(const Slot&) = delete;

  /// Waits until the slot is free and makes room.
  void begin(std::size_t bytes) {
    check(cudaEventSynchronize(free_), "a kernel");
    used_ = 0;
    if (bytes <= bytes_) return;
    bytes_ = 0;
    device_ = on_device<char>(bytes);
    void* memory = nullptr;
    check(cudaHostAlloc(&memory, bytes, cudaHostAllocDefault), "pinned memory");
    host_.reset(static_cast<char*>(memory));
    bytes_ = bytes;
  }
  /// Appends a list; returns where it will be on the device.
  template <class T>
  const T* append(const T* from, std::int32_t count) {
    const std::size_t at = used_, bytes = static_cast<std::size_t>(count) * sizeof(T);
    if (bytes > 0) std::memcpy(host_.get() + at, from, bytes);
    used_ += bytes;
    return reinterpret_cast<const T*>(device_.get() + at);
  }
  void copy(cudaStream_t stream) {
    check(cudaMemcpyAsync(device_.get(), host_.get(), used_, cudaMemcpyHostToDevice, stream), "copy to the device");
  }
  void release(cudaStream_t stream) { check(cudaEventRecord(free_, stream), "event"); }

 private:
  std::size_t bytes_ = 0, used_ = 0;
  OnDevice<char> device_;
  std::unique_ptr<char, FreePinned> host_;
  cudaEvent_t free_ = nullptr;
};

}  // namespace

struct Device {
  std::string problem;
  cudaStream_t stream = nullptr;
  bool wide = false;  // adds four floats at once
  Matrices matrices{};
  PairWork pairs{};
  std::int32_t at_once = 1, scratch_floats = 0, warps_per_block = 1;
  OnDevice<float> input, output, scratch, feedback;
  OnDevice<AliasTable::Cell> cells;
  OnDevice<std::int32_t> rows;
  OnDevice<std::int64_t> ends;
  std::unique_ptr<Slot> slots[2];
  int next_slot = 0;

  ~Device() {
    for (auto& slot : slots) slot.reset();
    if (stream != nullptr) cudaStreamDestroy(stream);
  }
};

namespace {

void put(Device& d, std::int64_t first, std::int64_t count, const float* values) {
  const auto stride = static_cast<std::size_t>(d.matrices.stride);
  if (first + count > d.matrices.input_rows) throw std::runtime_error("more rows than was said at the beginning");
  check(cudaMemcpyAsync(d.input.get() + static_cast<std::size_t>(first) * stride, values,
                        static_cast<std::size_t>(count) * stride * sizeof(float), cudaMemcpyHostToDevice, d.stream),
        "copy to the device");
}

void begin(Device& d, const Matrices& m, std::int64_t input_capacity, std::int32_t at_once,
           std::size_t scratch_floats) {
  d.input.reset(), d.output.reset(), d.scratch.reset();  // of a training before
  d.matrices = m;
  d.matrices.input_rows = input_capacity;
  d.input = on_device<float>(static_cast<std::size_t>(input_capacity) * static_cast<std::size_t>(m.stride));
  put(d, 0, m.input_rows, m.input);
  d.output =
      on_device(m.output, static_cast<std::size_t>(m.output_rows) * static_cast<std::size_t>(m.stride), d.stream);
  d.matrices.input = d.input.get(), d.matrices.output = d.output.get();
  for (auto& slot : d.slots) slot = std::make_unique<Slot>();
  const std::size_t fit = kSharedBytes / (scratch_floats * sizeof(float));
  d.warps_per_block = fit >= kWarpsPerBlock || fit == 0 ? kWarpsPerBlock : static_cast<std::int32_t>(fit);
  d.at_once = at_once;
  d.scratch_floats = static_cast<std::int32_t>(scratch_floats);
  if (fit == 0) d.scratch = on_device<float>(static_cast<std::size_t>(at_once + kWarpsPerBlock) * scratch_floats);
}

template <class Kernel, class... Arguments>
void launch(Device& d, std::int32_t count, Kernel kernel, const Arguments&... arguments) {
  const Division division{(count + d.at_once - 1) / d.at_once, d.scratch_floats, d.scratch.get()};
  const auto blocks = static_cast<unsigned>((d.at_once + d.warps_per_block - 1) / d.warps_per_block);
  const auto threads = static_cast<unsigned>(d.warps_per_block * kLanes);
  const std::size_t shared =
      d.scratch ? 0 : static_cast<std::size_t>(d.warps_per_block * d.scratch_floats) * sizeof(float);
  kernel<<<blocks, threads, shared, d.stream>>>(arguments..., division);
  check(cudaGetLastError(), "start of a kernel");
}

Slot& next_slot(Device& d, std::size_t bytes) {
  Slot& slot = *d.slots[d.next_slot];
  d.next_slot = 1 - d.next_slot;
  slot.begin(bytes);
  return slot;
}

/// Runs f; its exception's text, or null.
template <class F>
const char* guarded(std::string& problem, F&& f) {
  try {
    f();
    return nullptr;
  } catch (const std::exception& error) {
    problem = error.what();
    return problem.c_str();
  }
}

void look_for_device(int& count) {
  int driver = 0;
  if (cudaDriverGetVersion(&driver) != cudaSuccess || driver == 0) throw std::runtime_error("no NVIDIA driver answers");
  const cudaError_t result = cudaGetDeviceCount(&count);
  if (result == cudaErrorNoDevice || (result == cudaSuccess && count == 0))
    throw std::runtime_error("the NVIDIA driver finds no device");
  check(result, "the NVIDIA driver finds no usable device");
}

const char* open(Device** out, Facts* facts) {
  static std::string problem;
  *out = nullptr;
  return guarded(problem, [&] {
    int count = 0;
    look_for_device(count);
    auto device = std::make_unique<Device>();
    cudaDeviceProp properties{};
    check(cudaSetDevice(0), "device 0");
    check(cudaGetDeviceProperties(&properties, 0), "device 0");
    cudaFuncAttributes attributes{};
    check(cudaFuncGetAttributes(&attributes, pairs_kernel<1>), "this build has no code for the device");
    check(cudaStreamCreateWithFlags(&device->stream, cudaStreamNonBlocking), "stream");
    std::size_t total = 0;
    *facts = {};
    check(cudaMemGetInfo(&facts->free_bytes, &total), "device memory");
    std::snprintf(facts->name, sizeof facts->name, "%s", properties.name);
    facts->devices = count;
    facts->multiprocessors = properties.multiProcessorCount;
    device->wide = CLARY_TOOLKIT_ADDS_FOUR && properties.major >= 9;
    *out = device.release();
  });
}

void close(Device* device) { delete device; }

const char* begin_pairs(Device* d, const Matrices& m, const PairWork& work, std::int32_t at_once) {
  return guarded(d->problem, [&] {
    begin(*d, m, m.input_rows, at_once, pair_scratch_floats(m.stride, work.negatives));
    const WordRowTable& table = work.word_rows;
    const auto words = static_cast<std::size_t>(table.words);
    d->pairs = work;
    d->cells = on_device(work.negative_words.cells, work.negative_words.size, d->stream);
    d->pairs.negative_words.cells = d->cells.get();
    if (table.rows == nullptr) return;
    d->rows = on_device(table.rows, static_cast<std::size_t>(table.ends[words - 1]), d->stream);
    d->ends = on_device(table.ends, words, d->stream);
    d->feedback = on_device(table.feedback, words, d->stream);
    d->pairs.word_rows = {d->rows.get(), d->ends.get(), d->feedback.get(), table.words};
  });
}

const char* begin_lines(Device* d, const Matrices& m, std::int64_t input_capacity, std::int32_t at_once) {
  return guarded(d->problem,
                 [&] { begin(*d, m, input_capacity, at_once, line_scratch_floats(m.stride, m.output_rows)); });
}

const char* put_rows(Device* d, std::int64_t first, std::int64_t count, const float* values) {
  return guarded(d->problem, [&] { put(*d, first, count, values); });
}

const char* learn_pairs(Device* d, const PairChunk& chunk) {
  return guarded(d->problem, [&] {
    if (chunk.count == 0) return;
    Slot& slot = next_slot(*d, static_cast<std::size_t>(chunk.count) * sizeof(std::int32_t));
    PairChunk there = chunk;
    there.ids = slot.append(chunk.ids, chunk.count);
    slot.copy(d->stream);
    launch(*d, chunk.count, d->wide ? pairs_kernel<4> : pairs_kernel<1>, d->matrices, d->pairs, there);
    slot.release(d->stream);
  });
}

const char* learn_lines(Device* d, const LineChunk& chunk) {
  return guarded(d->problem, [&] {
    if (chunk.line_count == 0) return;
    const std::size_t numbers =
        static_cast<std::size_t>(chunk.feature_count) + static_cast<std::size_t>(chunk.truth_count);
    Slot& slot =
        next_slot(*d, static_cast<std::size_t>(chunk.line_count) * sizeof(Line) + numbers * sizeof(std::int32_t));
    LineChunk there = chunk;
    there.lines = slot.append(chunk.lines, chunk.line_count);
    there.features = slot.append(chunk.features, chunk.feature_count);
    there.truths = slot.append(chunk.truths, chunk.truth_count);
    slot.copy(d->stream);
    launch(*d, chunk.line_count, d->wide ? lines_kernel<4> : lines_kernel<1>, d->matrices, there);
    slot.release(d->stream);
  });
}

const char* fetch(Device* d, const Matrices& m) {
  return guarded(d->problem, [&] {
    const auto copy = [&](float* to, const float* from, std::int64_t rows) {
      const std::size_t bytes = static_cast<std::size_t>(rows) * static_cast<std::size_t>(m.stride) * sizeof(float);
      check(cudaMemcpyAsync(to, from, bytes, cudaMemcpyDeviceToHost, d->stream), "copy from the device");
    };
    copy(m.input, d->input.get(), m.input_rows);
    copy(m.output, d->output.get(), m.output_rows);
    check(cudaStreamSynchronize(d->stream), "a kernel");
  });
}

constexpr Api kApi{kApiVersion, open, close, begin_pairs, begin_lines, put_rows, learn_pairs, learn_lines, fetch};

}  // namespace
}  // namespace clary::blazingtext::cuda

extern "C" __attribute__((visibility("default"))) const clary::blazingtext::cuda::Api* clary_blazingtext_cuda() {
  return &clary::blazingtext::cuda::kApi;
}
