// SPDX-License-Identifier: Apache-2.0
// The program blazingtext: train, serve, predict, describe.
#include "algorithms/blazingtext/blazingtext.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) { return clary::algorithm_main<clary::blazingtext::BlazingText>(argc, argv); }
