// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/decode/beam.h"

#include <algorithm>
#include <tuple>

#include "algorithms/seq2seq/data/pairs.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {

using numeric::at;

Beam::Beam(std::int64_t width, std::int64_t steps, std::int64_t positions)
    : width_(width), steps_(steps), positions_(positions), hypotheses_(1), open_{{0, kBegin}} {}

void Beam::add_attention(const float* weights) {
  attention_.insert(attention_.end(), weights, weights + positions_);
  ++attention_rows_;
}

void Beam::advance(std::span<const WordCost> extensions, std::int64_t k) {
  ++step_;
  std::vector<Candidate> candidates;
  std::int32_t open = 0;
  for (std::size_t h = 0; h < hypotheses_.size(); ++h) {
    const Hypothesis& hypothesis = hypotheses_[h];
    const auto number = static_cast<std::int32_t>(h);
    if (hypothesis.finished) {
      candidates.push_back(
          {hypothesis.cost / static_cast<double>(hypothesis.length), hypothesis.cost, number, kEnd, -1});
      continue;
    }
    for (const WordCost& extension : extensions.subspan(at(open * k), at(k))) {
      const double cost = hypothesis.cost + extension.cost;
      candidates.push_back({cost / static_cast<double>(step_), cost, number, extension.word, open});
    }
    ++open;
  }
  const auto before = [](const Candidate& a, const Candidate& b) {
    return std::tie(a.score, a.hypothesis, a.word) < std::tie(b.score, b.hypothesis, b.word);
  };
  const std::size_t kept = std::min(candidates.size(), at(width_));
  std::partial_sort(candidates.begin(), candidates.begin() + static_cast<std::ptrdiff_t>(kept), candidates.end(),
                    before);
  candidates.resize(kept);
  keep(candidates);
}

void Beam::keep(const std::vector<Candidate>& best) {
  const std::int64_t attention_before = attention_rows_ - static_cast<std::int64_t>(open_.size());
  std::vector<Hypothesis> hypotheses;
  open_.clear();
  for (const Candidate& candidate : best) {
    const Hypothesis& parent = hypotheses_[at(candidate.hypothesis)];
    if (candidate.open < 0) {
      hypotheses.push_back(parent);
      continue;
    }
    nodes_.push_back({parent.node, candidate.word, attention_before + candidate.open});
    const bool finished = candidate.word == kEnd;
    hypotheses.push_back({candidate.cost, step_, static_cast<std::int32_t>(nodes_.size()) - 1, finished});
    if (!finished) open_.push_back({candidate.open, candidate.word});
  }
  hypotheses_.swap(hypotheses);
}

std::vector<Beam::Result> Beam::results(std::int64_t count) const {
  std::vector<Result> results;
  for (const Hypothesis& hypothesis : hypotheses_) {
    if (static_cast<std::int64_t>(results.size()) == count) break;
    Result result;
    result.cost = hypothesis.cost, result.length = hypothesis.length;
    std::vector<std::int32_t> path;  // nodes, the last word first
    for (std::int32_t node = hypothesis.node; node >= 0; node = nodes_[at(node)].before)
      if (nodes_[at(node)].word != kEnd) path.push_back(node);
    for (auto node = path.rbegin(); node != path.rend(); ++node) {
      result.ids.push_back(nodes_[at(*node)].word);
      if (positions_ == 0) continue;
      const auto row = attention_.begin() + nodes_[at(*node)].attention * positions_;
      result.attention.insert(result.attention.end(), row, row + positions_);
    }
    results.push_back(std::move(result));
  }
  return results;
}

}  // namespace clary::seq2seq
