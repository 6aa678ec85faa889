// SPDX-License-Identifier: Apache-2.0
#include "algorithms/seq2seq/seq2seq.h"
#include "learning/numeric/idle_threads.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) {
  // Threads that wait for work sleep instead of spinning: other programs share the machine.
  clary::numeric::let_idle_threads_sleep(argv);
  return clary::algorithm_main<clary::seq2seq::Seq2Seq>(argc, argv);
}
