// SPDX-License-Identifier: Apache-2.0
// The arithmetic of the CUDA kernels on the host, against plain loops in double precision and against differences of
// the loss; and, where a GPU answers, on it.
#include "algorithms/blazingtext/cuda/bodies.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "algorithms/blazingtext/cuda/emulation.h"
#include "algorithms/blazingtext/cuda/gpu.h"
#include "algorithms/blazingtext/kernels/testing_reference.h"
#include "algorithms/blazingtext/train/pair_learner.h"
#include "algorithms/blazingtext/train/weights.h"
#include "base/error.h"
#include "base/files.h"

namespace clary::blazingtext::cuda {
namespace {

using reference::Twin;

Matrices matrices_of(Twin& input, Twin& output) {
  return {input.fast.values.data(), output.fast.values.data(), input.fast.rows, output.fast.rows,
          static_cast<std::int32_t>(input.fast.stride)};
}

/// Every float has moved by -rate times the loss's gradient.
template <class Loss>
void check_gradient(const reference::Matrix& before, const TrainingMatrix& after, double rate, const Loss& loss) {
  reference::Matrix at = before;
  for (std::int64_t r = 0; r < at.rows; ++r) {
    for (std::int64_t n = 0; n < at.columns; ++n) {
      const double x = at.row(r)[n], e = 1e-5;
      at.row(r)[n] = x + e;
      const double above = loss(at);
      at.row(r)[n] = x - e;
      const double below = loss(at);
      at.row(r)[n] = x;
      EXPECT_NEAR(static_cast<double>(after.row(r)[n]) - x, -rate * (above - below) / (2 * e), 3e-6);
    }
  }
}

constexpr std::int32_t kWords = 30;

/// Sentences of one to nine words, and everything that is drawn from.
struct Text {
  std::vector<std::int32_t> ids;
  NegativeSampler negatives;
  WordRows rows;

  explicit Text(bool subwords) : negatives(std::vector<std::int64_t>(kWords, 7)) {
    SplitMix64 random(3);
    while (ids.size() < 150) {
      for (std::uint32_t n = 1 + random.below(9); n > 0; --n)
        ids.push_back(static_cast<std::int32_t>(random.below(kWords)));
      ids.push_back(kSentenceEnd);
    }
    if (!subwords) return;
    std::vector<std::int32_t> list;
    std::vector<std::int64_t> ends;
    for (std::int32_t w = 0; w < kWords; ++w) {
      list.push_back(w);
      for (std::uint32_t n = random.below(4); n > 0; --n)  // some of them twice
        list.push_back(static_cast<std::int32_t>(kWords + random.below(4)));
      ends.push_back(static_cast<std::int64_t>(list.size()));
    }
    rows = WordRows(std::move(list), std::move(ends));
  }
  PairWork work(bool cbow, std::int32_t negative_count) const {
    return {negatives.table(), rows.table(), cbow, 4, negative_count, 11};
  }
  PairChunk chunk(float rate) const { return {ids.data(), static_cast<std::int32_t>(ids.size()), 1000, rate}; }
};

/// What learn_position() is to do at every position, as steps for the plain loops.
struct Steps {
  std::vector<std::int32_t> features, targets;
  std::vector<kernels::Step> steps;
  std::int32_t targets_per_pair;

  Steps(const Text& text, const PairWork& work) : targets_per_pair(1 + work.negatives) {
    const PairChunk chunk = text.chunk(0);
    for (std::int32_t i = 0; i < chunk.count; ++i) {
      if (chunk.ids[i] == kSentenceEnd) continue;
      const Window window = window_of(work, chunk, i);
      std::vector<std::int32_t> others(chunk.ids + window.begin, chunk.ids + window.end);
      others.erase(others.begin() + (i - window.begin));
      if (others.empty()) continue;
      const std::vector<std::int32_t> centre{chunk.ids[i]};
      add(text, work, window, work.cbow ? others : centre, work.cbow ? centre : others);
    }
  }
  kernels::Plan view() const { return {features, targets, steps, targets_per_pair}; }

 private:
  void add(const Text& text, const PairWork& work, const Window& window, const std::vector<std::int32_t>& inputs,
           const std::vector<std::int32_t>& words) {
    kernels::Step step;
    step.first_feature = static_cast<std::int32_t>(features.size());
    step.first_pair = static_cast<std::int32_t>(targets.size());
    step.pairs = static_cast<std::int32_t>(words.size());
    for (const std::int32_t word : inputs) {
      if (!text.rows.has_ngrams()) features.push_back(word);
      for (const std::int32_t row : text.rows.has_ngrams() ? text.rows.of(word) : std::span<const std::int32_t>())
        features.push_back(row);
    }
    step.features = static_cast<std::int32_t>(features.size()) - step.first_feature;
    for (std::int32_t p = 0; p < step.pairs; ++p)
      for (std::int32_t t = 0; t < targets_per_pair; ++t)
        targets.push_back(target_of(work, window, p, t, words[static_cast<std::size_t>(p)]));
    steps.push_back(step);
  }
};

template <int kWidth>
void learn_all(const Matrices& m, const PairWork& work, const PairChunk& chunk, bool backwards) {
  numeric::Floats scratch(pair_scratch_floats(m.stride, work.negatives));
  for (std::int32_t i = 0; i < chunk.count; ++i)
    learn_position(HostWarp<kWidth>(backwards), m, work, chunk, i, scratch.data());
}

struct PairCase {
  const char* name;
  bool cbow, subwords;
};

class PairBody : public testing::TestWithParam<PairCase> {};

TEST_P(PairBody, AgreesWithPlainLoops) {
  const Text text(GetParam().subwords);
  for (const std::int64_t d : {1, 10, 16, 100, 300}) {
    for (const std::int32_t negatives : {1, 5, 6, 13}) {
      for (const bool backwards : {false, true}) {
        SCOPED_TRACE("d=" + std::to_string(d) + " negatives=" + std::to_string(negatives));
        const PairWork work = text.work(GetParam().cbow, negatives);
        Twin input(kWords + 4, d, 0.5, 1), output(kWords, d, 0.5, 2);
        const Matrices m = matrices_of(input, output);
        backwards ? learn_all<1>(m, work, text.chunk(0.1f), true) : learn_all<4>(m, work, text.chunk(0.1f), false);
        reference::train_pairs(Steps(text, work).view(), input.plain, output.plain, 0.1f, kRowsAtOnce);
        EXPECT_LT(input.worst_difference(), 3e-5);
        EXPECT_LT(output.worst_difference(), 3e-5);
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Modes, PairBody,
                         testing::Values(PairCase{"skipgram", false, false}, PairCase{"cbow", true, false},
                                         PairCase{"skipgram_subwords", false, true},
                                         PairCase{"cbow_subwords", true, true}),
                         [](const auto& one) { return one.param.name; });

TEST(PairBody, UpdateIsTheNegativeGradientByCentralDifferences) {
  const std::int32_t ids[] = {3, 5, kSentenceEnd};
  const Text text(false);
  const PairWork work = text.work(false, 4);
  const PairChunk chunk{ids, 3, 0, 0.01f};
  Twin input(kWords, 12, 0.8, 3), output(kWords, 12, 0.8, 4);
  const reference::Matrix input_before = input.plain, output_before = output.plain;
  numeric::Floats scratch(pair_scratch_floats(16, 4));
  learn_position(HostWarp<4>(), matrices_of(input, output), work, chunk, 0, scratch.data());

  const Window window = window_of(work, chunk, 0);
  const auto loss = [&](const reference::Matrix& in, const reference::Matrix& out) {
    double sum = 0;
    for (std::int32_t t = 0; t < 5; ++t) {
      const double score = reference::dot(out.row(target_of(work, window, 0, t, 5)), in.row(3), 12);
      sum -= std::log(reference::sigmoid(t == 0 ? score : -score));
    }
    return sum;
  };
  check_gradient(output_before, output.fast, 0.01, [&](const auto& at) { return loss(input_before, at); });
  check_gradient(input_before, input.fast, 0.01, [&](const auto& at) { return loss(at, output_before); });
}

TEST(Window, HasEveryReachAlikeOftenAndStaysInItsSentence) {
  std::vector<std::int32_t> ids(40'000, 1);
  for (std::size_t i = 0; i < ids.size(); i += 20) ids[i] = kSentenceEnd;
  const Text text(false);
  const PairWork work = text.work(false, 5);
  const PairChunk chunk{ids.data(), static_cast<std::int32_t>(ids.size()), 77, 0};
  std::vector<double> share(5);
  for (std::int32_t i = 0; i < chunk.count; ++i) {
    if (ids[static_cast<std::size_t>(i)] == kSentenceEnd) continue;
    const Window window = window_of(work, chunk, i);
    for (std::int32_t j = window.begin; j < window.end; ++j) ASSERT_NE(ids[static_cast<std::size_t>(j)], kSentenceEnd);
    if (i % 20 != 10) continue;  // in the middle nothing cuts the window
    EXPECT_EQ(i - window.begin, window.end - 1 - i);
    share[static_cast<std::size_t>(i - window.begin)] += 20.0 / chunk.count;
  }
  EXPECT_EQ(share[0], 0);
  for (std::size_t reach = 1; reach <= 4; ++reach) EXPECT_NEAR(share[reach], 0.25, 0.04);  // 4 standard deviations
}

TEST(Targets, AreTheTrueWordAndOthersByTheirProbability) {
  const std::vector<std::int64_t> counts{16, 1, 1, 1};
  const NegativeSampler negatives(counts, 0.5);  // 4 : 1 : 1 : 1
  const PairWork work{negatives.table(), {}, false, 5, 5, 1};
  std::vector<double> share(4);
  for (std::uint64_t draws = 0; draws < 20'000; ++draws)
    for (std::int32_t t = 0; t <= 5; ++t) {
      const std::int32_t word = target_of(work, {0, 1, draws * 0x9e3779b97f4a7c15ULL}, 2, t, 1);
      ASSERT_TRUE(t > 0 || word == 1);
      if (t > 0) share[static_cast<std::size_t>(word)] += 1.0 / 100'000;
    }
  EXPECT_NEAR(share[0], 4.0 / 6, 0.01);
  EXPECT_EQ(share[1], 0);
  EXPECT_NEAR(share[2], 1.0 / 6, 0.01);
}

/// Lines of one to twenty features and some labels.
struct Lines {
  std::vector<std::int32_t> features, truths;
  std::vector<Line> lines;
  std::vector<kernels::Example> examples;  // the same
  std::int32_t labels;
  bool one_vs_all;

  Lines(int count, std::int32_t k, std::uint32_t rows, bool ova) : labels(k), one_vs_all(ova) {
    SplitMix64 random(9);
    for (int i = 0; i < count; ++i) {
      Line line{static_cast<std::int32_t>(features.size()), 1 + static_cast<std::int32_t>(random.below(20)),
                static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(k))),
                static_cast<std::int32_t>(truths.size()), 0};
      for (int f = 0; f < line.features; ++f) features.push_back(static_cast<std::int32_t>(random.below(rows)));
      for (std::int32_t label = line.label; label < k && line.truths < 3; label += 2, ++line.truths)
        truths.push_back(label);
      lines.push_back(line);
      examples.push_back({line.first_feature, line.features, line.label, line.first_truth, line.truths});
    }
  }
  LineChunk chunk(float rate) const {
    const auto count = [](const auto& list) { return static_cast<std::int32_t>(list.size()); };
    return {features.data(), truths.data(), lines.data(), count(features),
            count(truths),   count(lines),  one_vs_all,   rate};
  }
  void learn_plainly(reference::Matrix& input, reference::Matrix& output, float rate) const {
    const kernels::ExamplePlan plan{features, examples, labels, truths};
    const auto learn = one_vs_all ? reference::train_all_labels : reference::train_examples;
    learn(plan, input, output, static_cast<double>(rate));
  }
};

template <int kWidth>
void learn_all(const Matrices& m, const LineChunk& chunk, bool backwards) {
  numeric::Floats scratch(line_scratch_floats(m.stride, m.output_rows));
  for (std::int32_t i = 0; i < chunk.line_count; ++i)
    learn_line(HostWarp<kWidth>(backwards), m, chunk, i, scratch.data());
}

TEST(LineBody, AgreesWithPlainLoops) {
  for (const std::int64_t d : {1, 10, 16, 100, 300}) {
    for (const std::int32_t labels : {1, 2, 4, 6, 14, 40}) {
      for (const bool one_vs_all : {false, true}) {
        SCOPED_TRACE("d=" + std::to_string(d) + " labels=" + std::to_string(labels) +
                     (one_vs_all ? " one-vs-all" : ""));
        const Lines lines(60, labels, 50, one_vs_all);
        for (const bool backwards : {false, true}) {
          Twin input(50, d, 1, 1), output(labels, d, 1, 2);
          const Matrices m = matrices_of(input, output);
          backwards ? learn_all<1>(m, lines.chunk(0.2f), true) : learn_all<4>(m, lines.chunk(0.2f), false);
          lines.learn_plainly(input.plain, output.plain, 0.2f);
          EXPECT_LT(input.worst_difference(), 1e-4);
          EXPECT_LT(output.worst_difference(), 1e-4);
        }
      }
    }
  }
}

TEST(LineBody, UpdateIsTheNegativeGradientByCentralDifferences) {
  const Lines lines(1, 5, 8, false);
  Twin input(8, 10, 1, 3), output(5, 10, 1, 4);
  const reference::Matrix input_before = input.plain, output_before = output.plain;
  learn_all<4>(matrices_of(input, output), lines.chunk(0.01f), false);
  const auto loss = [&](const reference::Matrix& in, const reference::Matrix& out) {
    return -std::log(reference::softmax_scores(
        out, reference::mean_of(in, lines.features))[static_cast<std::size_t>(lines.lines[0].label)]);
  };
  check_gradient(output_before, output.fast, 0.01, [&](const auto& at) { return loss(input_before, at); });
  check_gradient(input_before, input.fast, 0.01, [&](const auto& at) { return loss(at, output_before); });
}

/// The GPU of this machine; skips the test, and says why, where there is none.
#define CLARY_GPU_OR_SKIP(gpu)                            \
  std::unique_ptr<Gpu> gpu;                               \
  try {                                                   \
    gpu = Gpu::open(CLARY_CUDA_MODULE);                   \
  } catch (const Error& error) {                          \
    GTEST_SKIP() << "not run on a GPU: " << error.what(); \
  }

TEST(OnTheGpu, OneWarpLearnsPairsAsTheHostDoes) {
  CLARY_GPU_OR_SKIP(gpu)
  for (const bool cbow : {false, true}) {
    for (const bool subwords : {false, true}) {
      for (const std::int64_t d : {10, 100, 2048}) {
        SCOPED_TRACE("cbow=" + std::to_string(cbow) + " subwords=" + std::to_string(subwords) +
                     " d=" + std::to_string(d));
        const Text text(subwords);
        const PairWork work = text.work(cbow, 7);
        Twin input(kWords + 4, d, 0.5, 1), output(kWords, d, 0.5, 2);
        const Matrices m = matrices_of(input, output);
        gpu->begin_pairs(m, work, 1);
        gpu->learn(text.chunk(0.05f));
        gpu->fetch(m);
        reference::train_pairs(Steps(text, work).view(), input.plain, output.plain, 0.05f, kRowsAtOnce);
        EXPECT_LT(input.worst_difference(), 1e-4);
        EXPECT_LT(output.worst_difference(), 1e-4);
      }
    }
  }
}

TEST(OnTheGpu, OneWarpLearnsLinesAsTheHostDoes) {
  CLARY_GPU_OR_SKIP(gpu)
  for (const std::int32_t labels : {2, 14, 20'000}) {  // the last one's scores leave the shared memory
    const Lines lines(60, labels, 50, labels == 14);
    Twin input(50, 100, 1, 1), output(labels, 100, 1, 2);
    const Matrices m = matrices_of(input, output);
    gpu->begin_lines(m, m.input_rows, 1);
    gpu->learn(lines.chunk(0.2f));
    gpu->fetch(m);
    lines.learn_plainly(input.plain, output.plain, 0.2f);
    EXPECT_LT(input.worst_difference(), 2e-4) << labels;
    EXPECT_LT(output.worst_difference(), 2e-4) << labels;
  }
}

TEST(Gpu, SaysWhatIsMissing) {
  const auto problem = [](const std::filesystem::path& module) -> std::string {
    try {
      Gpu::open(module);
      return "";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), Kind::kUnavailable);
      return error.what();
    }
  };
  TemporaryFolder folder;
  EXPECT_NE(problem(folder.path() / "blazingtext_cuda.so").find("this build of Clary has no CUDA module"),
            std::string::npos);
  write_file_atomically(folder.path() / "broken.so", "no library");
  EXPECT_NE(problem(folder.path() / "broken.so").find("its CUDA module cannot be loaded: "), std::string::npos);
  if (std::filesystem::exists(CLARY_CUDA_MODULE) && !std::filesystem::exists("/dev/nvidiactl")) {
    EXPECT_EQ(problem(CLARY_CUDA_MODULE), "no NVIDIA driver answers");
  }
}

}  // namespace
}  // namespace clary::blazingtext::cuda
