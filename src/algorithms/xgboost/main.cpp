// SPDX-License-Identifier: Apache-2.0
// The XGBoost program: train, serve, describe.
#include <unistd.h>

#include <cstdlib>

#include "algorithms/xgboost/xgboost.h"
#include "learning/shell/algorithm_main.h"

namespace {

/// libxgboost is parallel in many short sections; by default idle OpenMP threads spin between them and take the cores
/// from the busy ones: with anything else running, training takes 10 to 30 times as long, and on an idle machine no
/// less. libgomp reads its environment when it is loaded, so the program starts itself again with it, once.
void let_idle_threads_sleep(char** argv) {
  if (setenv("OMP_WAIT_POLICY", "passive", 0) != 0 || std::getenv("CLARY_XGBOOST_PASSIVE") != nullptr) return;
  setenv("CLARY_XGBOOST_PASSIVE", "1", 1);
  execv("/proc/self/exe", argv);  // on failure go on: slower, not wrong
}

}  // namespace

int main(int argc, char** argv) {
  let_idle_threads_sleep(argv);
  return clary::algorithm_main<clary::xgboost::Xgboost>(argc, argv);
}
