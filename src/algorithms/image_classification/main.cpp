// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/image_classification.h"
#include "learning/shell/algorithm_main.h"

int main(int argc, char** argv) {
  return clary::algorithm_main<clary::image_classification::ImageClassification>(argc, argv);
}
