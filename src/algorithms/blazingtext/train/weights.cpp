// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/train/weights.h"

#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

#include "base/split_mix.h"

namespace clary::blazingtext {

namespace {

/// A larger matrix keeps small pages: in virtual machines whose host gives memory late, the first touch of large pages
/// cost 2.6 s for 900 MB (small ones: 0.45 s), more than they saved in five epochs of AG News (0.25 s).
constexpr std::size_t kMostInLargePages = std::size_t{256} << 20;

/// Rows are read in no order: with pages of 2 MB most of them need no page walk. Before the memory is touched.
void ask_for_large_pages(void* begin, std::size_t bytes) {
  if (bytes > kMostInLargePages) return;
  constexpr std::uintptr_t kPage = std::uintptr_t{2} << 20;
  const auto from = (reinterpret_cast<std::uintptr_t>(begin) + kPage - 1) / kPage * kPage;
  const auto to = (reinterpret_cast<std::uintptr_t>(begin) + bytes) / kPage * kPage;
  if (from < to) ::madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);  // refused: slower, not wrong
}

}  // namespace

TrainingMatrix::TrainingMatrix(std::int64_t r, std::int64_t c, numeric::Team& team) : TrainingMatrix(untouched(r, c)) {
  // The first touch of a page is the costly one (the kernel clears it).
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(std::ssize(values), thread, team.size(), 1024);
    std::fill(values.begin() + begin, values.begin() + end, 0.0F);
  });
}

TrainingMatrix TrainingMatrix::untouched(std::int64_t r, std::int64_t c) {
  TrainingMatrix out;
  static_cast<PaddedMatrix&>(out) = PaddedMatrix::untouched(r, c);
  ask_for_large_pages(out.values.data(), out.values.size() * sizeof(float));
  return out;
}

void TrainingMatrix::fill_uniform(float bound, std::uint64_t seed, numeric::Team& team) {
  team.run([&](int thread) {
    const auto [begin, end] = numeric::share(rows, thread, team.size());
    for (std::int64_t r = begin; r < end; ++r) fill_row_uniform(r, bound, seed, static_cast<std::uint64_t>(r));
  });
}

// The stream is the row: values depend neither on threads nor on the order of filling.
void TrainingMatrix::fill_row_uniform(std::int64_t r, float bound, std::uint64_t seed, std::uint64_t stream) {
  const float scale = bound * 0x1p-31f;
  SplitMix64 random(seed, stream);
  float* const to = row(r);
  for (std::int64_t n = 0; n < columns; n += 2) {
    const std::uint64_t bits = random.next();
    to[n] = scale * static_cast<float>(static_cast<std::int32_t>(bits));
    if (n + 1 < columns) to[n + 1] = scale * static_cast<float>(static_cast<std::int32_t>(bits >> 32));
  }
  std::fill(to + columns, to + stride, 0.0F);
}

void TrainingMatrix::fill_row_zero(std::int64_t r) { std::fill(row(r), row(r) + stride, 0.0F); }

// Rows are packed in place, in ascending order, so that no row is overwritten before it is moved.
Matrix TrainingMatrix::take() {
  if (stride != columns)
    for (std::int64_t r = 1; r < rows; ++r)
      std::memmove(values.data() + r * columns, row(r), static_cast<std::size_t>(columns) * sizeof(float));
  values.resize(static_cast<std::size_t>(rows * columns));
  Matrix out;
  out.rows = rows, out.columns = columns;
  out.values = std::move(values);
  return out;
}

}  // namespace clary::blazingtext
