// SPDX-License-Identifier: Apache-2.0
// The k-NN program: train, serve, describe.
#include <unistd.h>

#include <cstdlib>

#include "algorithms/knn/knn.h"
#include "learning/shell/algorithm_main.h"

namespace {

/// k-means alternates between faiss's OpenMP threads and OpenBLAS's own; by default the idle ones spin and take the
/// cores from the others: on a busy 2-core machine building a small IVF index takes 18 s instead of 1 s. libgomp reads
/// its environment when it is loaded, so the program starts itself again with it, once.
void let_idle_threads_sleep(char** argv) {
  if (setenv("OMP_WAIT_POLICY", "passive", 0) != 0 || std::getenv("CLARY_KNN_PASSIVE") != nullptr) return;
  setenv("CLARY_KNN_PASSIVE", "1", 1);
  execv("/proc/self/exe", argv);  // on failure go on: slower, not wrong
}

}  // namespace

int main(int argc, char** argv) {
  let_idle_threads_sleep(argv);
  return clary::algorithm_main<clary::knn::Knn>(argc, argv);
}
