// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/image_classification.h"
#include "learning/numeric/idle_threads.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) {
  // A network of 20 layers has some hundred parallel sections a batch; where threads spin between them, training on a
  // busy 2-core machine is 30 times slower (6 pictures a second instead of 180).
  clary::numeric::let_idle_threads_sleep(argv);
  return clary::algorithm_main<clary::image_classification::ImageClassification>(argc, argv);
}
