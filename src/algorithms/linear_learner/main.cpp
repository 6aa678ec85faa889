// SPDX-License-Identifier: Apache-2.0
// The program linear-learner: train, serve, predict, describe.
#include "algorithms/linear_learner/linear_learner.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) { return clary::algorithm_main<clary::linear_learner::LinearLearner>(argc, argv); }
