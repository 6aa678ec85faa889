// SPDX-License-Identifier: Apache-2.0
#include "algorithms/linear_learner/data/scaler.h"

#include <algorithm>
#include <cmath>
#include <cstddef>

#include "learning/numeric/index.h"

namespace clary::linear_learner {
namespace {

using numeric::at;

double deviation_of(double sum, double square, std::int64_t rows) {
  if (rows == 0) return 0;
  const double n = static_cast<double>(rows), mean = sum / n;
  const double variance = square / n - mean * mean;
  // Below the rounding of the sums there is no variance to speak of.
  return variance > 1e-14 * (square / n) ? std::sqrt(variance) : 0;
}

}  // namespace

void ScalerSums::add(const formats::Batch& batch, std::int64_t count) {
  if (count <= 0) return;
  const std::int64_t d = static_cast<std::int64_t>(sums_.size());
  // Sums are taken about a pivot, the first row: for values far from zero the difference of squares would cancel.
  // Sparse rows keep a pivot of zero, or their zeros would count.
  if (!has_pivot_) {
    has_pivot_ = true;
    if (!batch.sparse) std::copy_n(batch.values.begin(), d, pivot_.begin());
    if (with_label_) label_pivot_ = static_cast<double>(batch.labels[0]);
  }
  for (std::int64_t r = 0; r < count; ++r) {
    if (batch.sparse) {
      const auto values = batch.row_values(r);
      const auto columns = batch.row_columns(r);
      for (std::size_t i = 0; i < values.size(); ++i) {
        const double x = static_cast<double>(values[i]);
        sums_[at(columns[i])] += x;
        squares_[at(columns[i])] += x * x;
        ++stored_[at(columns[i])];
      }
      numbers_ += static_cast<std::int64_t>(values.size());
    } else {
      const auto row = batch.row(r);
      for (std::size_t j = 0; j < row.size(); ++j) {
        const double x = static_cast<double>(row[j]) - pivot_[j];
        sums_[j] += x;
        squares_[j] += x * x;
        numbers_ += row[j] != 0;
      }
    }
    if (with_label_) {
      const double y = static_cast<double>(batch.labels[at(r * batch.label_width)]) - label_pivot_;
      label_sum_ += y;
      label_square_ += y * y;
    }
  }
  rows_ += count;
}

void ScalerSums::combine(collective::Collective& hosts) {
  if (hosts.size() == 1) return;
  // Everybody's sums about zero would cancel; about the first host's pivot they do not.
  std::vector<double> pivot = pivot_;
  pivot.push_back(label_pivot_);
  std::vector<double> common = pivot;
  if (hosts.rank() != 0) std::fill(common.begin(), common.end(), 0.0);
  hosts.all_reduce_sum(std::span<double>(common));
  const double n = static_cast<double>(rows_);
  std::vector<double> sums;
  // Moves sums from pivot p to p': with d = p - p', sum' = sum + n d, square' = square + 2 d sum + n d^2.
  const auto moved = [&](double sum, double square, double from, double to) {
    const double shift = from - to;
    sums.push_back(sum + n * shift);
    sums.push_back(square + 2 * shift * sum + n * shift * shift);
  };
  for (std::size_t j = 0; j < sums_.size(); ++j) moved(sums_[j], squares_[j], pivot_[j], common[j]);
  moved(label_sum_, label_square_, label_pivot_, common.back());
  hosts.all_reduce_sum(std::span<double>(sums));
  hosts.all_reduce_sum(std::span<std::int64_t>(stored_));
  std::int64_t counts[] = {rows_, numbers_};
  hosts.all_reduce_sum(std::span<std::int64_t>(counts));
  rows_ = counts[0], numbers_ = counts[1];
  for (std::size_t j = 0; j < sums_.size(); ++j) {
    sums_[j] = sums[2 * j], squares_[j] = sums[2 * j + 1];
    pivot_[j] = common[j];
  }
  label_sum_ = sums[sums.size() - 2], label_square_ = sums.back();
  label_pivot_ = common.back();
}

double ScalerSums::mean(std::int64_t feature) const {
  return rows_ == 0 ? 0 : pivot_[at(feature)] + sums_[at(feature)] / static_cast<double>(rows_);
}
double ScalerSums::deviation(std::int64_t feature) const {
  return deviation_of(sums_[at(feature)], squares_[at(feature)], rows_);
}
double ScalerSums::stored_size(std::int64_t feature) const {
  const std::int64_t n = stored_[at(feature)];
  return n == 0 ? 0 : std::sqrt(squares_[at(feature)] / static_cast<double>(n));
}
double ScalerSums::label_mean() const {
  return rows_ == 0 ? 0 : label_pivot_ + label_sum_ / static_cast<double>(rows_);
}
double ScalerSums::label_deviation() const { return deviation_of(label_sum_, label_square_, rows_); }

Scaler Scaler::of(const ScalerSums& sums, const Hyperparameters& hp, bool sparse) {
  Scaler s;
  const auto d = static_cast<std::int64_t>(sums.features());
  for (std::int64_t j = 0; j < d; ++j) {
    const double mean = sums.mean(j), deviation = sums.deviation(j);
    s.mean.push_back(static_cast<float>(mean));
    s.deviation.push_back(static_cast<float>(deviation));
    // A constant feature is left as it is.
    const bool scales = hp.scales_features() && deviation > 0;
    // Shifting a sparse feature costs a term for every row; without need it is only divided by the size of its stored
    // values.
    const bool matters = !sparse || hp.unbias_data.has_value() || std::abs(mean) > kShiftFrom * deviation;
    const double size = sparse && !matters ? sums.stored_size(j) : deviation;
    s.scale.push_back(scales && size > 0 ? size : 1);
    // What is subtracted from float32 numbers is a float32 number; folding must undo the same one.
    s.shift.push_back(hp.shifts_features() && matters ? static_cast<double>(static_cast<float>(mean)) : 0);
  }
  if (!hp.is_classifier()) {
    s.label_mean = sums.label_mean(), s.label_deviation = sums.label_deviation();
    if (hp.shifts_label()) s.label_shift = s.label_mean;
    if (hp.scales_label() && s.label_deviation > 0) s.label_scale = s.label_deviation;
  }
  return s;
}

std::vector<std::int32_t> Scaler::shifted() const {
  std::vector<std::int32_t> out;
  for (std::size_t j = 0; j < shift.size(); ++j) {
    if (shift[j] != 0) out.push_back(static_cast<std::int32_t>(j));
  }
  return out;
}

}  // namespace clary::linear_learner
