// SPDX-License-Identifier: Apache-2.0
#include "learning/nn/pictures.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "learning/numeric/index.h"

namespace clary::nn {
namespace {

using numeric::at;

/// Positions [first, last) of a convolution's output from which tap `tap` of the kernel lies inside `size` pixels.
struct Range {
  std::int64_t first = 0, last = 0;
};
Range inside(std::int64_t tap, std::int64_t stride, std::int64_t pad, std::int64_t size, std::int64_t outputs) {
  const std::int64_t highest = size - 1 + pad - tap;  // of y * stride
  if (highest < 0) return {};
  const std::int64_t first = std::clamp<std::int64_t>((pad - tap + stride - 1) / stride, 0, outputs);
  return {first, std::max(first, std::min(outputs, highest / stride + 1))};
}

/// Sums over rectangles that start at the origin: [OH + 1][OW + 1], row and column 0 are zero.
class RectangleSums {
 public:
  RectangleSums(const float* g, std::int64_t height, std::int64_t width)
      : columns_(width + 1), sums_(at((height + 1) * columns_)) {
    for (std::int64_t y = 0; y < height; ++y) {
      double row = 0;
      for (std::int64_t x = 0; x < width; ++x) {
        row += g[y * width + x];
        sums_[at((y + 1) * columns_ + x + 1)] = sums_[at(y * columns_ + x + 1)] + row;
      }
    }
  }
  double of(Range y, Range x) const {
    return corner(y.last, x.last) - corner(y.first, x.last) - corner(y.last, x.first) + corner(y.first, x.first);
  }

 private:
  double corner(std::int64_t y, std::int64_t x) const { return sums_[at(y * columns_ + x)]; }

  std::int64_t columns_;
  std::vector<double> sums_;
};

/// One picture; C is a constant where the compiler may unroll by it, else 0.
template <int C>
void fill_planes(const float* table, std::int64_t channels, std::int64_t pixels, const std::uint8_t* in, float* out) {
  const std::int64_t step = C > 0 ? C : channels;
  for (std::int64_t c = 0; c < step; ++c) {
    const float* values = table + c * 256;
    for (std::int64_t i = 0; i < pixels; ++i) out[c * pixels + i] = values[in[i * step + c]];
  }
}

}  // namespace

ChannelStatistics channel_statistics(std::span<const std::uint8_t> pixels, std::int64_t channels) {
  // How often each byte occurs in each channel, in parts, so that threads share nothing.
  constexpr std::int64_t kParts = 64;
  const auto values = static_cast<std::int64_t>(pixels.size()) / channels;
  std::vector<std::int64_t> counts(at(kParts * channels * 256));
#pragma omp parallel for schedule(static)
  for (std::int64_t part = 0; part < kParts; ++part) {
    std::int64_t* count = counts.data() + part * channels * 256;
    for (std::int64_t i = values * part / kParts; i < values * (part + 1) / kParts; ++i)
      for (std::int64_t c = 0; c < channels; ++c) ++count[c * 256 + pixels[at(i * channels + c)]];
  }
  ChannelStatistics result{std::vector<double>(at(channels)), std::vector<double>(at(channels))};
  for (std::int64_t c = 0; c < channels; ++c) {
    std::int64_t sum = 0, squares = 0;
    for (std::int64_t part = 0; part < kParts; ++part)
      for (std::int64_t byte = 0; byte < 256; ++byte) {
        const std::int64_t n = counts[at((part * channels + c) * 256 + byte)];
        sum += n * byte;
        squares += n * byte * byte;
      }
    const double mean = static_cast<double>(sum) / static_cast<double>(values);
    result.mean[at(c)] = mean;
    result.variance[at(c)] = std::max(0.0, static_cast<double>(squares) / static_cast<double>(values) - mean * mean);
  }
  return result;
}

PixelTable identity_table(std::int64_t channels) {
  PixelTable table{std::vector<float>(at(channels * 256))};
  for (std::size_t i = 0; i < table.values.size(); ++i) table.values[i] = static_cast<float>(i % 256);
  return table;
}

PixelTable normalizing_table(const ChannelStatistics& statistics, float epsilon, std::span<const float> beta) {
  PixelTable table{std::vector<float>(beta.size() * 256)};
  for (std::size_t c = 0; c < beta.size(); ++c) {
    const double factor = 1 / std::sqrt(statistics.variance[c] + epsilon);
    for (std::size_t byte = 0; byte < 256; ++byte)
      table.values[c * 256 + byte] =
          static_cast<float>((static_cast<double>(byte) - statistics.mean[c]) * factor + beta[c]);
  }
  return table;
}

void fill_map(const PixelTable& table, std::int64_t pictures, const MapShape& shape, const std::uint8_t* pixels,
              float* map) {
  const std::int64_t channels = shape.channels, positions = shape.height * shape.width;
#pragma omp parallel for schedule(static)
  for (std::int64_t n = 0; n < pictures; ++n) {
    const std::uint8_t* in = pixels + n * shape.size();
    float* out = map + n * shape.size();
    if (channels == 3)
      fill_planes<3>(table.values.data(), channels, positions, in, out);
    else
      fill_planes<0>(table.values.data(), channels, positions, in, out);
  }
}

void input_gradient_sums(const Op& convolution, const MapShape& input, std::span<const float> g,
                         std::span<const float> weights, std::span<float> sums) {
  const MapShape& out = convolution.shape;
  const std::int64_t kernel = convolution.kernel, stride = convolution.stride, pad = convolution.pad;
  std::vector<double> total(at(input.channels));
  for (std::int64_t o = 0; o < out.channels; ++o) {
    const RectangleSums rectangles(g.data() + o * out.height * out.width, out.height, out.width);
    for (std::int64_t i = 0; i < kernel; ++i)
      for (std::int64_t j = 0; j < kernel; ++j) {
        const double seen = rectangles.of(inside(i, stride, pad, input.height, out.height),
                                          inside(j, stride, pad, input.width, out.width));
        for (std::int64_t c = 0; c < input.channels; ++c)
          total[at(c)] += seen * weights[at(((o * input.channels + c) * kernel + i) * kernel + j)];
      }
  }
  std::ranges::transform(total, sums.begin(), [](double v) { return static_cast<float>(v); });
}

}  // namespace clary::nn
