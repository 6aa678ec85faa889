// SPDX-License-Identifier: Apache-2.0
// The XGBoost program: train, serve, describe.
#include "algorithms/xgboost/xgboost.h"
#include "learning/numeric/idle_threads.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) {
  // libxgboost is parallel in many short sections: with spinning threads and anything else running, training takes 10
  // to 30 times as long, and on an idle machine no less.
  clary::numeric::let_idle_threads_sleep(argv);
  return clary::algorithm_main<clary::xgboost::Xgboost>(argc, argv);
}
