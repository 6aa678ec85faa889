// SPDX-License-Identifier: Apache-2.0
// main() of every algorithm program: int main(int argc, char** argv) { return clary::algorithm_main<Knn>(argc, argv); }
// Commands: train, serve, describe [--markdown], --help. See docs/algorithms.md.
#pragma once

#include "learning/shell/algorithm.h"

namespace clary {

namespace shell {
/// Returns the exit code; never throws.
int run_program(const Program& program, int argc, char** argv) noexcept;
}  // namespace shell

template <shell::Algorithm A>
int algorithm_main(int argc, char** argv) {
  return shell::run_program(shell::program_of<A>(), argc, argv);
}

}  // namespace clary
