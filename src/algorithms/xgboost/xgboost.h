// SPDX-License-Identifier: Apache-2.0
// XGBoost as the shell sees it.
#pragma once

#include <string_view>

#include "algorithms/xgboost/hyperparameters.h"
#include "algorithms/xgboost/model/model.h"
#include "algorithms/xgboost/train/trainer.h"
#include "learning/shell/descriptor.h"

namespace clary::xgboost {

struct Xgboost {
  static constexpr std::string_view kName = "xgboost";
  static constexpr std::string_view kWhenNotFinite =
      "lower eta, raise lambda (booster gblinear), or scale the labels down (objectives with an exponential)";
  using Hyperparameters = xgboost::Hyperparameters;
  using Model = xgboost::Model;
  static const Schema<Hyperparameters>& schema() { return xgboost::schema(); }
  static Hyperparameters parse(const hyper::TextMap& given) { return xgboost::parse(given, tag_from_environment()); }
  static const shell::Descriptor& descriptor();
  static Model train(const Hyperparameters& hp, shell::TrainContext& context) { return xgboost::train(hp, context); }
};

}  // namespace clary::xgboost
