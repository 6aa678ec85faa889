// SPDX-License-Identifier: Apache-2.0
// What one warp does with a position of the text (skip-gram, cbow) or with a labelled line: all arithmetic and all
// index code of the CUDA kernels, written once. module.cu compiles it for the device, emulation.h for the host, where
// the unit tests compare it with plain loops. C++17.
//
// A Warp is 32 lanes that work on one thing:
//   each(n, f)        f(i) for i in [0, n); lane i mod 32 has i, so what a lane stored at i in one each() it may read
//   at i
//                     in the next one of the same n, without sync()
//   sums<R>(n, f)     f(i, parts) adds to R partial sums for i in [0, n); every lane gets the totals
//   sum, max          of f(i), i in [0, n)
//   leads()           one lane only;  sync()  what lanes wrote before is seen by all after
//   load, add         a part of a row of E or O: read past the first-level cache; added in one piece per float, so that
//                     warps may add to one row at once and nothing is lost (a read may be older: Hogwild)
// A Part is 1 or 4 neighbouring floats of a row. Letters: h mean of the feature rows, g its update.
#pragma once

#include "algorithms/blazingtext/cuda/api.h"

#ifdef __CUDACC__
#define CLARY_DEVICE __device__
#else
#define CLARY_DEVICE
#endif

namespace clary::blazingtext::cuda {

inline constexpr std::int32_t kRowsAtOnce = 6;  // a true word and the usual five negatives

template <int kWidth>
struct alignas(4 * kWidth) Part {
  static constexpr int width = kWidth;
  float v[kWidth];
};

template <int kWidth>
CLARY_DEVICE inline void add_scaled(Part<kWidth>& to, float factor, const Part<kWidth>& x) {
  for (int i = 0; i < kWidth; ++i) to.v[i] += factor * x.v[i];
}

template <int kWidth>
CLARY_DEVICE inline void scale(Part<kWidth>& x, float factor) {
  for (int i = 0; i < kWidth; ++i) x.v[i] *= factor;
}

template <int kWidth>
CLARY_DEVICE inline float dot(const Part<kWidth>& a, const Part<kWidth>& b) {
  float sum = 0;
  for (int i = 0; i < kWidth; ++i) sum += a.v[i] * b.v[i];
  return sum;
}

/// Where a row begins, in parts.
template <class Part>
CLARY_DEVICE inline Part* row_of(float* matrix, std::int32_t stride, std::int32_t row) {
  return reinterpret_cast<Part*>(matrix + static_cast<std::int64_t>(row) * stride);
}

/// h = mean of the rows of E that `features` walks over.
template <class Warp, class Features>
CLARY_DEVICE void mean_of(const Warp& warp, const Matrices& m, const Features& features, typename Warp::Part* h) {
  using Part = typename Warp::Part;
  warp.each(m.stride / Part::width, [&](std::int32_t n) {
    Part sum{};
    std::int32_t count = 0;
    features([&](std::int32_t row) {
      add_scaled(sum, 1.0f, warp.load(row_of<Part>(m.input, m.stride, row) + n));
      ++count;
    });
    scale(sum, 1.0f / static_cast<float>(count));
    h[n] = sum;
  });
}

/// The rows of E that `features` walks over += g.
template <class Warp, class Features>
CLARY_DEVICE void add_to(const Warp& warp, const Matrices& m, const Features& features, const typename Warp::Part* g) {
  using Part = typename Warp::Part;
  warp.each(m.stride / Part::width, [&](std::int32_t n) {
    const Part part = g[n];
    features([&](std::int32_t row) { warp.add(row_of<Part>(m.input, m.stride, row) + n, part); });
  });
}

/// totals[r] = row(r) . h for r < count; the first row again for r in [count, kRowsAtOnce)
template <class Warp, class Row>
CLARY_DEVICE void scores_of(const Warp& warp, const Matrices& m, const Row& row, std::int32_t count,
                            const typename Warp::Part* h, float (&totals)[kRowsAtOnce]) {
  using Part = typename Warp::Part;
  const Part* rows[kRowsAtOnce];
  for (std::int32_t r = 0; r < kRowsAtOnce; ++r) rows[r] = row_of<Part>(m.output, m.stride, row(r < count ? r : 0));
  warp.template sums<kRowsAtOnce>(m.stride / Part::width, totals, [&](std::int32_t n, float(&sums)[kRowsAtOnce]) {
    const Part x = h[n];
    for (std::int32_t r = 0; r < kRowsAtOnce; ++r) sums[r] += dot(warp.load(rows[r] + n), x);
  });
}

/// g = (g +) sum_r a[r] row(r);  row(r) += a[r] h;  r < count, at most kRowsAtOnce
template <class Warp, class Row>
CLARY_DEVICE void learn_rows(const Warp& warp, const Matrices& m, const Row& row, std::int32_t count,
                             const float (&a)[kRowsAtOnce], const typename Warp::Part* h, typename Warp::Part* g,
                             bool accumulate) {
  using Part = typename Warp::Part;
  Part* rows[kRowsAtOnce];
  for (std::int32_t r = 0; r < kRowsAtOnce; ++r) rows[r] = row_of<Part>(m.output, m.stride, row(r < count ? r : 0));
  warp.each(m.stride / Part::width, [&](std::int32_t n) {
    const Part x = h[n];
    Part sum = accumulate ? g[n] : Part{};
    for (std::int32_t r = 0; r < kRowsAtOnce; ++r) {  // of constant length: a and rows stay in registers
      if (r >= count) break;
      add_scaled(sum, a[r], warp.load(rows[r] + n));
      Part step = x;
      scale(step, a[r]);
      warp.add(rows[r] + n, step);
    }
    g[n] = sum;
  });
}

// ---- skip-gram and cbow

/// The window of one position: [begin, end) without the position itself.
struct Window {
  std::int32_t begin, end;
  std::uint64_t draws;  // what the negatives' random numbers follow from
};

/// Up to 1 .. work.window words on either side, all reaches alike likely, within the sentence.
CLARY_DEVICE inline Window window_of(const PairWork& work, const PairChunk& chunk, std::int32_t position) {
  SplitMix64 random(work.seed, chunk.first + static_cast<std::uint64_t>(position));
  const std::int64_t reach = 1 + static_cast<std::int64_t>(random.below(static_cast<std::uint32_t>(work.window)));
  Window out{position, position + 1, random.next()};
  while (out.begin > 0 && position - out.begin < reach && chunk.ids[out.begin - 1] >= 0) --out.begin;
  while (out.end < chunk.count && out.end - position <= reach && chunk.ids[out.end] >= 0) ++out.end;
  return out;
}

/// Word t of pair p of a position: the true word for t = 0, else a negative.
CLARY_DEVICE inline std::int32_t target_of(const PairWork& work, const Window& window, std::int32_t p, std::int32_t t,
                                           std::int32_t word) {
  if (t == 0) return word;
  SplitMix64 random(window.draws, static_cast<std::uint64_t>(p) * static_cast<std::uint64_t>(work.negatives) +
                                      static_cast<std::uint64_t>(t));
  return work.negative_words.draw_other(word, random);
}

/// Calls use(row) for the rows of E that stand for a word.
template <class Use>
CLARY_DEVICE inline void for_each_row(const WordRowTable& table, std::int32_t word, const Use& use) {
  if (table.rows == nullptr) return use(word);
  for (std::int64_t at = word == 0 ? 0 : table.ends[word - 1]; at < table.ends[word]; ++at) use(table.rows[at]);
}

inline std::size_t pair_scratch_floats(std::int32_t stride, std::int32_t negatives) {
  return static_cast<std::size_t>(3 * stride + (1 + negatives + 15) / 16 * 16);
}

/// One pair: the rows of O of a true word and its negatives; total = (total +) g, h += feedback g.
/// Scores of six rows at a time are taken before these are moved.
template <class Warp>
CLARY_DEVICE void learn_pair(const Warp& warp, const Matrices& m, const std::int32_t* targets, std::int32_t count,
                             float rate, float feedback, bool first, typename Warp::Part* h) {
  using Part = typename Warp::Part;
  const std::int32_t parts = m.stride / Part::width;
  Part *const g = h + parts, *const total = g + parts;
  for (std::int32_t at = 0; at < count; at += kRowsAtOnce) {
    const std::int32_t rows = count - at < kRowsAtOnce ? count - at : kRowsAtOnce;
    const auto row = [&](std::int32_t r) { return targets[at + r]; };
    float a[kRowsAtOnce];
    scores_of(warp, m, row, rows, h, a);
    for (std::int32_t r = 0; r < kRowsAtOnce; ++r)
      a[r] = rate * ((at + r == 0 ? 1.0f : 0.0f) - 1.0f / (1.0f + warp.exp(-a[r])));
    learn_rows(warp, m, row, rows, a, h, g, at > 0);
  }
  warp.each(parts, [&](std::int32_t n) {
    const Part step = g[n];
    Part sum = first ? Part{} : total[n];
    add_scaled(sum, 1.0f, step);
    total[n] = sum;
    add_scaled(h[n], feedback, step);
  });
}

/// One centre: kernels::train_pairs()'s step, with the window and the negatives drawn here.
/// @param scratch  pair_scratch_floats(), of this warp alone, aligned to 16 bytes
template <class Warp>
CLARY_DEVICE void learn_position(const Warp& warp, const Matrices& m, const PairWork& work, const PairChunk& chunk,
                                 std::int32_t position, float* scratch) {
  using Part = typename Warp::Part;
  const std::int32_t word = chunk.ids[position];
  if (word < 0) return;
  const Window window = window_of(work, chunk, position);
  if (window.end - window.begin < 2) return;
  auto* const h = reinterpret_cast<Part*>(scratch);
  const Part* const total = h + 2 * (m.stride / Part::width);
  auto* const targets = reinterpret_cast<std::int32_t*>(scratch + 3 * m.stride);
  const auto features = [&](const auto& use) {
    if (!work.cbow) return for_each_row(work.word_rows, word, use);
    for (std::int32_t j = window.begin; j < window.end; ++j)
      if (j != position) for_each_row(work.word_rows, chunk.ids[j], use);
  };
  const float feedback = work.cbow || work.word_rows.rows == nullptr ? 1.0f : work.word_rows.feedback[word];
  mean_of(warp, m, features, h);
  std::int32_t pair = 0;
  for (std::int32_t j = work.cbow ? position : window.begin; j < (work.cbow ? position + 1 : window.end); ++j) {
    if (!work.cbow && j == position) continue;
    const std::int32_t true_word = chunk.ids[j];
    warp.sync();  // the last pair's targets are read
    warp.each(1 + work.negatives, [&](std::int32_t t) { targets[t] = target_of(work, window, pair, t, true_word); });
    warp.sync();
    learn_pair(warp, m, targets, 1 + work.negatives, chunk.rate, feedback, pair == 0, h);
    ++pair;
  }
  add_to(warp, m, features, total);
}

// ---- supervised

inline std::size_t line_scratch_floats(std::int32_t stride, std::int64_t labels) {
  return static_cast<std::size_t>(2 * stride + (labels + 15) / 16 * 16);
}

/// scores[k] = rate * ([k = label] - softmax(scores)_k)
template <class Warp>
CLARY_DEVICE void softmax_errors(const Warp& warp, std::int32_t labels, std::int32_t label, float rate, float* scores) {
  const float most = warp.max(labels, [&](std::int32_t k) { return scores[k]; });
  const float sum = warp.sum(labels, [&](std::int32_t k) { return scores[k] = warp.exp(scores[k] - most); });
  const float factor = -rate / sum;
  warp.each(labels, [&](std::int32_t k) { scores[k] = factor * scores[k] + (k == label ? rate : 0.0f); });
}

inline constexpr float kTableShift = 1.0f / 64;  // as in kernels/kernels.h

/// scores[k] = rate * ([k is a label of the line] - sigmoid(scores[k] - kTableShift))
template <class Warp>
CLARY_DEVICE void sigmoid_errors(const Warp& warp, std::int32_t labels, const std::int32_t* truths, std::int32_t count,
                                 float rate, float* scores) {
  warp.each(labels, [&](std::int32_t k) { scores[k] = -rate / (1.0f + warp.exp(kTableShift - scores[k])); });
  warp.sync();
  warp.each(count, [&](std::int32_t t) { scores[truths[t]] += rate; });
}

/// One line: kernels::train_examples()'s step, or kernels::train_all_labels()'s.
/// @param scratch  line_scratch_floats(), of this warp alone, aligned to 16 bytes
template <class Warp>
CLARY_DEVICE void learn_line(const Warp& warp, const Matrices& m, const LineChunk& chunk, std::int32_t number,
                             float* scratch) {
  using Part = typename Warp::Part;
  const Line line = chunk.lines[number];
  const auto labels = static_cast<std::int32_t>(m.output_rows);
  auto* const h = reinterpret_cast<Part*>(scratch);
  Part* const g = h + m.stride / Part::width;
  float* const scores = scratch + 2 * m.stride;
  const auto features = [&](const auto& use) {
    for (std::int32_t f = 0; f < line.features; ++f) use(chunk.features[line.first_feature + f]);
  };
  mean_of(warp, m, features, h);
  warp.sync();  // the last line's errors are read
  for (std::int32_t at = 0; at < labels; at += kRowsAtOnce) {
    const std::int32_t rows = labels - at < kRowsAtOnce ? labels - at : kRowsAtOnce;
    float s[kRowsAtOnce];
    scores_of(
        warp, m, [&](std::int32_t r) { return at + r; }, rows, h, s);
    if (warp.leads())
      for (std::int32_t r = 0; r < kRowsAtOnce; ++r)
        if (r < rows) scores[at + r] = s[r];
  }
  warp.sync();
  if (chunk.one_vs_all)
    sigmoid_errors(warp, labels, chunk.truths + line.first_truth, line.truths, chunk.rate, scores);
  else
    softmax_errors(warp, labels, line.label, chunk.rate, scores);
  warp.sync();
  for (std::int32_t at = 0; at < labels; at += kRowsAtOnce) {
    const std::int32_t rows = labels - at < kRowsAtOnce ? labels - at : kRowsAtOnce;
    float a[kRowsAtOnce];
    for (std::int32_t r = 0; r < kRowsAtOnce; ++r) a[r] = r < rows ? scores[at + r] : 0.0f;
    learn_rows(
        warp, m, [&](std::int32_t r) { return at + r; }, rows, a, h, g, at > 0);
  }
  const float share = 1.0f / static_cast<float>(line.features);
  warp.each(m.stride / Part::width, [&](std::int32_t n) { scale(g[n], share); });
  add_to(warp, m, features, g);
}

}  // namespace clary::blazingtext::cuda
