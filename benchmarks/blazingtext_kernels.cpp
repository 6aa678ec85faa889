// SPDX-License-Identifier: Apache-2.0
// How near BlazingText's inner loops are to the machine: tokens and words per second of the reader, and
// batch_skipgram's kernel beside two limits of the same core: multiply-adds (a large matrix product) and memory (the
// rows of O that learning touches, only read and written). One thread.
// usage: blazingtext_kernels <text> [dimension=100] [vocabulary=70000]
#include <fmt/format.h>

#include <chrono>
#include <cstdio>
#include <string>

#include "algorithms/blazingtext/data/corpus.h"
#include "algorithms/blazingtext/data/vocabulary.h"
#include "algorithms/blazingtext/train/weights.h"
#include "base/split_mix.h"
#include "learning/numeric/gemm.h"

namespace clary::blazingtext {
namespace {

constexpr std::int32_t kInputs = 6, kSamples = 6;  // the mean window of 5 to each side; one true word and 5 negatives

template <class F>
double seconds(F&& f) {
  const auto start = std::chrono::steady_clock::now();
  f();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// Best of five.
template <class F>
double best_seconds(F&& f) {
  double best = 1e9;
  for (int i = 0; i < 5; ++i) best = std::min(best, seconds(f));
  return best;
}

void reading(const std::string& path) {
  const Corpus corpus = corpus_of({{path, path}}, path);
  const double mb = static_cast<double>(corpus.bytes) / 1e6;
  TextBlock block;
  std::vector<Token> tokens;
  std::int64_t count = 0;
  const double tokenising = best_seconds([&] {
    const auto source = corpus.open({});
    while (source->next(block)) {
      Tokenizer tokenizer(block.text());
      while (tokenizer.next(tokens)) count += static_cast<std::int64_t>(tokens.size());
    }
  });
  numeric::Team one(1);
  Vocabulary vocabulary;
  const double counting = best_seconds([&] { vocabulary = build_vocabulary(*corpus.open({}), one, {}); });
  Lookup lookup(vocabulary.table);
  std::vector<std::int32_t> ids;
  const double looking = best_seconds([&] {
    const auto source = corpus.open({});
    while (source->next(block)) {
      Tokenizer tokenizer(block.text());
      while (tokenizer.next(tokens)) lookup.find(block.text(), tokens, -1, ids);
    }
  });
  fmt::print(
      "reading and tokenising {:.0f} MB/s, counting words {:.0f} MB/s, looking words up {:.0f} MB/s ({} tokens)\n",
      mb / tokenising, mb / counting, mb / looking, count / 5);
}

struct Plan {
  std::vector<std::int32_t> inputs;
  std::vector<kernels::Sample> samples;
  std::vector<kernels::Block> blocks;
  kernels::BlockPlan view() const { return {inputs, samples, blocks, kInputs, kSamples}; }
};

/// Windows that move on by one word over a vocabulary of which `words` are used, all equally often.
Plan plan_over(std::int64_t words, int count) {
  SplitMix64 random(1);
  Plan out;
  std::vector<std::int32_t> text;
  for (int i = 0; i < count + kInputs; ++i)
    text.push_back(static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(words))));
  for (int i = 0; i < count; ++i) {
    out.blocks.push_back({i * kInputs, kInputs, i * kSamples, kSamples});
    for (int j = 0; j < kInputs; ++j) out.inputs.push_back(text[static_cast<std::size_t>(i + j)]);
    for (int s = 0; s < kSamples; ++s)
      out.samples.push_back({static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(words))), 1});
  }
  return out;
}

/// Reads and writes rows of O in the plan's order: what learning must move when all arithmetic is free.
double touch_rows(const Plan& plan, TrainingMatrix& output) {
  return best_seconds([&] {
    for (std::size_t i = 0; i < plan.samples.size(); ++i) {
      if (i + 12 < plan.samples.size())
        for (std::int64_t n = 0; n < output.stride; n += 16)
          __builtin_prefetch(output.row(plan.samples[i + 12].row) + n, 1, 3);
      float* row = output.row(plan.samples[i].row);
      for (std::int64_t n = 0; n < output.stride; ++n) row[n] += 1e-9f;
    }
  });
}

/// GFLOP/s of a product whose operands stay in the second-level cache.
double gemm_limit() {
  constexpr std::int64_t kRows = 96, kWidth = 256, kDepth = 256;
  constexpr int kTimes = 20;
  const numeric::Floats a(kRows * kDepth, 1e-3f), b(kDepth * kWidth, 1e-3f);
  numeric::Floats c(kRows * kWidth, 0.0f);
  const double time = best_seconds([&] {
    for (int i = 0; i < kTimes; ++i)
      numeric::gemm_nn(kRows, kWidth, kDepth, a.data(), kDepth, b.data(), kWidth, c.data(), kWidth, true);
  });
  return 2.0 * kRows * kWidth * kDepth * kTimes / time / 1e9;
}

void blocks(std::int64_t dim, std::int64_t vocabulary) {
  constexpr int kCount = 50'000;
  numeric::Team one(1);
  TrainingMatrix input(vocabulary, dim, one), output(vocabulary, dim, one);
  input.fill_uniform(0.01f, 1, one);
  output.fill_uniform(0.01f, 2, one);
  numeric::Floats scratch(kernels::block_scratch(input.stride, kInputs, kSamples));
  const kernels::Weights weights{input.values.data(), output.values.data(), input.stride};
  const double flops = 3.0 * 2 * kInputs * kSamples * static_cast<double>(dim) * kCount;
  const double bytes = 2.0 * kSamples * static_cast<double>(output.stride) * sizeof(float) * kCount;
  const auto learn = [&](const Plan& plan) {
    return best_seconds([&] { kernels::train_blocks(plan.view(), weights, 1e-6f, scratch.data()); });
  };
  const Plan near = plan_over(20, kCount), far = plan_over(vocabulary, kCount);
  const double in_cache = learn(near), anywhere = learn(far), memory = touch_rows(far, output), gemm = gemm_limit();
  const double arithmetic = flops / gemm / 1e9;
  fmt::print("limits of this core: matrix product {:.0f} GFLOP/s; rows read and written {:.1f} GB/s\n", gemm,
             bytes / memory / 1e9);
  const auto print = [&](const std::string& rows, double time) {
    fmt::print("batch_skipgram, {}: {:.0f} ns a position, {:.1f} GFLOP/s = {:.0f} % of the matrix product", rows,
               time / kCount * 1e9, flops / time / 1e9, 100 * arithmetic / time);
  };
  print("20 rows in the first-level cache", in_cache);
  fmt::print("\n");
  print(fmt::format("rows anywhere among {} words", vocabulary), anywhere);
  fmt::print(", {:.1f} GB/s = {:.0f} % of memory\n", bytes / anywhere / 1e9, 100 * memory / anywhere);
  fmt::print(
      "a position at the limits: {:.0f} ns of arithmetic, {:.0f} ns of memory; {:.0f} % of the two one after the "
      "other\n",
      arithmetic / kCount * 1e9, memory / kCount * 1e9, 100 * (arithmetic + memory) / anywhere);
}

}  // namespace
}  // namespace clary::blazingtext

int main(int argc, char** argv) {
  if (argc < 2) return std::fputs("usage: blazingtext_kernels <text> [dimension] [vocabulary]\n", stderr), 2;
  try {
    clary::blazingtext::reading(argv[1]);
    clary::blazingtext::blocks(argc > 2 ? std::stoll(argv[2]) : 100, argc > 3 ? std::stoll(argv[3]) : 70'000);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
