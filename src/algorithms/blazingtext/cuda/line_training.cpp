// SPDX-License-Identifier: Apache-2.0
#include "algorithms/blazingtext/cuda/line_training.h"

#include <algorithm>

namespace clary::blazingtext::cuda {
namespace {

constexpr std::int32_t kMostLinesAtOnce = 128;

/// Every line moves all rows of O, so n lines that are learned side by side from the same old values take a step n
/// times as long. On AG News that is harmless up to n * rate = 48 and diverges from 64 on (emulated; softmax and
/// one-vs-all, dim 10 and 100, rates 0.05 to 1); a quarter of it is far away.
std::int32_t lines_at_once(double rate) {
  return static_cast<std::int32_t>(std::clamp(16 / rate, 1.0, static_cast<double>(kMostLinesAtOnce)));
}

}  // namespace

LineTraining::LineTraining(Gpu& gpu, TrainingMatrix& input, TrainingMatrix& output, std::int64_t input_capacity,
                           std::int64_t tokens, int threads, double rate, bool one_vs_all)
    : gpu_(gpu),
      input_(input),
      output_(output),
      chunk_features_(static_cast<std::size_t>(chunk_size(tokens, threads))),
      one_vs_all_(one_vs_all) {
  gpu_.begin_lines(matrices(), input_capacity, lines_at_once(rate));
}

std::size_t LineTraining::bytes(const TrainingMatrix& input, const TrainingMatrix& output,
                                std::int64_t input_capacity) {
  return static_cast<std::size_t>((input_capacity + output.rows) * input.stride) * sizeof(float) +
         static_cast<std::size_t>(kMostLinesAtOnce * output.rows) * sizeof(float);
}

Matrices LineTraining::matrices() const {
  return {input_.values.data(), output_.values.data(), input_.rows, output_.rows,
          static_cast<std::int32_t>(input_.stride)};
}

void LineTraining::add_row(std::int64_t row) {
  const std::lock_guard lock(mutex_);
  new_rows_.push_back(row);
}

/// Rows come nearly in order, so few copies carry them all.
void LineTraining::put_new_rows() {
  std::sort(new_rows_.begin(), new_rows_.end());
  for (auto first = new_rows_.begin(); first != new_rows_.end();) {
    auto last = first + 1;
    while (last != new_rows_.end() && *last == *first + (last - first)) ++last;
    gpu_.put_rows(*first, last - first, input_.row(*first));
    first = last;
  }
  new_rows_.clear();
}

void LineTraining::learn(const kernels::ExamplePlan& plan, float rate) {
  // Outside the lock: other threads plan while the device works.
  std::vector<Line> lines;
  lines.reserve(plan.examples.size());
  for (const kernels::Example& e : plan.examples)
    lines.push_back({e.first_feature, e.features, e.label, e.first_truth, e.truths});
  const std::lock_guard lock(mutex_);
  // Rows that threads have added since must be on the device before lines use them.
  put_new_rows();
  gpu_.learn(LineChunk{plan.features.data(), plan.truths.data(), lines.data(),
                       static_cast<std::int32_t>(plan.features.size()), static_cast<std::int32_t>(plan.truths.size()),
                       static_cast<std::int32_t>(lines.size()), one_vs_all_, rate});
  stale_ = true;
}

void LineTraining::fetch() {
  const std::lock_guard lock(mutex_);
  if (!stale_) return;
  put_new_rows();
  gpu_.fetch(matrices());
  stale_ = false;
}

}  // namespace clary::blazingtext::cuda
