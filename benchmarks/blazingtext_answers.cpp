// SPDX-License-Identifier: Apache-2.0
// How long BlazingText takes from a request's body to its answer, without HTTP: what an endpoint adds to the server's
// path. Also the time that a model takes to load, and the first answer, which pays for what is made at first use.
//   blazingtext_answers MODEL_FOLDER BODY_FILE [CONTENT_TYPE] [SECONDS]
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <vector>

#include "algorithms/blazingtext/model/model.h"
#include "base/files.h"

namespace {

using Clock = std::chrono::steady_clock;

double microseconds_since(Clock::time_point begin) {
  return std::chrono::duration<double, std::micro>(Clock::now() - begin).count();
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) return fmt::print(stderr, "usage: {} MODEL_FOLDER BODY_FILE [CONTENT_TYPE] [SECONDS]\n", argv[0]), 2;
  auto begin = Clock::now();
  const auto model = clary::blazingtext::Model::load(argv[1]);
  const double load = microseconds_since(begin);
  const std::string body = clary::read_file(argv[2], 1 << 30);
  const clary::shell::Invocation request{argc > 3 ? argv[3] : "application/json", {}, {}, body};
  const double limit = 1e6 * (argc > 4 ? std::stod(argv[4]) : 2.0);
  begin = Clock::now();
  auto answer = model.answer(request);
  const double first = microseconds_since(begin);
  std::vector<double> took;
  for (const auto start = Clock::now(); took.empty() || microseconds_since(start) < limit;) {
    begin = Clock::now();
    answer = model.answer(request);
    took.push_back(microseconds_since(begin));
  }
  std::nth_element(took.begin(), took.begin() + static_cast<std::ptrdiff_t>(took.size() / 2), took.end());
  fmt::print("load {:.3f} s, first answer {:.0f} us, median of {} {:.2f} us, status {}, {} bytes in, {} out\n",
             load / 1e6, first, took.size(), took[took.size() / 2], answer.status, body.size(), answer.body.size());
}
