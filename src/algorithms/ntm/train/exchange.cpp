// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/train/exchange.h"

#include <algorithm>
#include <cstring>
#include <numeric>

namespace clary::ntm {
namespace {

/// Below this vocabulary, finding out which rows changed costs more than sending them all.
constexpr std::int64_t kSmallVocabulary = 8192;

/// f(parameters, start) over all matrices that are summed, except the embedding.
template <class F>
void each_pair(Parameters& p, Parameters& base, F&& f) {
  std::vector<Matrix*> now, old;
  Parameters::each_dense(p, [&](Matrix& m) { now.push_back(&m); });
  Parameters::each_dense(base, [&](Matrix& m) { old.push_back(&m); });
  for (std::size_t i = 0; i < now.size(); ++i) f(now[i]->values.data(), old[i]->values.data(), now[i]->values.size());
}

}  // namespace

std::int64_t automatic_sync_steps(int hosts) { return std::max(1, 8 / std::max(1, hosts)); }

Exchange::Exchange(collective::Collective& hosts, const Parameters& start) : hosts_(&hosts) {
  if (alone()) return;
  base_ = start;
  touched_.assign(static_cast<std::size_t>(start.shape.vocabulary), 0.0f);
}

void Exchange::note(const WordIndex& index) {
  if (alone()) return;
  for (int t = 0; t < index.threads(); ++t) {
    for (const std::int32_t w : index.share(t).words) touched_[static_cast<std::size_t>(w)] = 1;
  }
}

// A row must be sent when any host changed it: all hosts then hold the same list, in the same order, which all_reduce
// needs.
void Exchange::choose_rows(bool every_row) {
  rows_.clear();
  if (every_row) {
    rows_.resize(touched_.size());
    std::iota(rows_.begin(), rows_.end(), std::int64_t{0});
    return;
  }
  hosts_->all_reduce_sum(std::span<float>(touched_));
  for (std::size_t w = 0; w < touched_.size(); ++w) {
    if (touched_[w] > 0) rows_.push_back(static_cast<std::int64_t>(w));
  }
}

// Local SGD: each host steps on its own; here the changes since the last merge are added up and applied to the common
// base on every host. Every host must call this equally often, also when its data have ended (then with no change).
Exchange::Status Exchange::merge(Parameters& p, Optimizer& optimizer, Team& team, Status mine) {
  if (alone()) return mine;
  // Rows moved by the optimizer alone (Adam's momentum, weight decay) are brought up to date first, or their change
  // would be lost.
  if (optimizer.moves_idle_rows()) optimizer.flush(p, team);
  choose_rows(optimizer.moves_idle_rows() || p.shape.vocabulary <= kSmallVocabulary);
  const auto width = static_cast<std::size_t>(p.embedding.columns);
  // One buffer and one all_reduce: latency counts more than bytes.
  buffer_.clear();
  const auto put_change = [&](const float* now, const float* old, std::size_t n) {
    const std::size_t at = buffer_.size();
    buffer_.resize(at + n);
    for (std::size_t i = 0; i < n; ++i) buffer_[at + i] = now[i] - old[i];
  };
  each_pair(p, base_, put_change);
  for (const std::int64_t row : rows_) put_change(p.embedding.row(row), base_.embedding.row(row), width);
  // Running statistics are averaged.
  const float part = 1 / static_cast<float>(hosts_->size());
  const auto each_statistic = [&](auto&& f) {
    for (Matrix& m : p.running_mean) f(m);
    for (Matrix& m : p.running_variance) f(m);
  };
  // No change but the value itself, divided by the number of hosts: the sum is the average.
  each_statistic([&](const Matrix& m) {
    for (const float x : m.values) buffer_.push_back(part * x);
  });
  // The flags ride along as numbers: > 0 after the sum means that some host has set it.
  buffer_.push_back(mine.has_more);
  buffer_.push_back(mine.stop);
  hosts_->all_reduce_sum(std::span<float>(buffer_));

  const float* sum = buffer_.data();
  const auto take_change = [&](float* now, float* old, std::size_t n) {
    // old += sum first: base_ stays equal on all hosts bit by bit, since every host adds the same numbers.
    for (std::size_t i = 0; i < n; ++i) now[i] = old[i] += sum[i];
    sum += n;
  };
  each_pair(p, base_, take_change);
  for (const std::int64_t row : rows_) take_change(p.embedding.row(row), base_.embedding.row(row), width);
  each_statistic([&](Matrix& m) {
    std::copy(sum, sum + m.values.size(), m.values.begin());
    sum += m.values.size();
  });
  std::fill(touched_.begin(), touched_.end(), 0.0f);
  return {sum[0] > 0, sum[1] > 0};
}

LossSum Exchange::sum(const LossSum& mine) {
  if (alone()) return mine;
  double values[] = {mine.reconstruction, mine.divergence, static_cast<double>(mine.documents)};
  hosts_->all_reduce_sum(std::span<double>(values));
  return {values[0], values[1], static_cast<std::int64_t>(values[2])};
}

// For counts: int64 sums are exact in any order.
std::int64_t Exchange::sum(std::int64_t mine) {
  if (!alone()) hosts_->all_reduce_sum(std::span<std::int64_t>(&mine, 1));
  return mine;
}

// min(x) == max(x) by one reduction of x and -x. Halves of 32 bits, which doubles hold exactly.
bool Exchange::agree(std::uint64_t mine) {
  if (alone()) return true;
  const auto low = static_cast<double>(mine & 0xFFFFFFFFu), high = static_cast<double>(mine >> 32);
  double values[] = {low, -low, high, -high};
  hosts_->all_reduce_max(std::span<double>(values));
  return values[0] == -values[1] && values[2] == -values[3];
}

}  // namespace clary::ntm
