// SPDX-License-Identifier: Apache-2.0
#include "algorithms/image_classification/train/calibration.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "learning/nn/predictor.h"
#include "learning/numeric/index.h"

namespace clary::image_classification {
namespace {

using numeric::at;

// Of all pictures: 2 to 4 s on one core. Some hundred pictures are enough for the largest values to settle (Jacob et
// al. and TensorRT's guides use 100 to 500).
constexpr std::int64_t kMultiplyAdds = std::int64_t{1} << 37, kFewest = 16, kMost = 256;
constexpr std::uint64_t kSeed = 1;

std::int64_t class_of(std::span<const float> logits) { return std::ranges::max_element(logits) - logits.begin(); }

}  // namespace

Calibration::Calibration(nn::Graph graph)
    : graph_(std::move(graph)), wanted_(std::clamp(kMultiplyAdds / nn::multiply_adds(graph_), kFewest, kMost)) {
  begin_pass();
}

void Calibration::begin_pass() {
  pixels_.clear();
  seen_ = 0;
  random_ = numeric::PhiloxStream(kSeed, 0);
}

std::int64_t Calibration::pictures() const { return std::ssize(pixels_) / graph_.input().size(); }

void Calibration::add(std::span<const std::uint8_t> pixels) {
  const std::size_t size = at(graph_.input().size());
  for (; !pixels.empty(); pixels = pixels.subspan(size), ++seen_) {
    const auto picture = pixels.first(size);
    if (seen_ < wanted_) {
      pixels_.insert(pixels_.end(), picture.begin(), picture.end());
    } else if (const std::size_t place = random_.below(at(seen_ + 1)); place < at(wanted_)) {
      std::ranges::copy(picture, pixels_.begin() + static_cast<std::ptrdiff_t>(place * size));
    }
  }
}

Calibration::Result Calibration::measure(const nn::Parameters& parameters) const {
  if (pixels_.empty()) return {};
  const std::vector<float> largest = nn::largest_values(graph_, parameters, pixels_);
  if (!std::ranges::all_of(largest, [](float v) { return std::isfinite(v); })) return {};
  Result result;
  const std::vector<bool> needed = nn::integer_maps(graph_);
  for (std::size_t i = 0; i < needed.size(); ++i)
    if (needed[i]) result.largest[graph_.ops[i].name] = largest[i];

  const std::size_t classes = at(graph_.outputs());
  std::vector<float> exact(at(pictures()) * classes), integers(exact.size());
  nn::Predictor(graph_, parameters).run(pictures(), pixels_, exact);
  nn::Predictor(graph_, parameters, {.precision = nn::ServedPrecision::kInt8, .largest = largest})
      .run(pictures(), pixels_, integers);
  for (std::size_t i = 0; i < exact.size(); i += classes)
    result.same += class_of(std::span(exact).subspan(i, classes)) == class_of(std::span(integers).subspan(i, classes));
  return result;
}

}  // namespace clary::image_classification
