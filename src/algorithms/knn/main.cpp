// SPDX-License-Identifier: Apache-2.0
// The k-NN program: train, serve, describe.
#include "algorithms/knn/knn.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) { return clary::algorithm_main<clary::knn::Knn>(argc, argv); }
