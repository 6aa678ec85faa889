// SPDX-License-Identifier: Apache-2.0
// The k-NN program: train, serve, describe.
#include "algorithms/knn/knn.h"
#include "learning/numeric/idle_threads.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) {
  // k-means alternates between faiss's OpenMP threads and OpenBLAS's own; with spinning ones, building a small IVF
  // index on a busy 2-core machine takes 18 s instead of 1 s.
  clary::numeric::let_idle_threads_sleep(argv);
  return clary::algorithm_main<clary::knn::Knn>(argc, argv);
}
