// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/train/optimizer.h"

#include <algorithm>

#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::seq2seq {
namespace {

using numeric::at;
using optim::Rule;

constexpr std::int64_t kPieceWidth = 1 << 16;  // a thread's portion; a multiple of numeric::kPad

/// sgd without momentum needs no state.
Rule rule_of(const Hyperparameters& hp) {
  const bool plain = hp.optimizer_type == Rule::kMomentum && hp.momentum.value_or(0) == 0;
  return plain ? Rule::kSgd : hp.optimizer_type;
}

}  // namespace

int Optimizer::states(const Hyperparameters& hp) {
  switch (rule_of(hp)) {
    case Rule::kSgd:
      return 0;
    case Rule::kAdam:
      return 2;
    default:
      return 1;
  }
}

Optimizer::Optimizer(const Hyperparameters& hp, const Parameters& parameters, numeric::Team& team)
    : rule_(rule_of(hp)), weight_decay_(static_cast<float>(hp.weight_decay)), team_(team) {
  step_.clip = static_cast<float>(hp.clip_gradient);
  step_.momentum = static_cast<float>(hp.momentum.value_or(0));
  const std::size_t floats = parameters.values().size();
  if (states(hp) > 0) first_.assign(floats, 0.0F);
  if (states(hp) > 1) second_.assign(floats, 0.0F);
  for (const Tensor& tensor : parameters.list())
    for (std::int64_t from = 0; from < tensor.size; from += kPieceWidth)
      pieces_.push_back(
          {tensor.offset + from, numeric::padded(std::min(kPieceWidth, tensor.size - from)), tensor.decays()});
}

void Optimizer::step(Parameters& parameters, std::span<const float> gradient, double rate) {
  ++steps_;
  step_.learning_rate = static_cast<float>(rate);
  if (rule_ == Rule::kAdam) step_.learning_rate = optim::corrected_rate(step_.learning_rate, steps_);
  const auto from = [](numeric::Floats& state, std::int64_t offset) {
    return state.empty() ? nullptr : state.data() + offset;
  };
  float* const w = parameters.values().data();
  team_.run_units(std::ssize(pieces_), [&](std::int64_t i) {
    const Piece& piece = pieces_[at(i)];
    optim::Step step = step_;
    step.weight_decay = piece.decays ? weight_decay_ : 0;
    optim::update(rule_, step, piece.width, w + piece.offset, from(first_, piece.offset), from(second_, piece.offset),
                  gradient.data() + piece.offset);
  });
}

}  // namespace clary::seq2seq
