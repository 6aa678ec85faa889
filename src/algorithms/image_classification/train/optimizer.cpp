// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/optimizer.h"

#include <algorithm>

#include "learning/numeric/gemm.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;
using optim::Rule;

constexpr std::int64_t kPieceWidth = 1 << 16;  // a thread's portion; a multiple of numeric::kPad
/// An epsilon of 0 would make 0 / 0 of a number that has never had a gradient, padding included.
constexpr double kLeastEpsilon = 1e-37;

}  // namespace

Optimizer::Optimizer(const Hyperparameters& hp, const nn::Parameters& parameters, int threads)
    : rule_(hp.optimizer), team_(threads, numeric::Team::Shared{}) {
  step_.epsilon = static_cast<float>(std::max(hp.eps, kLeastEpsilon));
  if (rule_ == Rule::kAdam) {
    step_.beta_1 = static_cast<float>(hp.beta_1), step_.rest_1 = static_cast<float>(1 - hp.beta_1);
    step_.beta_2 = static_cast<float>(hp.beta_2), step_.rest_2 = static_cast<float>(1 - hp.beta_2);
    beta_1_ = hp.beta_1, beta_2_ = hp.beta_2;
    second_.assign(parameters.values().size(), 0.0F);
  } else if (rule_ == Rule::kRmsprop) {
    step_.beta_1 = static_cast<float>(hp.gamma), step_.rest_1 = static_cast<float>(1 - hp.gamma);
  } else {
    step_.momentum = static_cast<float>(hp.momentum);
    weight_decay_ = static_cast<float>(hp.weight_decay);
  }
  first_.assign(parameters.values().size(), 0.0F);
  for (const nn::Parameter& p : parameters.list()) {
    if (p.is_statistic()) continue;
    for (std::int64_t from = 0; from < p.size; from += kPieceWidth)
      pieces_.push_back({p.offset + from, numeric::padded(std::min(kPieceWidth, p.size - from)), p.decays()});
  }
}

void Optimizer::step(nn::Parameters& parameters, std::span<const float> gradient, double rate) {
  ++steps_;
  step_.learning_rate = static_cast<float>(rate);
  if (rule_ == Rule::kAdam) step_.learning_rate = optim::corrected_rate(step_.learning_rate, steps_, beta_1_, beta_2_);
  float* const w = parameters.values().data();
  float* const second = second_.empty() ? nullptr : second_.data();
  team_.run_units(std::ssize(pieces_), [&](std::int64_t i) {
    const Piece& piece = pieces_[at(i)];
    optim::Step step = step_;
    step.weight_decay = piece.decays ? weight_decay_ : 0;
    optim::update(rule_, step, piece.width, w + piece.offset, first_.data() + piece.offset,
                  second == nullptr ? nullptr : second + piece.offset, gradient.data() + piece.offset);
  });
}

}  // namespace clary::image_classification
