// SPDX-License-Identifier: Apache-2.0
#include "algorithms/ntm/ntm.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) { return clary::algorithm_main<clary::ntm::Ntm>(argc, argv); }
