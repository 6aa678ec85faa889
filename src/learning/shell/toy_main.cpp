// SPDX-License-Identifier: Apache-2.0
#include "learning/shell/toy_algorithm.h"

int main(int argc, char** argv) { return clary::algorithm_main<clary::toy::Toy>(argc, argv); }
