// SPDX-License-Identifier: Apache-2.0
// Loads a train channel into the library's matrix again and again, as a training job does, and prints the seconds of
// each time, the shape and the peak memory. With a file name, saves the matrix there for comparison.
//   xgboost_loading ROOT CONTENT_TYPE THREADS TIMES [FILE]        ROOT/input/data/train/... holds the files
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <string>

#include "algorithms/xgboost/data/loader.h"
#include "algorithms/xgboost/xgboost.h"

namespace {

/// VmHWM; getrusage's maximum would count the process that forked this one too.
double peak_megabytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::strtod(line.c_str() + 6, nullptr) / 1024;
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  using namespace clary;
  if (argc < 5) return std::fprintf(stderr, "usage: xgboost_loading ROOT CONTENT_TYPE THREADS TIMES [FILE]\n"), 2;
  shell::TrainContext::Setup setup;
  setup.layout.root = argv[1];
  setup.threads = std::atoi(argv[3]);
  setup.channels["train"].content_type = argv[2];
  setup.log = [](std::string_view) {};
  shell::TrainContext context(xgboost::Xgboost::descriptor(), setup);
  std::printf("{\"seconds\": [");
  rusage usage{};
  std::int64_t rows = 0, columns = 0, entries = 0;
  for (int i = 0, times = std::atoi(argv[4]); i < times; ++i) {
    const auto start = std::chrono::steady_clock::now();
    const auto data = xgboost::load_data(context, {});
    std::printf("%s%.4f", i > 0 ? ", " : "",
                std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    rows = data.train->rows;
    columns = data.train->columns;
    entries = data.train->matrix.non_missing();
    if (argc > 5 && i == 0) data.train->matrix.save_binary(argv[5]);
  }
  getrusage(RUSAGE_SELF, &usage);
  const auto cpu = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  std::printf("], \"cpu_seconds\": %.4f, \"rows\": %ld, \"columns\": %ld, \"entries\": %ld, \"peak_mb\": %.0f}\n",
              (cpu(usage.ru_utime) + cpu(usage.ru_stime)) / std::atoi(argv[4]), rows, columns, entries,
              peak_megabytes());
}
