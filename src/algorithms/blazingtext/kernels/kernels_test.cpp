// SPDX-License-Identifier: Apache-2.0
// Every kernel against plain loops in double precision, for dimensions on both sides of the vector lengths.
#include "algorithms/blazingtext/kernels/kernels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <string>

#include "algorithms/blazingtext/data/ngrams.h"
#include "algorithms/blazingtext/kernels/testing_reference.h"
#include "algorithms/blazingtext/train/weights.h"
#include "base/split_mix.h"

namespace clary::blazingtext {
namespace {

using reference::Twin;

/// Steps with `features` rows each (some twice) and up to three pairs.
struct RandomPlan {
  std::vector<std::int32_t> features, targets;
  std::vector<kernels::Step> steps;
  std::int32_t targets_per_pair;

  RandomPlan(int count, int features_each, bool one_pair, std::int32_t negatives, std::uint32_t rows)
      : targets_per_pair(1 + negatives) {
    SplitMix64 random(7);
    for (int s = 0; s < count; ++s) {
      kernels::Step step{static_cast<std::int32_t>(features.size()), features_each,
                         static_cast<std::int32_t>(targets.size()),
                         one_pair ? 1 : static_cast<std::int32_t>(1 + random.below(3)), 1};
      std::vector<int> times(rows);
      for (int f = 0; f < features_each; ++f) {
        features.push_back(static_cast<std::int32_t>(random.below(rows)));
        ++times[static_cast<std::size_t>(features.back())];
      }
      step.feedback = 0;
      for (const int n : times) step.feedback += static_cast<float>(n * n) / static_cast<float>(features_each);
      for (std::int32_t t = 0; t < step.pairs * targets_per_pair; ++t)
        targets.push_back(static_cast<std::int32_t>(random.below(rows)));
      steps.push_back(step);
    }
  }
  kernels::Plan view() const { return {features, targets, steps, targets_per_pair}; }
};

TEST(PairKernel, AgreesWithPlainLoopsThatReadFeaturesAnewForEveryPair) {
  for (const std::int64_t d : {1, 10, 16, 17, 100, 300}) {
    for (const std::int32_t negatives : {1, 4, 5, 6, 13, 25}) {
      for (const int features : {1, 7}) {
        SCOPED_TRACE("d=" + std::to_string(d) + " negatives=" + std::to_string(negatives) +
                     " features=" + std::to_string(features));
        const RandomPlan plan(40, features, false, negatives, 30);
        Twin input(30, d, 0.5, 1), output(30, d, 0.5, 2);
        numeric::Floats scratch(kernels::pair_scratch(input.fast.stride, plan.targets_per_pair));
        kernels::train_pairs(plan.view(), {input.fast.values.data(), output.fast.values.data(), input.fast.stride},
                             0.1f, scratch.data());
        reference::train_pairs(plan.view(), input.plain, output.plain, 0.1f);
        EXPECT_LT(input.worst_difference(), 2e-5);
        EXPECT_LT(output.worst_difference(), 2e-5);
      }
    }
  }
}

/// -log sigma(o_0 . h) - sum_t log sigma(-o_t . h), h the mean of the features
double pair_loss(const reference::Matrix& input, const reference::Matrix& output,
                 std::span<const std::int32_t> features, std::span<const std::int32_t> targets) {
  std::vector<double> h(static_cast<std::size_t>(input.columns));
  for (const std::int32_t f : features)
    for (std::size_t n = 0; n < h.size(); ++n) h[n] += input.row(f)[n] / static_cast<double>(features.size());
  double loss = 0;
  for (std::size_t t = 0; t < targets.size(); ++t) {
    const double score = reference::dot(output.row(targets[t]), h.data(), input.columns);
    loss -= std::log(reference::sigmoid(t == 0 ? score : -score));
  }
  return loss;
}

TEST(PairKernel, UpdateIsTheNegativeGradientByCentralDifferences) {
  const std::int64_t d = 12;
  const std::vector<std::int32_t> features{3, 1, 4}, targets{0, 5, 2, 7};
  const std::vector<kernels::Step> steps{{0, 3, 0, 1, 1}};
  Twin input(8, d, 0.8, 3), output(8, d, 0.8, 4);
  const Twin input_before = input, output_before = output;
  const float rate = 0.01f;
  numeric::Floats scratch(kernels::pair_scratch(input.fast.stride, 4));
  kernels::train_pairs({features, targets, steps, 4},
                       {input.fast.values.data(), output.fast.values.data(), input.fast.stride}, rate, scratch.data());
  const auto check = [&](reference::Matrix at, const TrainingMatrix& before, const TrainingMatrix& after, bool is_input,
                         double scale) {
    for (std::int64_t r = 0; r < at.rows; ++r) {
      for (std::int64_t n = 0; n < d; ++n) {
        const double x = at.row(r)[n], e = 1e-5;
        const auto loss = [&](double value) {
          at.row(r)[n] = value;
          return is_input ? pair_loss(at, output_before.plain, features, targets)
                          : pair_loss(input_before.plain, at, features, targets);
        };
        const double gradient = (loss(x + e) - loss(x - e)) / (2 * e);
        at.row(r)[n] = x;
        const double moved = static_cast<double>(after.row(r)[n]) - static_cast<double>(before.row(r)[n]);
        EXPECT_NEAR(moved, -static_cast<double>(rate) * scale * gradient, 2e-6) << r << "," << n;
      }
    }
  };
  check(output.plain = output_before.plain, output_before.fast, output.fast, false, 1);
  // Feature rows get the whole gradient of h, not their share 1/3 of it (fastText).
  check(input.plain = input_before.plain, input_before.fast, input.fast, true, 3);
}

/// Blocks of distinct inputs (unless `twice`) and distinct samples.
struct RandomBlocks {
  std::vector<std::int32_t> inputs;
  std::vector<kernels::Sample> samples;
  std::vector<kernels::Block> blocks;
  std::int32_t max_inputs, max_samples;

  RandomBlocks(int count, std::int32_t inputs_each, std::int32_t samples_each, std::uint32_t rows, bool twice)
      : max_inputs(inputs_each), max_samples(samples_each) {
    SplitMix64 random(3);
    std::vector<std::int32_t> deck(rows);
    std::iota(deck.begin(), deck.end(), 0);
    const auto shuffle = [&] {
      for (std::uint32_t i = rows; i > 1; --i) std::swap(deck[i - 1], deck[random.below(i)]);
    };
    for (int b = 0; b < count; ++b) {
      kernels::Block block{static_cast<std::int32_t>(inputs.size()),
                           1 + static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(inputs_each))),
                           static_cast<std::int32_t>(samples.size()),
                           1 + static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(samples_each)))};
      shuffle();
      for (std::int32_t i = 0; i < block.inputs; ++i)
        inputs.push_back(deck[static_cast<std::size_t>(twice ? i / 2 : i)]);
      shuffle();
      for (std::int32_t s = 0; s < block.samples; ++s)
        samples.push_back(
            {deck[static_cast<std::size_t>(s)], s == 0 ? 1 : 1 + static_cast<std::int32_t>(random.below(3))});
      blocks.push_back(block);
    }
  }
  kernels::BlockPlan view() const { return {inputs, samples, blocks, max_inputs, max_samples}; }
};

TEST(BlockKernel, AgreesWithPlainLoops) {
  for (const std::int64_t d : {1, 16, 100, 300}) {
    for (const std::int32_t inputs : {1, 3, 10, 32}) {
      for (const std::int32_t samples : {1, 6, 7, 26}) {
        for (const bool twice : {false, true}) {
          SCOPED_TRACE("d=" + std::to_string(d) + " inputs=" + std::to_string(inputs) +
                       " samples=" + std::to_string(samples) + (twice ? " twice" : ""));
          const RandomBlocks plan(20, inputs, samples, 40, twice);
          Twin input(40, d, 1.5, 1), output(40, d, 1.5, 2);
          numeric::Floats scratch(kernels::block_scratch(input.fast.stride, inputs, samples));
          const float rate = twice ? 0.001f : 0.02f;
          kernels::train_blocks(plan.view(), {input.fast.values.data(), output.fast.values.data(), input.fast.stride},
                                rate, scratch.data());
          reference::train_blocks(plan.view(), input.plain, output.plain, static_cast<double>(rate));
          // An input that is in a block twice differs by the square of the rate.
          EXPECT_LT(input.worst_difference(), twice ? 1e-3 : 5e-5);
          EXPECT_LT(output.worst_difference(), twice ? 1e-3 : 5e-5);
        }
      }
    }
  }
}

/// Lines of one to twenty features.
struct RandomExamples {
  std::vector<std::int32_t> features, truths;
  std::vector<kernels::Example> examples;
  std::int32_t labels;

  RandomExamples(int count, std::int32_t k, std::uint32_t rows) : labels(k) {
    SplitMix64 random(9);
    for (int i = 0; i < count; ++i) {
      kernels::Example example{static_cast<std::int32_t>(features.size()),
                               1 + static_cast<std::int32_t>(random.below(20)),
                               static_cast<std::int32_t>(random.below(static_cast<std::uint32_t>(k)))};
      for (int f = 0; f < example.features; ++f) features.push_back(static_cast<std::int32_t>(random.below(rows)));
      example.first_truth = static_cast<std::int32_t>(truths.size());
      for (std::int32_t label = 0; label < k; ++label)
        if (random.below(3) == 0) truths.push_back(label);
      example.truths = static_cast<std::int32_t>(truths.size()) - example.first_truth;
      examples.push_back(example);
    }
  }
  kernels::ExamplePlan view() const { return {features, examples, labels, truths}; }
};

TEST(ExampleKernel, AgreesWithPlainLoops) {
  for (const std::int64_t d : {1, 10, 16, 100, 300}) {
    for (const std::int32_t labels : {1, 2, 4, 14, 16, 17, 40}) {
      SCOPED_TRACE("d=" + std::to_string(d) + " labels=" + std::to_string(labels));
      const RandomExamples plan(60, labels, 50);
      Twin input(50, d, 1, 1), output(labels, d, 1, 2);
      numeric::Floats scratch(kernels::example_scratch(input.fast.stride, labels));
      const kernels::Weights weights{input.fast.values.data(), output.fast.values.data(), input.fast.stride};
      kernels::train_examples(plan.view(), weights, 0.2f, scratch.data());
      kernels::train_all_labels(plan.view(), weights, 0.2f, scratch.data());
      reference::train_examples(plan.view(), input.plain, output.plain, 0.2f);
      reference::train_all_labels(plan.view(), input.plain, output.plain, 0.2f);
      EXPECT_LT(input.worst_difference(), 1e-4);
      EXPECT_LT(output.worst_difference(), 1e-4);
      std::vector<std::int32_t> best(plan.examples.size());
      kernels::best_labels(plan.view(), weights, best.data(), scratch.data());
      for (std::size_t i = 0; i < best.size(); ++i) {
        const auto p = reference::softmax_scores(
            output.plain,
            reference::mean_of(input.plain, std::span(plan.features)
                                                .subspan(static_cast<std::size_t>(plan.examples[i].first_feature),
                                                         static_cast<std::size_t>(plan.examples[i].features))));
        EXPECT_GT(p[static_cast<std::size_t>(best[i])], *std::max_element(p.begin(), p.end()) - 1e-4);
      }
    }
  }
}

/// One line of four features and two labels, learned with `train`: the change of every weight must be a step down the
/// gradient of `loss(h, O)`.
template <class Train, class LossOf>
void expect_a_step_down_the_gradient(Train&& train, LossOf&& loss_of) {
  const std::vector<std::int32_t> features{2, 5, 1, 6}, truths{1, 4};
  const std::vector<kernels::Example> examples{{0, 4, 1, 0, 2}};
  Twin input(8, 10, 1, 3), output(5, 10, 1, 4);
  const Twin input_before = input, output_before = output;
  const float rate = 0.01f;
  numeric::Floats scratch(kernels::example_scratch(input.fast.stride, 5));
  train(kernels::ExamplePlan{features, examples, 5, truths},
        kernels::Weights{input.fast.values.data(), output.fast.values.data(), input.fast.stride}, rate, scratch.data());
  const auto loss = [&](const reference::Matrix& in, const reference::Matrix& out) {
    return loss_of(out, reference::mean_of(in, features));
  };
  const auto check = [&](const reference::Matrix& before, const TrainingMatrix& after, auto&& loss_at) {
    reference::Matrix at = before;
    for (std::int64_t r = 0; r < at.rows; ++r) {
      for (std::int64_t n = 0; n < at.columns; ++n) {
        const double x = at.row(r)[n], e = 1e-5;
        at.row(r)[n] = x + e;
        const double above = loss_at(at);
        at.row(r)[n] = x - e;
        const double below = loss_at(at);
        at.row(r)[n] = x;
        EXPECT_NEAR(static_cast<double>(after.row(r)[n]) - x, -static_cast<double>(rate) * (above - below) / (2 * e),
                    2e-6);
      }
    }
  };
  check(output_before.plain, output.fast, [&](const auto& at) { return loss(input_before.plain, at); });
  check(input_before.plain, input.fast, [&](const auto& at) { return loss(at, output_before.plain); });
}

TEST(ExampleKernel, UpdateIsTheNegativeGradientByCentralDifferences) {
  expect_a_step_down_the_gradient(kernels::train_examples, [](const auto& out, const auto& h) {
    return -std::log(reference::softmax_scores(out, h)[1]);
  });
}

TEST(ExampleKernel, OneVsAllUpdateIsTheNegativeGradientByCentralDifferences) {
  expect_a_step_down_the_gradient(kernels::train_all_labels, [](const auto& out, const auto& h) {
    const auto p = reference::sigmoid_scores(out, h);
    return -std::log(p[1]) - std::log(p[4]) - std::log(1 - p[0]) - std::log(1 - p[2]) - std::log(1 - p[3]);
  });
}

TEST(RowProducts, AreTheDotProductsOfEveryRow) {
  SplitMix64 random(11);
  for (const std::int64_t columns : {1, 3, 4, 10, 16, 31, 100, 300}) {
    for (const std::int64_t rows : {0, 1, 2, 3, 4, 5, 14, 257}) {
      // Off by one float: nothing is aligned.
      std::vector<float> matrix(static_cast<std::size_t>(rows * columns + 1)), h(static_cast<std::size_t>(columns + 1));
      for (auto* values : {&matrix, &h})
        for (float& value : *values) value = static_cast<float>(random.below(2001)) / 1000 - 1;
      std::vector<float> out(static_cast<std::size_t>(rows + 1), -9);
      kernels::row_products(matrix.data() + 1, rows, columns, h.data() + 1, out.data());
      for (std::int64_t r = 0; r < rows; ++r) {
        double expected = 0;
        for (std::int64_t n = 1; n <= columns; ++n)
          expected += static_cast<double>(matrix[static_cast<std::size_t>(r * columns + n)]) *
                      static_cast<double>(h[static_cast<std::size_t>(n)]);
        EXPECT_NEAR(static_cast<double>(out[static_cast<std::size_t>(r)]), expected, 1e-5) << rows << " x " << columns;
      }
      EXPECT_EQ(out[static_cast<std::size_t>(rows)], -9) << "behind the end";
    }
  }
}

TEST(TokenBorders, AgreeWithAByteLoopAtEveryOffset) {
  std::string text;
  SplitMix64 random(5);
  for (int i = 0; i < 4000; ++i) {
    static constexpr std::string_view kSigns = " \n\t\r\v\f\0ab\xc3\xa4z\x08\x0e!";
    text.push_back(random.below(3) == 0 ? kSigns[random.below(static_cast<std::uint32_t>(kSigns.size()))] : 'x');
  }
  const std::string padded = text + std::string(128, ' ');
  std::vector<std::uint32_t> borders(text.size() + 64);
  for (std::size_t begin = 0; begin < 200; ++begin) {
    for (const std::size_t size :
         {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{64}, std::size_t{65}, text.size() - 200}) {
      for (const bool inside : {false, true}) {
        std::vector<std::uint32_t> expected;
        bool now = inside;
        for (std::size_t i = begin; i < begin + size; ++i) {
          if (is_separator(text[i]) != now) continue;
          expected.push_back(static_cast<std::uint32_t>(i - begin + 9));
          now = !now;
        }
        const std::size_t count = kernels::token_borders(padded.data() + begin, size, 9, inside, borders.data());
        ASSERT_EQ(std::vector<std::uint32_t>(borders.begin(), borders.begin() + static_cast<std::ptrdiff_t>(count)),
                  expected)
            << "from " << begin << " size " << size;
      }
    }
  }
}

}  // namespace
}  // namespace clary::blazingtext
