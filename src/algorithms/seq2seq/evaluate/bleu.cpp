// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/evaluate/bleu.h"

#include <algorithm>
#include <cmath>
#include <map>

namespace clary::seq2seq {
namespace {

using Ids = std::span<const std::int32_t>;

struct Before {
  bool operator()(Ids a, Ids b) const { return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end()); }
};

/// How often each n-gram occurs.
std::map<Ids, std::int64_t, Before> count(Ids ids, std::size_t n) {
  std::map<Ids, std::int64_t, Before> counts;
  for (std::size_t i = 0; i + n <= ids.size(); ++i) ++counts[ids.subspan(i, n)];
  return counts;
}

}  // namespace

void Bleu::add(Ids hypothesis, Ids reference) {
  hypothesis_length_ += static_cast<std::int64_t>(hypothesis.size());
  reference_length_ += static_cast<std::int64_t>(reference.size());
  for (std::size_t n = 1; n <= kOrders && n <= hypothesis.size(); ++n) {
    total_[n - 1] += static_cast<std::int64_t>(hypothesis.size() - n + 1);
    const auto of_reference = count(reference, n);
    for (const auto& [gram, times] : count(hypothesis, n)) {
      const auto found = of_reference.find(gram);
      if (found != of_reference.end()) matches_[n - 1] += std::min(times, found->second);
    }
  }
}

Bleu& Bleu::operator+=(const Bleu& other) {
  for (std::size_t i = 0; i < kOrders; ++i) {
    matches_[i] += other.matches_[i];
    total_[i] += other.total_[i];
  }
  hypothesis_length_ += other.hypothesis_length_;
  reference_length_ += other.reference_length_;
  return *this;
}

double Bleu::score() const {
  if (hypothesis_length_ == 0) return 0;
  double sum = 0, orders = 0;
  for (std::size_t i = 0; i < kOrders; ++i) {
    if (total_[i] == 0) continue;
    const double matches = matches_[i] == 0 ? 0.01 : static_cast<double>(matches_[i]);
    sum += std::log(matches / static_cast<double>(total_[i]));
    ++orders;
  }
  const double brevity =
      std::min(0.0, 1 - static_cast<double>(reference_length_) / static_cast<double>(hypothesis_length_));
  return std::exp(sum / orders + brevity);
}

}  // namespace clary::seq2seq
