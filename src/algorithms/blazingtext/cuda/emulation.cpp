// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/cuda/emulation.h"

#include <cstring>

#include "learning/numeric/floats.h"

namespace clary::blazingtext::cuda {

// The device's kernels compiled for the CPU (emulated warps), for tests without a GPU.
struct Device {
  bool stale = false;
  Matrices matrices{};
  PairWork pairs{};
  std::int32_t at_once = 1;
  numeric::Floats values;  // E, O, and, of a stale device, both again as they were
  numeric::Floats scratch;
  std::vector<Part<4>*> written;
};

namespace {

std::size_t size(const Matrices& m, std::int64_t rows) {
  return static_cast<std::size_t>(rows) * static_cast<std::size_t>(m.stride);
}

// The stale device shows every position of a step the old values, as the worst timing of a real one would.
template <bool kStale>
const char* open(Device** device, Facts* facts) {
  *device = new Device;
  (*device)->stale = kStale;
  *facts = {"emulated device", 1, 64, std::size_t{2} << 30};
  return nullptr;
}

void close(Device* device) { delete device; }

void begin(Device& d, const Matrices& m, std::int64_t input_capacity, std::int32_t at_once, std::size_t scratch) {
  d.matrices = m;
  d.at_once = at_once;
  const std::size_t input = size(m, input_capacity), output = size(m, m.output_rows);
  d.values.resize((input + output) * (d.stale ? 2 : 1));
  d.matrices.input = d.values.data();
  d.matrices.output = d.values.data() + input;
  std::memcpy(d.matrices.input, m.input, size(m, m.input_rows) * sizeof(float));
  std::memcpy(d.matrices.output, m.output, output * sizeof(float));
  if (d.stale) std::memcpy(d.values.data() + input + output, d.values.data(), (input + output) * sizeof(float));
  d.scratch.resize(scratch);
}

const char* begin_pairs(Device* d, const Matrices& m, const PairWork& work, std::int32_t at_once) {
  begin(*d, m, m.input_rows, at_once, pair_scratch_floats(m.stride, work.negatives));
  d->pairs = work;
  return nullptr;
}

const char* begin_lines(Device* d, const Matrices& m, std::int64_t input_capacity, std::int32_t at_once) {
  begin(*d, m, input_capacity, at_once, line_scratch_floats(m.stride, m.output_rows));
  return nullptr;
}

const char* put_rows(Device* d, std::int64_t first, std::int64_t count, const float* values) {
  float* const to = d->matrices.input + size(d->matrices, first);
  std::memcpy(to, values, size(d->matrices, count) * sizeof(float));
  if (d->stale) std::memcpy(to + d->values.size() / 2, values, size(d->matrices, count) * sizeof(float));
  return nullptr;
}

/// In the order of the device's warps, as far as they keep step: all the first ones of their runs, all the second ones.
template <class Learn>
void in_runs(Device& d, std::int32_t count, const Learn& learn) {
  const auto copy = static_cast<std::ptrdiff_t>(d.stale ? d.values.size() / 2 : 0);
  const HostWarp<4> warp(false, copy, d.stale ? &d.written : nullptr);
  const std::int32_t run = (count + d.at_once - 1) / d.at_once;
  for (std::int32_t step = 0; step < run; ++step) {
    for (std::int64_t at = step; at < count; at += run) learn(warp, static_cast<std::int32_t>(at));
    // After the step the written parts become visible.
    for (Part<4>* part : d.written) part[copy / 4] = *part;
    d.written.clear();
  }
}

const char* learn_pairs(Device* d, const PairChunk& chunk) {
  in_runs(*d, chunk.count, [&](const auto& warp, std::int32_t i) {
    learn_position(warp, d->matrices, d->pairs, chunk, i, d->scratch.data());
  });
  return nullptr;
}

const char* learn_lines(Device* d, const LineChunk& chunk) {
  in_runs(*d, chunk.line_count,
          [&](const auto& warp, std::int32_t i) { learn_line(warp, d->matrices, chunk, i, d->scratch.data()); });
  return nullptr;
}

const char* fetch(Device* d, const Matrices& m) {
  std::memcpy(m.input, d->matrices.input, size(m, m.input_rows) * sizeof(float));
  std::memcpy(m.output, d->matrices.output, size(m, m.output_rows) * sizeof(float));
  return nullptr;
}

template <bool kStale>
constexpr Api kApi{kApiVersion, open<kStale>, close,       begin_pairs, begin_lines,
                   put_rows,    learn_pairs,  learn_lines, fetch};

}  // namespace

const Api& emulated_api(bool stale) { return stale ? kApi<true> : kApi<false>; }

}  // namespace clary::blazingtext::cuda
